// Box S64. Retire and purge on epochs, in the calling thread's own cache and shard: hand some
// cached blocks to the runs (S64-0), make pages of some runs that are empty then (S64-1), and
// return pages that have been free for some epochs (S64-2). Each step has a budget, all of them
// small.
//
// The original gathered blocks by page in a table of 256 places to find the empty ones, which is
// where it could hang; here an empty run is in a list already, so retiring is taking it from there.
#pragma once

#include "heap/thread_cache.hpp"
#include "release/epoch.hpp"
#include "release/range_purge.hpp"

namespace hz3 {

struct EpochRetireStats {
  Counter dump_ticks, dumped_objs;
  Counter ticks, pages_retired, objs_processed;
  Counter enq, drop, purged_pages, madvise_calls, madvise_fail, skip_used;
};
inline constinit EpochRetireStats g_epoch_retire_stats;

namespace detail {

inline void dump_bins(ThreadCache& cache) {
  auto left = static_cast<std::uint32_t>(flag::S64_TDUMP_MAX_OBJS);
  g_epoch_retire_stats.dump_ticks.add(1);
  for (std::uint32_t c = 1; c < kClasses && left > 0; ++c) {
    const std::uint32_t held = count_of(cache.bins[c]);
    const std::uint32_t n = held < left ? held : left;
    flush_bin(cache, c, n);
    g_epoch_retire_stats.dumped_objs.add(n);
    left -= n;
  }
}

inline void retire_some_runs(Shard& shard) {
  EpochRetireStats& stats = g_epoch_retire_stats;
  stats.ticks.add(1);
  auto left = static_cast<std::uint32_t>(flag::S64_RETIRE_BUDGET_OBJS);
  os::LockGuard guard(shard.lock);
  for (std::uint32_t c = 1; c < kClasses && left > 0; ++c) {
    const std::uint32_t objects = kSizeClasses[c].objects;
    const std::uint32_t most = (left + objects - 1) / objects;
    const std::uint32_t runs = release_empty_runs(shard, c, reason_of_class(c), most);
    stats.pages_retired.add(std::uint64_t{runs} * kSizeClasses[c].pages);
    stats.objs_processed.add(std::uint64_t{runs} * objects);
    left -= runs * objects < left ? runs * objects : left;
  }
}

inline void purge_delayed(ThreadCache& cache) {
  EpochRetireStats& stats = g_epoch_retire_stats;
  PurgeBudget budget{.calls = static_cast<std::uint32_t>(flag::S64_PURGE_MAX_CALLS),
                     .pages = static_cast<std::uint32_t>(flag::S64_PURGE_BUDGET_PAGES)};
  const auto now = static_cast<std::uint32_t>(current_epoch());
  auto& delayed = cache.boxes.ranges.delayed;
  for (; !delayed.empty() && !budget.spent(); delayed.pop()) {
    if (now - delayed.front().epoch < flag::S64_PURGE_DELAY_EPOCHS) return;
    const FreedPurge done = purge_freed<false>(delayed.front(), budget);
    stats.skip_used.add(done.count.calls == 0);
    stats.purged_pages.add(done.count.pages);
    stats.madvise_calls.add(done.count.calls);
    stats.madvise_fail.add(done.count.refused);
  }
}

}  // namespace detail

// At on_pages_free, under the shard's lock. A thread that is past its end has no queue.
inline void delay_purge(Shard& shard, Segment& segment, std::uint32_t page, std::uint32_t pages) {
  if constexpr (!flag::S64_PURGE_DELAY) return;
  if (!is_real(t_cache)) return;
  const FreedRange range{&segment, &shard, static_cast<std::uint32_t>(current_epoch()),
                         static_cast<std::uint16_t>(page), static_cast<std::uint16_t>(pages)};
  const bool full = t_cache->boxes.ranges.delayed.add(range, 0) == Added::kFull;
  (full ? g_epoch_retire_stats.drop : g_epoch_retire_stats.enq).add(1);
}

// At on_epoch.
inline void retire_on_epoch(ThreadCache& cache) {
  if constexpr (flag::S64_TDUMP) detail::dump_bins(cache);
  if constexpr (flag::S64_RETIRE_SCAN) detail::retire_some_runs(*cache.home);
  if constexpr (flag::S64_PURGE_DELAY) detail::purge_delayed(cache);
}

inline void print_epoch_retire_stats() {
  const auto& s = g_epoch_retire_stats;
  if constexpr (flag::S64_TDUMP)
    print_line("HZ3_S64_TDUMP", {{"ticks", s.dump_ticks}, {"objs", s.dumped_objs}});
  if constexpr (flag::S64_RETIRE_SCAN) {
    print_line("HZ3_S64_RETIRE_SCAN", {{"ticks", s.ticks},
                                       {"pages_retired", s.pages_retired},
                                       {"objs_processed", s.objs_processed}});
  }
  if constexpr (flag::S64_PURGE_DELAY) {
    print_line("HZ3_S64_PURGE_DELAY", {{"enq", s.enq},
                                       {"drop", s.drop},
                                       {"purged_pages", s.purged_pages},
                                       {"madvise_calls", s.madvise_calls},
                                       {"madvise_fail", s.madvise_fail},
                                       {"skip_used", s.skip_used}});
  }
}

}  // namespace hz3
