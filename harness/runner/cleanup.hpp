// Leaving nothing behind: the workload is ended when the runner gives up half-way, and so is every
// process that outlived it, because it would run beside the next measurement.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

namespace hz3::runner {

// Kills a just forked workload and collects it, unless dismissed.
class KillOnUnwind {
 public:
  explicit KillOnUnwind(pid_t pid) : pid_(pid) {}
  KillOnUnwind(const KillOnUnwind&) = delete;
  KillOnUnwind& operator=(const KillOnUnwind&) = delete;
  ~KillOnUnwind();
  void dismiss() const { pid_ = 0; }

 private:
  mutable pid_t pid_;
};

struct Survivors {
  // Told of each before it is killed for the first time; false: it is not counted.
  std::function<bool(pid_t)> found;
  // Collects one that has ended.
  std::function<void(pid_t)> collect;
};

struct Ended {
  int64_t killed = 0;    // were still running
  bool all_gone = true;  // else some process did not die in time
};

// Kills and collects the children of this process (as subreaper: all that is left of the workload's
// tree) until none is left or ten seconds have passed.
Ended end_leftovers(const Survivors& told = {});

}  // namespace hz3::runner
