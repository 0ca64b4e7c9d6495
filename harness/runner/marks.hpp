// The workload's side channel: phase marks and the result line.
//
// A mark "<CLOCK_MONOTONIC ns> <phase> <cycle>\n" arrives on a stream socket when a phase starts;
// its writer then waits for one byte (it is parked), so that memory can be read exactly as it was
// when the mark was written. The socket also tells which process wrote: behind a wrapper that is
// the process whose memory is meant.
//
// Descendants may hold the other ends open for ever; nothing here ever waits for end of file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fd.hpp"

namespace hz3::runner {

inline constexpr size_t kLongestMarkLine = 256;
inline constexpr size_t kLongestResult = 1 << 20;

struct Mark {
  int64_t at_ns = 0;  // CLOCK_MONOTONIC, as the workload stamped it
  std::string phase;  // letters, digits and _ - . :
  int64_t cycle = 0;
  pid_t pid = 0;  // who wrote it, 0 when unknown
};

// False when the line (without its newline) is no mark.
bool parse_mark(std::string_view line, Mark& mark);

class MarkChannel {
 public:
  MarkChannel();  // throws RunnerError

  Fd& workload_end() { return workload_; }
  int poll_fd() const { return open_ ? runner_.get() : -1; }

  // Appends the complete marks that have arrived. False when a line was malformed; it is skipped,
  // and its writer must still be released.
  bool receive(std::vector<Mark>& marks);
  // Lets the parked writer go on. False when it has not even read its release from an earlier mark:
  // then it does not park at all, and what was read at its marks is not the state at the marks.
  bool release();

 private:
  bool take_lines(pid_t pid, std::vector<Mark>& marks);

  Fd workload_, runner_;
  std::string pending_;
  bool open_ = true;
};

class ResultChannel {
 public:
  ResultChannel();  // throws RunnerError

  Fd& workload_end() { return workload_; }
  int poll_fd() const { return open_ ? runner_.get() : -1; }
  void receive();
  const std::string& text() const { return text_; }

 private:
  Fd workload_, runner_;
  std::string text_;  // cut at kLongestResult; the pipe is drained all the same
  bool open_ = true;
};

}  // namespace hz3::runner
