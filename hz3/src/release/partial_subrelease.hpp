// Box S57-B2. Partial subrelease: once an epoch, look through the shard's partly free medium
// segments and return the free pages found there, within a budget of segments, calls and pages.
//
// The original scanned its pool of segments to pack runs into; here that is the shard's own list,
// whose front is where the next run would be placed. It finds only what others have made free
// pages, which is its weakness: blocks in bins and empty runs are not.
#pragma once

#include "heap/thread_cache.hpp"
#include "release/purge.hpp"

namespace hz3 {

struct SubreleaseStats {
  Counter scan_calls, scanned_segs, candidate_segs, pages_purged, madvise_calls, madvise_fail;
};
inline constinit SubreleaseStats g_subrelease_stats;

// At on_epoch.
inline void subrelease_partly_free(ThreadCache& cache) {
  if constexpr (!flag::S57_PARTIAL_SUBRELEASE) return;
  SubreleaseStats& stats = g_subrelease_stats;
  stats.scan_calls.add(1);
  PurgeBudget budget{.calls = static_cast<std::uint32_t>(flag::S57_MAX_CALLS),
                     .pages = static_cast<std::uint32_t>(flag::S57_MAX_PAGES)};
  auto left = static_cast<std::uint32_t>(flag::S57_SCAN_SEGS);
  Shard& shard = *cache.home;
  os::LockGuard guard(shard.lock);
  for (Segment* s = shard.segments[static_cast<int>(SegmentKind::kMedium)].front();
       s != nullptr && left > 0 && !budget.spent(); s = s->next, --left) {
    stats.scanned_segs.add(1);
    if (s->free_pages == 0 || is_empty(*s)) continue;
    stats.candidate_segs.add(1);
    const PurgeCount count = purge_segment(shard, *s, budget);
    stats.pages_purged.add(count.pages);
    stats.madvise_calls.add(count.calls);
    stats.madvise_fail.add(count.refused);
  }
}

inline void print_subrelease_stats() {
  if constexpr (!flag::S57_PARTIAL_SUBRELEASE) return;
  const auto& s = g_subrelease_stats;
  print_line("HZ3_S57_PARTIAL_SUBRELEASE", {{"scan_calls", s.scan_calls},
                                            {"scanned_segs", s.scanned_segs},
                                            {"candidate_segs", s.candidate_segs},
                                            {"pages_purged", s.pages_purged},
                                            {"madvise_calls", s.madvise_calls},
                                            {"madvise_fail", s.madvise_fail}});
}

}  // namespace hz3
