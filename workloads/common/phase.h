// Phase marks: telling the runner where in its life the program is.
//
// When HZ_PHASE_FD is set, the start of each phase writes one line "<CLOCK_MONOTONIC ns> <phase>
// <cycle>" to it; the last line is "end 0". When the descriptor is a socket, the program then stays
// parked until one byte comes back, so that memory can be read while it stands still. Marks are
// written by the main thread; they use neither malloc nor stdio.
#pragma once

namespace workload {

class Phases {
 public:
  // Exits with status 2 when HZ_PHASE_FD names no open descriptor.
  Phases();

  // `phase` is one word of at most 40 letters; cycles count from 1.
  void mark(const char* phase, unsigned cycle);
  void end() { mark("end", 0); }

 private:
  int fd_ = -1;
  bool parks_ = false;
};

// A descriptor number from the environment: -1 when unset; exits with status 2 when not open.
int descriptor_from_environment(const char* variable);

}  // namespace workload
