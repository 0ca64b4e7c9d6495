// Leaving nothing behind: the workload is ended when the runner gives up half-way, and so is every
// process that outlived it, because it would run beside the next measurement.
#pragma once

#include <sys/types.h>

#include <cstdint>

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

// Kills and collects the children of this process (as subreaper: all that is left of the workload's
// tree) until none is left or two seconds have passed. Returns how many were still running.
int64_t end_leftovers();

}  // namespace hz3::runner
