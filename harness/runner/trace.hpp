// Stops a program at the one moment when the proof of mapping is free: at its entry point, after
// the dynamic linker has mapped every library and before the program has done anything.
//
// The runner seizes the workload before exec, stops at exec, writes a breakpoint over the first
// instruction of the program, takes the proof when it is hit and puts the instruction back. So even
// /bin/true can be proved. A library that is not there yet (dlopen, valgrind) is looked for again
// at exit.
//
// What being traced costs afterwards: system calls, faults, new threads and new processes are not
// reported and run at full speed; only a signal to the first thread, an exec, and the exit (when
// the proof is still open) make a round trip through the runner. The tie is kept after the entry so
// that `sh -c 'exec static-program'` cannot pass with the proof of its shell.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "proof.hpp"

namespace hz3::runner {

class Tracer {
 public:
  explicit Tracer(Proof& proof) : proof_(proof) {}

  // Throws RunnerError (kCannotMeasure) where tracing is forbidden.
  void seize(pid_t pid);
  bool active() const { return pid_ > 0; }

  // Serves one stop reported by wait and lets the process go on. Returns whether it was an exec.
  bool serve(int wait_status);

 private:
  void on_exec();
  bool on_breakpoint();
  void set_exit_stop(bool wanted);
  void resume(int signal);

  Proof& proof_;
  pid_t pid_ = 0;
  std::optional<uint64_t> entry_;  // address of the planted breakpoint
  long saved_word_ = 0;
};

}  // namespace hz3::runner
