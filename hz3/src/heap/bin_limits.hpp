// How many blocks the bins of each class may hold, at least and at most.
#pragma once

#include "heap/size_class.hpp"

namespace hz3 {

namespace detail {

constexpr std::uint32_t limit_by_bytes(std::uint32_t c) {
  const auto by_bytes = static_cast<std::uint32_t>(flag::TCACHE_CLASS_BYTES / kSizeClasses[c].size);
  const auto by_count = static_cast<std::uint32_t>(flag::TCACHE_CLASS_OBJS);
  return by_bytes < by_count ? by_bytes : by_count;
}

}  // namespace detail

// Blocks a bin of this class may ever hold. Above HZ3_TCACHE_CLASS_BYTES blocks are not cached at
// all, unless S316 says that some are.
constexpr std::uint32_t largest_limit(std::uint32_t c) {
  constexpr auto kLeast = static_cast<std::uint32_t>(flag::S316_LEAST_OBJS);
  const std::uint32_t most = detail::limit_by_bytes(c);
  return most < kLeast ? kLeast : most;
}

// What other bins cannot take away: nothing from those that only S316 lets hold any.
constexpr std::uint32_t smallest_limit(std::uint32_t c) {
  const std::uint32_t few = kSizeClasses[c].size <= 1024 ? 8 : 2;
  const std::uint32_t most = detail::limit_by_bytes(c);
  return few < most ? few : most;
}

// Places that a bin which is an array has in the cache itself: one at least, if it may hold a
// block.
constexpr std::uint32_t first_places(std::uint32_t c) {
  const std::uint32_t one = largest_limit(c) > 0 ? 1 : 0;
  return smallest_limit(c) < one ? one : smallest_limit(c);
}

// Blocks that a bin asks for when it begins: a thread that needs one should not keep many.
constexpr std::uint32_t first_wish(std::uint32_t c) {
  return kSizeClasses[c].size < 1024 ? 1024 / kSizeClasses[c].size : 1;
}

namespace detail {

struct Limits {
  std::uint16_t smallest[kClasses];
  std::uint16_t largest[kClasses];
};
constexpr Limits make_limits() {
  Limits limits{};
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    limits.smallest[c] = static_cast<std::uint16_t>(smallest_limit(c));
    limits.largest[c] = static_cast<std::uint16_t>(largest_limit(c));
  }
  return limits;
}
inline constexpr Limits kLimits = make_limits();

}  // namespace detail

}  // namespace hz3
