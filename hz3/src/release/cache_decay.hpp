// Box S58. Thread-cache decay, once an epoch and thread: a bin that was full at its largest limit
// several times shrinks by one batch; a bin that was not refilled gives back half of what it held
// all along (the smaller of its counts at the two ends of the epoch). Then up to a budget of empty
// medium runs of the thread's shard become free pages. All of it on slow paths, on the caller's own
// cache and, for the runs, under its shard's lock.
#pragma once

#include "heap/thread_cache.hpp"

namespace hz3 {

struct DecayStats {
  Counter adjust_calls, overage_shrinks, reclaim_calls, reclaim_objs, reclaim_pages;
};
inline constinit DecayStats g_decay_stats;

namespace detail {

inline void decay_bin(ThreadCache& cache, std::uint32_t c) {
  Bin& bin = cache.bins[c];
  BinHistory& history = cache.boxes.history[c];
  if (history.overflows >= flag::S58_MAX_OVERAGES) {
    const auto batch = static_cast<std::uint32_t>(flag::REFILL_BATCH);
    const std::uint32_t least = kLimits.smallest[c];
    shrink_bin(cache, c, bin.limit > batch + least ? bin.limit - batch : least);
    g_decay_stats.overage_shrinks.add(1);
  }
  const std::uint32_t held = count_of(bin);
  if (!history.refilled) {
    const std::uint32_t unused = held < history.last_count ? held : history.last_count;
    if (unused > 1) {
      flush_bin(cache, c, unused / 2);
      const std::uint32_t limit = bin.limit - unused / 2;
      shrink_bin(cache, c, limit > kLimits.smallest[c] ? limit : kLimits.smallest[c]);
    }
  }
  history = {0, false, static_cast<std::uint16_t>(count_of(bin))};
}

inline void reclaim_medium_runs(Shard& shard) {
  auto budget = static_cast<std::uint32_t>(flag::S58_RECLAIM_BUDGET);
  DecayStats& stats = g_decay_stats;
  stats.reclaim_calls.add(1);
  os::LockGuard guard(shard.lock);
  for (std::uint32_t c = kClasses - 1; c >= kFirstMedium && budget > 0; --c) {
    const std::uint32_t runs =
        release_empty_runs(shard, c, ReleaseReason::kMediumRunReclaim, budget);
    budget -= runs;
    stats.reclaim_objs.add(runs);
    stats.reclaim_pages.add(std::uint64_t{runs} * kSizeClasses[c].pages);
  }
}

}  // namespace detail

inline void note_refill(ThreadCache& cache, std::uint32_t c) {
  if constexpr (flag::S58_TCACHE_DECAY) cache.boxes.history[c].refilled = true;
}

inline void note_overflow(ThreadCache& cache, std::uint32_t c) {
  if constexpr (!flag::S58_TCACHE_DECAY) return;
  if (cache.boxes.history[c].overflows < UINT8_MAX) ++cache.boxes.history[c].overflows;
}

inline void decay_cache(ThreadCache& cache) {
  if constexpr (!flag::S58_TCACHE_DECAY) return;
  g_decay_stats.adjust_calls.add(1);
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    if (cache.bins[c].limit > 0) detail::decay_bin(cache, c);
  }
  detail::reclaim_medium_runs(*cache.home);
}

inline void print_decay_stats() {
  if constexpr (!flag::S58_TCACHE_DECAY) return;
  const auto& s = g_decay_stats;
  print_line("HZ3_S58_TCACHE_DECAY", {{"adjust_calls", s.adjust_calls},
                                      {"overage_shrinks", s.overage_shrinks},
                                      {"reclaim_calls", s.reclaim_calls},
                                      {"reclaim_objs", s.reclaim_objs},
                                      {"reclaim_pages", s.reclaim_pages}});
}

}  // namespace hz3
