// The process's secret: a random word with which free blocks and canaries are marked, so that a
// program does not carry such a mark by accident.
#pragma once

#include <sys/random.h>

#include <cstdint>

#include "config/flags.hpp"

namespace hz3::os {

// Not zero from the start, so that it lies beside the other word every free reads.
inline constinit std::uint64_t g_secret = 0x9e3779b97f4a7c15;

inline constexpr bool kNeedsSecret =
    flag::S319_FREE_KEY == 1 || flag::S331_LINK_KEY || flag::S332_CANARY;

// Once, before the first block exists. Early in the system's start there may be no randomness; an
// address is a little of it.
inline void choose_secret() {
  if constexpr (!kNeedsSecret) return;
  std::uint64_t key = 0;
  if (::getrandom(&key, sizeof key, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof key))
    key = reinterpret_cast<std::uintptr_t>(&key);
  g_secret ^= key;
}

}  // namespace hz3::os
