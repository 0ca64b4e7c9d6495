// Proof that the library an arm names is the one executing in the process, and not merely the one
// that was asked for: LD_PRELOAD is dropped without a word by static programs and by wrappers that
// clean their environment.
//
// A library is identified by the device and inode that /proc/PID/maps shows for it, in a mapping
// that may execute. Overlay and btrfs mounts show other numbers there than stat(2) gives, so the
// runner maps the file itself and reads in its own maps how this kernel names it.
#pragma once

#include <sys/types.h>

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

struct MappedFile {
  std::string path;
  std::string dev;  // "major:minor" as in maps
  uint64_t inode = 0;
  bool found = false;
  const char* seen_at = nullptr;  // "entry", "mark" or "exit"
};

class Proof {
 public:
  // Throws RunnerError (kBadJob) when a library cannot be opened. Relative paths start at `cwd`,
  // as they do for the dynamic linker of the workload.
  Proof(const std::vector<std::string>& paths, const std::string& cwd);

  bool wanted() const { return !files_.empty(); }
  bool complete() const;
  // From now on the proof is about `pid` and starts again: a wrapper proves nothing about the
  // program behind it.
  void be_about(pid_t pid);
  // Forgets what was found in `pid`, which executes another program now.
  void restart(pid_t pid);
  // Looks in `pid` for those not yet found. Like restart(), does nothing for another process than
  // the one the proof is about.
  void look(pid_t pid, const char* seen_at);

  const std::vector<MappedFile>& files() const { return files_; }

 private:
  std::vector<MappedFile> files_;
  pid_t subject_ = 0;
};

}  // namespace hz3::runner
