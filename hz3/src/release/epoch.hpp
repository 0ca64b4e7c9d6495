// The epoch clock and what runs on it.
//
// There is one clock for the process: the epoch is the number of HZ3_EPOCH_MS periods gone by, plus
// the number of forced ticks. It needs no thread and no timer. Threads look at it from their slow
// paths, every HZ3_EPOCH_SLOW_OPS visits, and run their policies when it has moved on since they
// last did; hz3_epoch_force() moves it on and runs the caller's policies at once.
//
// Box S58, thread-cache decay. Once an epoch and thread: a bin that was full at its largest limit
// several times shrinks by one batch; a bin that was not refilled gives back half of what it held
// all along (the smaller of its counts at the two ends of the epoch). Then up to a budget of empty
// medium runs of the thread's shard become free pages. All of it on slow paths, on the caller's own
// cache and, for the runs, under its shard's lock.
#pragma once

#include "heap/large_cache.hpp"
#include "heap/thread_cache.hpp"

namespace hz3 {

inline constinit std::atomic<std::uint64_t> g_forced_epochs{0};

inline std::uint64_t current_epoch() {
  return os::now_ms() / static_cast<std::uint64_t>(flag::EPOCH_MS) +
         g_forced_epochs.load(std::memory_order_relaxed);
}

namespace detail {

inline void decay_bin(ThreadCache& cache, std::uint32_t c) {
  Bin& bin = cache.bins[c];
  BinHistory& history = cache.history[c];
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
      flush_bin(bin, unused / 2);
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

inline void run_decay(ThreadCache& cache) {
  g_decay_stats.adjust_calls.add(1);
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    if (cache.bins[c].limit > 0) decay_bin(cache, c);
  }
  reclaim_medium_runs(*cache.home);
}

}  // namespace detail

// Runs the policies of the calling thread. A policy that gets here again does nothing.
inline void run_epoch(ThreadCache& cache) {
  if (cache.in_epoch) return;
  cache.in_epoch = true;
  cache.epoch = current_epoch();
  if constexpr (flag::S58_TCACHE_DECAY) detail::run_decay(cache);
  expire_large_cache(os::now_ms());
  cache.in_epoch = false;
}

// Called from every slow path of a thread with a cache of its own.
inline void tick(ThreadCache& cache) {
  if (++cache.slow_ops < static_cast<std::uint32_t>(flag::EPOCH_SLOW_OPS)) return;
  cache.slow_ops = 0;
  if (current_epoch() != cache.epoch) run_epoch(cache);
}

inline void force_epoch(ThreadCache& cache) {
  g_forced_epochs.fetch_add(1, std::memory_order_relaxed);
  run_epoch(cache);
}

}  // namespace hz3
