// The footprint: an upper bound of the bytes that the heap's blocks and pages hold resident, one
// number for the process, and the hard limit on it.
//
// It counts what the books count, in whole pages and on slow paths only: of a segment its header,
// the pages of its runs, and free pages that hold memory; of a large block, live or waiting in the
// large cache, all it asked for, touched or not. What it leaves out is small or rare: the heap's
// own tables, memory that the system refused to take back when a slot was released, and what a
// larger block left behind a smaller one in a span that the large cache handed on, which
// HZ3_LARGE_CACHE_FIT bounds.
//
// Invariant: whoever binds, frees or purges pages, or makes, resizes or releases a large block,
// counts it here, at the moment of its own that is right for a limit: growth before it happens,
// shrinking after. recount_footprint (heap/child_repair.hpp) computes the sum anew in a forked
// child; tests/joints/limits.cpp compares both.
#pragma once

#include <atomic>
#include <cstdint>

#include "config/knobs.hpp"
#include "observe/stats.hpp"

namespace hz3 {

inline constinit std::atomic<std::uint64_t> g_footprint{0};
inline constinit std::atomic<std::uint64_t> g_growth_refused{0};

inline std::uint64_t footprint() { return g_footprint.load(std::memory_order_relaxed); }

// Counts growth that no limit may stop, because it is there already.
inline void add_footprint(std::uint64_t bytes) {
  g_footprint.fetch_add(bytes, std::memory_order_relaxed);
}

inline void shrink_footprint(std::uint64_t bytes) {
  if (bytes != 0) g_footprint.fetch_sub(bytes, std::memory_order_relaxed);
}

// Counts growth before it happens; false, with nothing counted, if the hard limit forbids it. Exact
// whatever threads ask at once: the sum of what was granted never exceeds the limit.
[[nodiscard]] inline bool grow_footprint(std::uint64_t bytes) {
  if (bytes == 0) return true;
  const std::uint64_t limit = knob::value(knob::Name::heap_hard_limit_bytes);
  const std::uint64_t before = g_footprint.fetch_add(bytes, std::memory_order_relaxed);
  if (limit == 0 || (bytes <= limit && before <= limit - bytes)) [[likely]]
    return true;
  g_footprint.fetch_sub(bytes, std::memory_order_relaxed);
  g_growth_refused.fetch_add(1, std::memory_order_relaxed);
  return false;
}

}  // namespace hz3
