// The workload's processes: who is there, what each runs, and what all of them used.
//
// CPU time, faults and switches are sums over the tree. They come from wait4: what a process was
// charged with, its waited-for children included, is added up over the processes whose parent is
// the runner, i.e. the first one and, as the runner is the subreaper, every orphan. Beside that the
// own CPU time and faults of every process that was followed are added up; what the first sum has
// more than the second was used by processes that could not be followed.
//
// A process that has HZ_HELPER in the environment of its exec is no part of the workload, and
// neither is what it starts: a load generator beside the server that is measured. It is left out of
// every sum and of the proof, and told in the line.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ledger.hpp"
#include "memory.hpp"
#include "proof.hpp"

namespace hz3::runner {

struct Usage {
  int64_t user_ns = 0;
  int64_t sys_ns = 0;
  int64_t minflt = 0;
  int64_t majflt = 0;
  int64_t nvcsw = 0;
  int64_t nivcsw = 0;
  int64_t max_rss_kb = 0;  // of the largest single process among them
};

struct Process {
  pid_t pid = 0;
  bool traced = false;
  bool announced = false;  // by its parent's fork, or by us
  bool runs = true;        // a program of the workload; the first process not before its exec
  std::string program;     // path of its file
  const char* why = "environment";
  Found found = 0;
  bool marked = false;
  bool helper = false;
  bool shares_memory = false;  // with its parent, until exec (vfork)
  // Right after a fork the memory is all its parent's, and mostly given up at once for an exec: it
  // counts from exec on, or when it was there at an earlier sample.
  bool settled = false;
  int64_t image_cpu_ns = 0;  // own CPU time when its image began
  int64_t peak_kb = 0;       // read when it is about to end
  StatmReader statm;
  std::optional<uint64_t> entry;  // address of the breakpoint planted in it
  long saved_word = 0;
};

// What the tree came to; complete after Tree::close().
struct TreeTotals {
  bool followed = false;
  int64_t processes = 0;
  int64_t helpers = 0;
  int64_t helper_cpu_ns = 0;
  bool unfollowed = false;  // some process was not followed
  bool all_watched = true;  // the memory of each that was followed could be read
  int64_t unfollowed_cpu_ns = 0;
};

class Tree {
 public:
  Tree(const Proof& proof, Ledger& ledger);

  Process* find(pid_t pid);
  bool alone() const { return totals_.processes + totals_.helpers <= 1; }
  // The process `pid`, new or known. A new one runs what `parent` runs; without a parent it is
  // looked at itself.
  Process& add(pid_t pid, const Process* parent);
  // A fork was reported: `parent` has started `child`.
  void forked(pid_t child, const Process& parent, bool vfork);
  // It executes another program now. `why` is told should a library never turn up.
  void executed(Process& process, const char* why);
  // Looks for the libraries that `process` lacks so far.
  void look(Process& process, const char* when);
  bool complete(const Process& process) const;
  // It is about to end, or to be ended: its memory is there for the last time.
  void ending(Process& process);
  // Collects an ended process (wait), accounts it and returns its wait status; nothing when there
  // is nobody to collect.
  std::optional<int> collect(pid_t pid);

  // Sums over the living processes.
  std::optional<Statm> statm(bool sampling);
  std::optional<Rollup> rollup();

  // Settles the account when nobody is left, and judges the ledger.
  void close();
  const Usage& usage() const { return usage_; }
  TreeTotals& totals() { return totals_; }
  // Peak of the tree: the largest sum seen, and at least that of the largest process.
  int64_t peak_kb() const;
  const char* seen_at(size_t file) const { return seen_at_[file]; }

 private:
  void end_image(Process& process, int64_t cpu_ns, bool replaced);
  void lose(const Process& process);

  const Proof& proof_;
  Ledger& ledger_;
  std::map<pid_t, Process> living_;
  // Collected as tracer, for a parent that may not collect them: then they are ours once more.
  std::set<pid_t> zombies_;
  // Collected before the fork that started them was reported.
  std::set<pid_t> unannounced_;
  Usage usage_;
  TreeTotals totals_;
  int64_t own_cpu_ns_ = 0;  // of every process that was followed
  int64_t own_minflt_ = 0;
  int64_t summed_peak_kb_ = 0;
  int64_t largest_kb_ = 0;      // of those whose end was seen
  bool peaks_known_ = true;     // the end of every process was seen
  bool helper_waited_ = false;  // so that the peak wait4 tells may be a helper's
  std::vector<const char*> seen_at_;
};

}  // namespace hz3::runner
