// The census: how much memory the allocator holds, and how much of it the program holds, counted by
// walking every shard under its lock and the slot table. For mallinfo and its kin; slow, exact at
// quiet moments, a fair sample otherwise. Blocks in thread caches count as the program's.
#pragma once

#include "heap/shard.hpp"

namespace hz3 {

struct Census {
  std::size_t segment_bytes = 0;  // in segments
  std::size_t run_bytes = 0;      // live blocks of runs, at the size of their class
  std::size_t large_blocks = 0;   // live blocks above 1 MiB
  std::size_t large_bytes = 0;    // as asked for
  std::size_t cached_bytes = 0;   // freed large blocks that wait for reuse
};

namespace detail {

inline void count_segment(Segment& segment, Census& census) {
  census.segment_bytes += kSegmentSize;
  for (std::uint32_t page = kHeaderPages; page < kPagesPerSegment;) {
    if (segment.free_bits.test(page)) {
      page = segment.free_bits.next_clear(page);
      continue;
    }
    const Run& run = segment.runs[page];
    census.run_bytes += std::size_t{run.live} * kSizeClasses[run.size_class].size;
    page += kSizeClasses[run.size_class].pages;
  }
}

inline void count_slot(const Slot& head, Census& census) {
  if (kind_of(head) == SlotKind::kLargeHead) {
    ++census.large_blocks;
    census.large_bytes += size_of(head);
  } else if (kind_of(head) == SlotKind::kLargeCached) {
    census.cached_bytes += size_of(head);
  }
}

}  // namespace detail

inline Census take_census() {
  Census census;
  for (Shard& shard : g_shards) {
    os::LockGuard guard(shard.lock);
    for (List<Segment>& list : shard.segments) {
      for (Segment* s = list.front(); s != nullptr; s = s->next) detail::count_segment(*s, census);
    }
  }
  os::LockGuard guard(g_arenas.lock);
  for_each_slot_locked([&](const Slot& slot) { detail::count_slot(slot, census); });
  return census;
}

}  // namespace hz3
