// Starting the workload: one fork, then everything that must hold before its first instruction
// (session, streams, descriptors, CPU set, limits, environment), then exec.
//
// A plain fork, not vfork or posix_spawn: the kernel folds the peak of the memory image that calls
// exec into the peak of the new program. After a fork that image holds only the runner's few
// private pages, so that the peak of even /bin/true is its own.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <string>

#include "fd.hpp"
#include "job.hpp"

namespace hz3::runner {

// Descriptors of the workload; fixed, so that the environment is equally long in every run, and
// above those that shell scripts use by number.
inline constexpr int kResultFd = 20;
inline constexpr int kPhaseFd = 21;

class Launch {
 public:
  // Forks; the child waits for go(). Throws RunnerError.
  Launch(const Job& job, const cpu_set_t& workload_cpus, Fd& phase_end, Fd& result_end);

  pid_t pid() const { return pid_; }
  // Lets the child set itself up and exec; returns when it has, with the time of its exec (read by
  // the child, because the runner may wake up when the workload is well under way). Throws
  // RunnerError with the step that failed.
  int64_t go();
  // The listener of the calls that are counted; empty unless the job asks for it. After go().
  Fd take_listener() { return std::move(listener_); }

 private:
  pid_t pid_ = 0;
  std::string program_;
  Fd go_, status_, listener_;
};

// The CPU set that `cpus` means: those of `allowed`, or all of them when the list is empty. Throws
// RunnerError (kBadJob) for a CPU the runner may not use.
cpu_set_t cpu_set_of(const std::vector<int>& cpus, const cpu_set_t& allowed, const char* key);

}  // namespace hz3::runner
