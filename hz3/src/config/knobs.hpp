// Knobs: the numbers that policies read while a program runs. The catalogue (knobs.yaml) says which
// there are; each starts at the value of its flag. A change is seen by the next policy that looks.
// Knobs may be read and set by any thread at any time, before constructors too. They are read on
// slow paths only, where a relaxed load costs nothing.
#pragma once

#include "config/flags.hpp"

namespace hz3::knob {

enum class Result { kSet, kUnknown, kOutOfRange };

namespace detail {

struct Values {
  std::uint64_t of[kKnobs];
};
constexpr Values initial_values() {
  Values values{};
  for (std::uint32_t i = 0; i < kKnobs; ++i) values.of[i] = kSpecs[i].initial;
  return values;
}
inline constinit Values g_values = initial_values();

inline bool same(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace detail

inline std::uint64_t value(Name name) {
  return __atomic_load_n(&detail::g_values.of[static_cast<std::uint32_t>(name)], __ATOMIC_RELAXED);
}

// The knob of that name in this build, by its index; kKnobs if there is none.
inline std::uint32_t find(const char* name) {
  if (name == nullptr) return kKnobs;
  std::uint32_t i = 0;
  while (i < kKnobs && !(kSpecs[i].exists && detail::same(kSpecs[i].name, name))) ++i;
  return i;
}

inline Result set(std::uint32_t knob, std::uint64_t value) {
  if (knob >= kKnobs) return Result::kUnknown;
  if (value < kSpecs[knob].low || value > kSpecs[knob].high) return Result::kOutOfRange;
  __atomic_store_n(&detail::g_values.of[knob], value, __ATOMIC_RELAXED);
  return Result::kSet;
}

}  // namespace hz3::knob
