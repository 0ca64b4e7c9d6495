// Counting system calls: how often a workload, with all its threads and children, asks the kernel
// for memory. Only for runs that ask for it (`count_calls`), because every call that is counted
// waits for the runner; what the calls do, and how often they are made, is not changed by that.
//
// A seccomp filter, put on by the child itself just before its exec, hands the calls to a listener
// that lets each go on (SECCOMP_USER_NOTIF_FLAG_CONTINUE, Linux 5.5). Filters are inherited by
// threads and children, need no privilege, and stay out of the way of ptrace, which follows
// processes but not threads.
#pragma once

#include <array>
#include <cstdint>

#include "fd.hpp"

namespace hz3::runner {

// What is counted, by the name it has in the line.
struct CountedCall {
  const char* name;
  long number;
};
extern const std::array<CountedCall, 8> kCountedCalls;
using CallCounts = std::array<int64_t, 8>;  // in the order of kCountedCalls

// In the child: puts the filter on the calling process. The listener, or -1 with errno set.
int listen_to_calls();

// In the runner: the listener's end.
class CallCounter {
 public:
  void adopt(Fd listener) { listener_ = std::move(listener); }
  // To be polled for reading; -1 when nothing is counted, or nobody is left to be counted.
  int poll_fd() const { return listener_.get(); }
  // Counts the call that waits and lets it go on. `events` are those that poll returned.
  void serve(short events);
  const CallCounts& counts() const { return counts_; }

 private:
  Fd listener_;
  CallCounts counts_{};
};

}  // namespace hz3::runner
