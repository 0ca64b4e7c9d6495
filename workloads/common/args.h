// Checked positional arguments.
//
// Every program takes its arguments by position, as the phase documents write them. This reads them
// in order, checks each against its range, and on anything wrong prints one line saying what, then
// the usage text, and exits with status 2. Nothing here allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace workload {

inline constexpr int kExitUsage = 2;

class Args {
 public:
  // `usage` is the text after the program's name: the argument list, then free lines about it.
  // `-h` and `--help` print it on stdout and exit with status 0.
  Args(int argc, char** argv, const char* usage);

  // The next argument as a whole number in [low, high]; decimal, or hexadecimal after 0x.
  std::uint64_t number(const char* name, std::uint64_t low, std::uint64_t high);
  // The same for an argument that may be left out.
  std::uint64_t number_or(const char* name, std::uint64_t low, std::uint64_t high,
                          std::uint64_t fallback);
  // The next argument as seconds, decimals allowed ("0.25"), at most a day; returns nanoseconds.
  std::uint64_t seconds(const char* name);
  // The next argument as one of `words`; returns its index.
  std::size_t word(const char* name, std::initializer_list<const char*> words);
  // Must be called after the last argument: refuses arguments nobody asked for.
  void finish();

  // For conditions between arguments (min above max, …).
  [[noreturn]] void fail(const char* name, const char* why) const;

  const char* program() const { return program_; }

 private:
  const char* next(const char* name);

  int argc_;
  char** argv_;
  const char* usage_;
  const char* program_;
  int at_ = 1;
};

}  // namespace workload
