// Performance counters of the kernel and of the processor (perf_event_open), for runs that ask for
// them. They only count, so the run is not slowed; the processor's count user space alone, which is
// what an unprivileged user may see. Where a machine has none, as most virtual ones, opening them
// says so before anything runs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fd.hpp"

namespace hz3::runner {

struct CounterKind {
  const char* name;
  uint32_t type;
  uint64_t config;
};

// Null when there is no counter of that name.
const CounterKind* find_counter(std::string_view name);

// A line a counter: its name and `yes`, or why not.
std::string available_counters();

struct CounterFigure {
  std::string name;
  std::optional<int64_t> count;  // nothing when it never ran
};

class Counters {
 public:
  // Of the process `pid`, which waits to exec, and of what it starts. Throws RunnerError (kBadJob)
  // naming the counter that the machine does not give.
  void open(pid_t pid, const std::vector<std::string>& names);
  // Final when all processes have ended. A counter that shared its register with others is scaled
  // to the whole time.
  std::vector<CounterFigure> read() const;

 private:
  struct Open {
    std::string name;
    Fd fd;
  };
  std::vector<Open> open_;
};

}  // namespace hz3::runner
