// The one clock of the runner. Workloads stamp their phase marks with the same CLOCK_MONOTONIC, so
// a mark and a sample can be put on one time line without any correction.
#pragma once

#include <cstdint>
#include <ctime>

namespace hz3::runner {

inline constexpr int64_t kNsPerMs = 1'000'000;
inline constexpr int64_t kNsPerSecond = 1'000'000'000;

inline int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

inline timespec to_timespec(int64_t ns) {
  return timespec{static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
}

}  // namespace hz3::runner
