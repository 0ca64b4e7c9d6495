// Which program did how much of a run, and whether it did it with the expected libraries: from that
// follows whether the run as a whole is proved.
//
// The rule: a program that lacks a library counts when all such programs together used more than
// 1 % of the tree's CPU time, or when one of its processes peaked above 5 % of the tree's peak, or
// when it wrote the phase marks, or when it was lost from sight. One that counts leaves the library
// not found. So a static `true` in a long script does not void a run, and a static program behind a
// proved shell does.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proof.hpp"

namespace hz3::runner {

inline constexpr int64_t kCpuPercent = 1;
inline constexpr int64_t kPeakPercent = 5;

// One program in one process, from its exec (or its fork) to the next exec or the end.
struct Share {
  std::string program;  // path of its file; empty: nobody knows
  const char* why = "environment";
  Found found = 0;
  int64_t cpu_ns = 0;
  int64_t peak_kb = 0;    // 0: too small to matter, or replaced by exec
  bool decisive = false;  // it marked, or it was lost: no measure of smallness excuses it
  bool replaced = false;  // by exec
};

// All that one program did without a library.
struct Unproven {
  std::string program;
  // "static", "privileged" (setuid and the like), "foreign" (another word size), "unreadable" (it
  // may be executed but not read), "environment" (the linker was not told, or could not), "lost" (a
  // thread called exec), "unfollowed" (started by a thread, or by clone without SIGCHLD).
  std::string why;
  Found missing = 0;
  int64_t processes = 0;
  int64_t cpu_ns = 0;
  int64_t peak_kb = 0;  // of the largest
  bool decisive = false;
  bool counts = false;  // as judged
};

class Ledger {
 public:
  // `added_later`: the job itself preloads nothing, so the program that adds the library may be
  // preceded in its process by wrappers that lack it.
  Ledger(Found expected, bool added_later) : expected_(expected), added_later_(added_later) {}

  void close(const Share& share);
  // Decides which count, in a tree that used and peaked that much.
  void judge(int64_t cpu_ns, int64_t peak_kb);
  // The expected libraries that were there wherever it counts; valid after judge().
  Found proved() const { return proved_; }
  std::vector<Unproven> unproven() const;

 private:
  Found expected_;
  bool added_later_;
  Found seen_ = 0;
  Found proved_ = 0;
  // A line a program and reason, so that a tree of a million processes needs no more room.
  std::map<std::pair<std::string, std::string>, Unproven> lacking_;
};

}  // namespace hz3::runner
