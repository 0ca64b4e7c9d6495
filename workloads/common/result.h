// The machine-readable result: one flat JSON object on one line to HZ_RESULT_FD.
//
// Built in a buffer inside the object and written once, at the end; without HZ_RESULT_FD nothing is
// written. Keys carry their unit.
#pragma once

#include <cstdint>

namespace workload {

struct Tally;
class Stopwatch;

class Result {
 public:
  // Begins with "program", the program's name. Exits with status 2 when HZ_RESULT_FD is not open.
  Result();

  void number(const char* key, std::uint64_t value);
  void number(const char* key, double value);  // not a number and infinity are left out
  void text(const char* key, const char* value);
  // ops, elapsed_ns, ops_per_s, ns_per_op, cpu_ns, ops_per_cpu_s: wall and CPU time of the measured
  // part. ops_per_s counts all threads' operations, ns_per_op is its reciprocal.
  void rates(std::uint64_t ops, const Stopwatch& measured);
  // allocs, frees, requested_bytes, alloc_fail = 0.
  void calls(const Tally& tally);
  // Writes the line; a failing write ends the program with status 2.
  void write();

 private:
  void append(const char* format, ...) __attribute__((format(printf, 2, 3)));
  void key(const char* name);
  void quoted(const char* value);

  int fd_;
  unsigned length_ = 0;
  char line_[16384];
};

}  // namespace workload
