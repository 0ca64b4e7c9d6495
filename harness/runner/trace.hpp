// Follows the workload's tree with ptrace, and stops each program in it at the one moment when the
// proof of mapping is free: at its entry point, after the dynamic linker has mapped every library
// and before the program has done anything.
//
// The runner seizes the workload before exec, stops at exec, writes a breakpoint over the first
// instruction of the program, takes the proof when it is hit and puts the instruction back. So even
// /bin/true can be proved. A library that is not there yet (dlopen, valgrind) is looked for again
// at exit.
//
// What being traced costs afterwards: system calls, faults and threads are not reported and run at
// full speed; only a signal to the first thread, an exec, a new process, and the exit (when the
// proof is open, or the workload has more than one process) make a round trip through the runner.
// Threads are not traced: a thread that is made and joined would cost 52 to 67 µs of CPU time
// instead of 20. What a thread starts is therefore not followed, and shows in the account instead
// (tree.hpp).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "tree.hpp"

namespace hz3::runner {

class Tracer {
 public:
  explicit Tracer(Tree& tree) : tree_(tree) {}

  // Begins with the first process, before its exec. False, with errno, where tracing is forbidden.
  bool seize(Process& first);
  bool active() const { return active_; }

  // Serves one stop reported by wait and lets the process go on. Returns whether it was an exec.
  bool serve(pid_t pid, int wait_status);

 private:
  Process& stopped(pid_t pid);
  void on_exec(Process& process);
  void on_fork(Process& parent, bool vfork);
  bool on_breakpoint(Process& process);
  void set_exit_stop(const Process& process);

  Tree& tree_;
  bool active_ = false;
};

}  // namespace hz3::runner
