// Size classes: which block size serves a request, and how many pages a run of such blocks takes.
//
//   small   16 … 2048      steps of 16 to 512, of 32 to 1024, of 64 to 2048 (at most 6 % rounding)
//   sub4k   2304 … 3840    four classes; without HZ3_SUB4K_ENABLE such requests take a 4 KiB page
//   medium  4 KiB … 1 MiB  whole pages: each page count to 8, then four classes a doubling;
//                          one block a run, so that an empty run is an empty page range
//
// Above 1 MiB a request gets a span of segments of its own (large.hpp). Class 0 means "none".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "config/flags.hpp"
#include "os/pages.hpp"

namespace hz3 {

inline constexpr std::size_t kSmallMax = 2048;
inline constexpr std::size_t kTableMax = 4096;  // requests up to here are looked up by 16 bytes
inline constexpr std::size_t kMediumMax = std::size_t{1} << 20;  // and up to here by pages
inline constexpr std::uint32_t kSmallClasses = 32 + 16 + 16;
inline constexpr std::uint32_t kSub4kClasses = 4;
inline constexpr std::uint32_t kMediumClasses = 8 + 4 * 5;
inline constexpr std::uint32_t kFirstSub4k = 1 + kSmallClasses;
inline constexpr std::uint32_t kFirstMedium = kFirstSub4k + kSub4kClasses;
inline constexpr std::uint32_t kClasses = kFirstMedium + kMediumClasses;  // including class 0

struct SizeClass {
  std::uint32_t size;        // bytes a block
  std::uint16_t pages;       // pages a run
  std::uint16_t objects;     // blocks a run
  std::uint32_t reciprocal;  // ceil(2^32 / size): offset*reciprocal >> 32 is the block's index
};

namespace detail {

// The shortest run of at most eight pages that holds at least `least` blocks and wastes at most
// 1/16; where none does, the one that wastes the smallest share.
constexpr SizeClass make_run(std::uint32_t size, std::uint32_t least) {
  std::uint32_t best = 0;
  std::uint64_t best_waste = 0;
  for (std::uint32_t pages = 1; pages <= 8; ++pages) {
    const std::uint32_t bytes = pages * os::kPageSize;
    if (bytes / size < least) continue;
    const std::uint32_t waste = bytes % size;
    if (waste * 16 <= bytes) {
      best = pages;
      break;
    }
    if (best == 0 || waste * best < best_waste * pages) {
      best = pages;
      best_waste = waste;
    }
  }
  return {size, static_cast<std::uint16_t>(best),
          static_cast<std::uint16_t>(best * os::kPageSize / size),
          static_cast<std::uint32_t>((std::uint64_t{1} << 32) / size + 1)};
}

constexpr std::array<SizeClass, kClasses> make_classes() {
  std::array<SizeClass, kClasses> table{};
  std::uint32_t c = 1;
  for (std::uint32_t size = 16; size <= 512; size += 16) table[c++] = make_run(size, 8);
  for (std::uint32_t size = 544; size <= 1024; size += 32) table[c++] = make_run(size, 8);
  for (std::uint32_t size = 1088; size <= kSmallMax; size += 64) table[c++] = make_run(size, 8);
  for (std::uint32_t size : {2304u, 2816u, 3328u, 3840u}) table[c++] = make_run(size, 4);
  const auto medium = [&](std::uint32_t pages) {
    const auto size = static_cast<std::uint32_t>(pages * os::kPageSize);
    table[c++] = {size, static_cast<std::uint16_t>(pages), 1,
                  static_cast<std::uint32_t>((std::uint64_t{1} << 32) / size + 1)};
  };
  for (std::uint32_t pages = 1; pages <= 8; ++pages) medium(pages);
  for (std::uint32_t base = 8; base < kMediumMax / os::kPageSize; base *= 2) {
    for (std::uint32_t quarter = 1; quarter <= 4; ++quarter) medium(base + base / 4 * quarter);
  }
  return table;
}

}  // namespace detail

inline constexpr std::array<SizeClass, kClasses> kSizeClasses = detail::make_classes();
static_assert(kSizeClasses[kSmallClasses].size == kSmallMax);
static_assert(kSizeClasses[kClasses - 1].size == kMediumMax);
static_assert(kClasses <= 128, "a class fits the page map's byte with room to spare");

constexpr bool is_small(std::uint32_t c) { return c < kFirstSub4k; }
constexpr bool is_sub4k(std::uint32_t c) { return c >= kFirstSub4k && c < kFirstMedium; }
constexpr bool is_medium(std::uint32_t c) { return c >= kFirstMedium; }

namespace detail {

// The first class at or after `from` that holds `size` bytes and may be used in this build.
constexpr std::uint8_t smallest_class(std::size_t size) {
  std::uint32_t c = 1;
  while (kSizeClasses[c].size < size || (is_sub4k(c) && !flag::SUB4K_ENABLE)) ++c;
  return static_cast<std::uint8_t>(c);
}

constexpr auto make_small_lookup() {
  std::array<std::uint8_t, kTableMax / 16 + 1> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = smallest_class(i * 16);
  return table;
}

constexpr auto make_page_lookup() {
  std::array<std::uint8_t, kMediumMax / os::kPageSize + 1> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = smallest_class(i * os::kPageSize);
  return table;
}

}  // namespace detail

inline constexpr auto kClassBy16 = detail::make_small_lookup();
inline constexpr auto kClassByPage = detail::make_page_lookup();

// The class that serves `size` bytes; requires size <= kMediumMax.
constexpr std::uint32_t class_of(std::size_t size) {
  return size <= kTableMax ? kClassBy16[(size + 15) >> 4]
                           : kClassByPage[(size + os::kPageSize - 1) >> os::kPageShift];
}

// The smallest class whose blocks all start on a multiple of `alignment` (a power of two up to the
// page size): runs start on pages, so a block size that is a multiple is enough. 0 if there is
// none.
constexpr std::uint32_t aligned_class_of(std::size_t size, std::size_t alignment) {
  if (size > kMediumMax) return 0;
  std::uint32_t c = class_of(size);
  while (kSizeClasses[c].size % alignment != 0 || (is_sub4k(c) && !flag::SUB4K_ENABLE)) ++c;
  return c;
}

}  // namespace hz3
