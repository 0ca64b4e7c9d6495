// Memory of one process, from two sources of very different price.
//
// statm costs some 20 µs whatever the size of the process and takes no lock of it: it feeds the
// time series. smaps_rollup walks the page tables under the process' mmap lock (measured: 0.1 ms at
// 16 MiB, 15 ms at 1 GiB), which is the lock allocators live under: it is read only while the
// workload is parked at a mark, or every n-th sample when the job asks for that.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "fd.hpp"

namespace hz3::runner {

struct Statm {
  int64_t rss_kb = 0;
  int64_t vms_kb = 0;
};

struct Rollup {
  int64_t rss_kb = 0;
  int64_t pss_kb = 0;
  int64_t uss_kb = 0;  // private clean + private dirty
  int64_t lazyfree_kb = 0;
  int64_t anon_huge_kb = 0;

  Rollup& operator+=(const Rollup& other);
};

// Keeps /proc/PID/statm open: the descriptor stays good across exec and costs one pread a sample.
class StatmReader {
 public:
  // False when no descriptor is left for it.
  bool open(pid_t pid);
  // Nothing once the process has no memory any more (it is a zombie or gone).
  std::optional<Statm> read() const;

 private:
  Fd fd_;
};

std::optional<Rollup> read_rollup(pid_t pid);

std::optional<Statm> parse_statm(std::string_view text, int64_t page_kb);
std::optional<Rollup> parse_rollup(std::string_view text);

}  // namespace hz3::runner
