// Proof that the library an arm names is the one executing in the process, and not merely the one
// that was asked for: LD_PRELOAD is dropped without a word by static programs and by wrappers that
// clean their environment.
//
// A library is identified by the device and inode that /proc/PID/maps shows for it, in a mapping
// that may execute. Overlay and btrfs mounts show other numbers there than stat(2) gives, so the
// runner maps the file itself and reads in its own maps how this kernel names it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hz3::runner {

// One line of /proc/PID/maps, as far as the proof needs it.
struct Mapping {
  uint64_t start = 0;
  bool executable = false;
  std::string_view dev;
  uint64_t inode = 0;
};

bool parse_mapping(std::string_view line, Mapping& mapping);

// A library that is expected, and what came of it.
struct MappedFile {
  std::string path;
  std::string dev;  // "major:minor" as in maps
  uint64_t inode = 0;
  bool found = false;             // in every program that counts; see ledger.hpp
  const char* seen_at = nullptr;  // "entry", "mark" or "exit": the latest moment one was first seen
};

// A set of expected libraries, a bit each.
using Found = uint64_t;
inline constexpr size_t kMostLibraries = 64;

class Proof {
 public:
  // Throws RunnerError (kBadJob) when a library cannot be opened. Relative paths start at `cwd`,
  // as they do for the dynamic linker of the workload.
  Proof(const std::vector<std::string>& paths, const std::string& cwd);

  bool wanted() const { return !files_.empty(); }
  Found all() const;
  // Those of the expected that `pid` has mapped at this moment.
  Found look(pid_t pid) const;

  const std::vector<MappedFile>& files() const { return files_; }

 private:
  std::vector<MappedFile> files_;
};

}  // namespace hz3::runner
