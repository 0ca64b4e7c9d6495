// Box S62-2. Purge: at thread exit the free pages of small segments go back to the system, one call
// a range, and small segments that are wholly free go back to their arena.
#pragma once

#include "release/purge.hpp"

namespace hz3 {

struct PagePurgeStats {
  Counter scanned_segs, candidate_segs, pages_purged, madvise_calls, madvise_fail, purged_bytes;
};
inline constinit PagePurgeStats g_page_purge_stats;

// The caller holds the shard's lock.
inline void purge_small_segments(Shard& shard) {
  if constexpr (!flag::S62_PURGE) return;
  PagePurgeStats& stats = g_page_purge_stats;
  PurgeBudget budget{.calls = static_cast<std::uint32_t>(flag::S62_PURGE_MAX_CALLS)};
  Segment* next = nullptr;
  for (Segment* s = shard.segments[static_cast<int>(SegmentKind::kSmall)].front();
       s != nullptr && !budget.spent(); s = next) {
    next = s->next;
    stats.scanned_segs.add(1);
    if (s->free_pages > 0) stats.candidate_segs.add(1);
    const PurgeCount count = purge_segment(shard, *s, budget);
    stats.madvise_calls.add(count.calls);
    stats.madvise_fail.add(count.refused);
    stats.pages_purged.add(count.pages);
    stats.purged_bytes.add(std::uint64_t{count.pages} * os::kPageSize);
  }
}

inline void print_page_purge_stats() {
  if constexpr (!flag::S62_PURGE) return;
  const auto& s = g_page_purge_stats;
  print_line("HZ3_S62_PURGE", {{"dtor_calls", g_thread_exits},
                               {"scanned_segs", s.scanned_segs},
                               {"candidate_segs", s.candidate_segs},
                               {"pages_purged", s.pages_purged},
                               {"madvise_calls", s.madvise_calls},
                               {"madvise_fail", s.madvise_fail},
                               {"purged_bytes", s.purged_bytes}});
}

}  // namespace hz3
