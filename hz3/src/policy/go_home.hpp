// Box S315. A small block of another shard goes home, instead of into the bin of whoever frees it,
// when it shares a cache line with blocks that others may be using.
//
// Blocks have no owner: who frees a block uses it again. Of blocks smaller than a cache line that
// makes two threads write to one line, each to its own block, for as long as they keep them (false
// sharing, a factor of four with two processors). A program that hands a block to each of its
// threads, which free it first thing, runs so for ever.
//
// Only the first block of a class that a thread frees is looked at, if it had none of that class
// before: the hot path of free cannot be asked, and a pipeline, whose every block is a stranger's,
// must not pay for a lock a block. Thread-safe: a hint read from the run decides, and either answer
// is right.
#pragma once

#include "heap/thread_cache.hpp"
#include "observe/stats.hpp"

namespace hz3 {

struct GoHomeStats {
  Counter asked, gone;
};
inline constinit GoHomeStats g_go_home_stats;

inline constexpr std::uint32_t kCacheLine = 64;

inline bool goes_home(const ThreadCache& cache, std::uint32_t c, const void* block) {
  if constexpr (!flag::S315_GO_HOME) return false;
  if (kSizeClasses[c].size >= kCacheLine) return false;
  Segment& segment = segment_of(block);
  if (segment.owner == cache.home) return false;
  g_go_home_stats.asked.add(1);
  if (__atomic_load_n(&run_of(segment, block).live, __ATOMIC_RELAXED) < 2) return false;
  g_go_home_stats.gone.add(1);
  return true;
}

inline void print_go_home_stats() {
  if constexpr (!flag::S315_GO_HOME) return;
  const auto& s = g_go_home_stats;
  print_line("HZ3_S315_GO_HOME", {{"asked", s.asked}, {"gone", s.gone}});
}

}  // namespace hz3
