// The job: everything one run depends on, read from one JSON object. Nothing is taken from the
// runner's own environment, so a job file repeats a run anywhere.
//
// The parser is strict: an unknown key or a wrong type is an error that names the key, because a
// misspelt limit that is silently ignored falsifies a measurement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hz3::runner {

// Where a standard stream of the workload leads: a path, or a descriptor the runner inherited.
struct Stream {
  std::string path = "/dev/null";
  int inherited_fd = -1;
};

struct Job {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // complete, "NAME=value", sorted by name
  std::string cwd = ".";
  std::string preload;                     // empty: none
  std::vector<std::string> expect_mapped;  // the preload is always among them
  std::vector<int> cpus;                   // empty: those the runner was given
  std::vector<int> sampler_cpus;           // likewise
  double timeout_s = 0;
  std::optional<uint64_t> rlimit_as_bytes;
  double sample_ms = 0;  // 0: no series
  int pss_every = 0;     // 0: PSS only at marks
  Stream input;
  Stream output;
  Stream errors;
  std::string csv_path;  // empty: none
  bool clear_thp = false;
  bool count_calls = false;           // see calls.hpp
  std::vector<std::string> counters;  // names in counters.hpp
};

// Throws RunnerError (kBadJob) with a sentence that names the offending key.
Job parse_job(std::string_view text);

// Value of NAME in `env`, or an empty view.
std::string_view env_value(const std::vector<std::string>& env, std::string_view name);

}  // namespace hz3::runner
