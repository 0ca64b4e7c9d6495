// Time for policies: milliseconds since some fixed point, never backwards. The coarse clock costs
// about 6 ns and moves every few milliseconds, which is all a policy needs. Never on the hot path.
#pragma once

#include <time.h>

#include <cstdint>

namespace hz3::os {

inline std::uint64_t now_ms() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1000 +
         static_cast<std::uint64_t>(t.tv_nsec) / 1000000;
}

}  // namespace hz3::os
