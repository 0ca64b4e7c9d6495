// The keeper: the process the harness starts. It forks the one that measures, waits, and ends
// whatever that one leaves.
//
// A process that is killed cannot tidy up, so two watch each other. When the measuring process is
// killed, its descendants become the keeper's, which is the subreaper above it, and are ended by
// pid, whatever session they have moved to. When the keeper is killed, the measuring process gets
// SIGTERM from the kernel and ends the workload itself. It has a session of its own, so that no
// signal to a process group reaches both.
#pragma once

namespace hz3::runner {

// Runs `measure` in a child of this process and returns its exit status. Hands SIGINT and SIGTERM
// on to it. Should the child be killed, a line that says so is printed and kCannotMeasure returned,
// or kInterrupted when that was asked for.
int keep(int (*measure)(const char* job), const char* job);

}  // namespace hz3::runner
