// What one run yielded, and the JSON line that says so. A figure that was not measured is null in
// the line, never 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calls.hpp"
#include "counters.hpp"
#include "machine.hpp"
#include "marks.hpp"
#include "memory.hpp"
#include "proof.hpp"
#include "tree.hpp"

namespace hz3::runner {

// Where the sampler worked, and whether that took time from the workload.
struct SamplerPlace {
  std::vector<int> workload_cpus;  // those the workload was confined to
  std::vector<int> cpus;           // those the runner was confined to
  std::vector<int> ran_on;         // those on which it was seen taking samples
  bool shared = false;             // some CPU is in both sets
};

struct MarkReading {
  int64_t t_ns = 0;  // since exec
  std::optional<Rollup> memory;
};

struct Report {
  std::string error;  // empty: none
  std::optional<int> exit_status;
  std::optional<int> signal;
  bool timed_out = false;
  bool interrupted = false;
  std::optional<int64_t> wall_ns;  // exec to end, without held_ns
  std::optional<int64_t> held_ns;  // the workload stood still for the runner
  std::optional<Usage> usage;
  std::optional<int64_t> peak_rss_kb;  // of the tree
  TreeTotals tree;
  std::vector<Unproven> unproven;
  std::vector<MappedFile> mapped;
  std::vector<Mark> marks;
  std::vector<MarkReading> readings;  // one a mark
  std::string result;                 // the workload's own line, empty: none
  int64_t samples = 0;
  int64_t missed_deadlines = 0;
  std::optional<int64_t> leftover_processes;  // killed after the workload had ended
  std::optional<int64_t> runner_cpu_ns;
  SamplerPlace sampler;
  MachineCounters machine;
  std::optional<int64_t> handover_before_ns;
  std::optional<int64_t> handover_after_ns;
  std::optional<CallCounts> calls;      // where they were asked for
  std::vector<CounterFigure> counters;  // likewise

  // Keeps the first error; those after it are mostly its consequences.
  void note(const std::string& what) {
    if (error.empty()) error = what;
  }
  bool ok() const { return error.empty() && exit_status == 0 && !timed_out && !interrupted; }
};

// One line without its newline. Notes an error in the report when the workload's result is not one
// JSON object.
std::string to_line(Report& report);

}  // namespace hz3::runner
