// Box S60. Purge range queue: every range that becomes free is noted by the thread that freed it
// and purged at its next epoch, one call an entry. Nothing is merged; what the epoch's budget of
// calls and pages does not reach is forgotten, as is what finds the queue full. Those pages stay
// free and dirty, for whoever purges their segment next.
//
// Like its original it makes no pages free itself, so it can only return what others release.
#pragma once

#include "heap/thread_cache.hpp"
#include "release/epoch.hpp"
#include "release/range_purge.hpp"

namespace hz3 {

struct RangeQueueStats {
  Counter queued, dropped, madvise_calls, madvised_pages, skipped_arena, budget_dropped;
};
inline constinit RangeQueueStats g_range_queue_stats;

// At on_pages_free, under the shard's lock. A thread that is past its end has no queue.
inline void queue_range(Shard& shard, Segment& segment, std::uint32_t page, std::uint32_t pages) {
  if constexpr (!flag::S60_PURGE_RANGE_QUEUE) return;
  if (!is_real(t_cache)) return;
  const FreedRange range{&segment, &shard, static_cast<std::uint32_t>(current_epoch()),
                         static_cast<std::uint16_t>(page), static_cast<std::uint16_t>(pages)};
  const bool full = t_cache->boxes.ranges.queue.add(range, 0) == Added::kFull;
  (full ? g_range_queue_stats.dropped : g_range_queue_stats.queued).add(1);
}

// At on_epoch.
inline void purge_queue(ThreadCache& cache) {
  if constexpr (!flag::S60_PURGE_RANGE_QUEUE) return;
  RangeQueueStats& stats = g_range_queue_stats;
  PurgeBudget budget{.calls = static_cast<std::uint32_t>(flag::S60_MAX_CALLS),
                     .pages = static_cast<std::uint32_t>(flag::S60_MAX_PAGES)};
  auto& queue = cache.boxes.ranges.queue;
  for (; !queue.empty(); queue.pop()) {
    if (budget.spent()) {
      stats.budget_dropped.add(1);
      continue;
    }
    const FreedPurge done = purge_freed<false>(queue.front(), budget);
    stats.skipped_arena.add(done.gone);
    stats.madvise_calls.add(done.count.calls);
    stats.madvised_pages.add(done.count.pages);
  }
}

inline void print_range_queue_stats() {
  if constexpr (!flag::S60_PURGE_RANGE_QUEUE) return;
  const auto& s = g_range_queue_stats;
  print_line("HZ3_S60_PURGE", {{"queued", s.queued},
                               {"dropped", s.dropped},
                               {"madvise_calls", s.madvise_calls},
                               {"madvised_pages", s.madvised_pages},
                               {"skipped_arena", s.skipped_arena},
                               {"budget_dropped", s.budget_dropped}});
}

}  // namespace hz3
