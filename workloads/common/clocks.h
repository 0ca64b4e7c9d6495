// Wall and CPU clocks, and the stopwatch around the measured part.
#pragma once

#include <time.h>

#include <cerrno>
#include <cstdint>

namespace workload {

inline std::uint64_t read_clock_ns(clockid_t clock) {
  timespec now;
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000ull +
         static_cast<std::uint64_t>(now.tv_nsec);
}
inline std::uint64_t wall_ns() { return read_clock_ns(CLOCK_MONOTONIC); }
// CPU time of all threads, living and ended.
inline std::uint64_t process_cpu_ns() { return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

inline void sleep_until_ns(std::uint64_t deadline) {
  const timespec at{static_cast<time_t>(deadline / 1000000000ull),
                    static_cast<long>(deadline % 1000000000ull)};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

// Adds up wall and process CPU time over its start/stop intervals.
class Stopwatch {
 public:
  void start() {
    wall_start_ = wall_ns();
    cpu_start_ = process_cpu_ns();
  }
  void stop() {
    wall_ += wall_ns() - wall_start_;
    cpu_ += process_cpu_ns() - cpu_start_;
  }
  std::uint64_t wall() const { return wall_; }
  std::uint64_t cpu() const { return cpu_; }

 private:
  std::uint64_t wall_start_ = 0, cpu_start_ = 0, wall_ = 0, cpu_ = 0;
};

}  // namespace workload
