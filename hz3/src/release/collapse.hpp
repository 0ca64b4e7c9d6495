// Box S301. Release on collapse: when a thread's frees far outrun its mallocs, memory goes back to
// the system inside the slow path that saw it. No thread, no timer: at the end of a burst nobody
// may ever call again.
//
// *Bins taper.* A bin that overflows twice with no refill in between belongs to a thread that only
// frees. Once the blocks of that class it still has to free (its *level*) are down to half of
// their peak, the bin may hold half of the level and is left half full, so that it overflows again
// after a quarter of the level has come. A collapse from n blocks to none takes about 4 ln n
// visits, and ends with an empty bin: a block cached for nobody would pin its run. The level of a
// thread that frees its own blocks is what it took and did not give back. One that frees the blocks
// of others has taken none; its level is what the runs of all shards have outside, less what its
// own bin holds.
//
// *Pages go at once.* While a bin tapers, a run that becomes empty is released; a segment that
// becomes wholly free is closed; free pages between live ones go in sweeps, each after an eighth of
// the shard has become free, so that ranges have grown together by then.
//
// *Regret.* A program that frees everything and allocates it again a moment later should keep it.
// Whether it will is not known beforehand, so the price is bounded as in renting skis: a refill
// within kSoon epochs of a taper, or a segment opened so soon after one was closed, is regretted,
// and each regret doubles how many tapers are let pass, or how many free segments the shard keeps.
// After kLongAgo epochs without regret all is forgotten.
//
// Everything is kept by thread, on its slow paths, or by shard, under its lock.
#pragma once

#include "heap/thread_cache.hpp"
#include "release/epoch.hpp"
#include "release/purge.hpp"

namespace hz3 {

struct CollapseStats {
  Counter tapers, tapered_blocks, regrets, runs_released, segs_closed, segs_kept, segs_regretted;
  Counter sweeps, pages_purged, madvise_calls, madvise_fail;
};
inline constinit CollapseStats g_collapse_stats;

namespace detail {

inline constexpr std::uint32_t kSoon = 5;       // epochs
inline constexpr std::uint32_t kLongAgo = 100;  // epochs
inline constexpr std::uint32_t kMostPatience = 127;
inline constexpr std::uint32_t kMostKept = 32;    // segments
inline constexpr std::uint32_t kLeastSweep = 16;  // pages
inline constexpr std::uint64_t kNothing = 16384;  // bytes
inline constexpr std::uint64_t kLittle = 64;      // of the peak, one part

inline std::uint32_t epochs_since(std::uint32_t then) {
  return static_cast<std::uint32_t>(current_epoch()) - then;
}

// Blocks of a class that the runs of all shards have outside.
inline std::uint32_t outside_of_all_shards(std::uint32_t c) {
  std::uint32_t sum = 0;
  for (const Shard& shard : g_shards) sum += shard.outside[c].load(std::memory_order_relaxed);
  return sum;
}

// Blocks of a class that the thread still has to free, as far as can be known, and how many times
// as many its bin may not hold: other threads that free the blocks of others see the same level.
struct Level {
  std::uint32_t blocks;
  std::uint32_t share;
};

inline Level level_of(const ThreadCache& cache, std::uint32_t c) {
  const std::uint32_t held = count_of(cache.bins[c]);
  if (cache.taken[c] >= static_cast<std::int32_t>(held))
    return {static_cast<std::uint32_t>(cache.taken[c]) - held, 2};
  const std::uint32_t outside = outside_of_all_shards(c);
  return {outside > held ? outside - held : 0, 8};
}

// Whether this thread is giving back because of a collapse, as far as the runs it meets know.
inline bool collapsing() {
  const ThreadCache* cache = t_cache;
  return is_real(cache) && cache->boxes.collapsing;
}

// Purges what lies free between live pages, if enough of the shard has become free since the last
// time. The caller holds the shard's lock; no segment is closed.
inline void sweep(Shard& shard, std::uint32_t least) {
  ShardCollapse& state = shard.collapse;
  if (state.freed_pages.load(std::memory_order_relaxed) < least) return;
  state.freed_pages.store(0, std::memory_order_relaxed);
  state.segments = 0;
  CollapseStats& stats = g_collapse_stats;
  stats.sweeps.add(1);
  for (List<Segment>& list : shard.segments) {
    for (Segment* s = list.front(); s != nullptr; s = s->next) {
      ++state.segments;
      if (is_empty(*s)) continue;
      PurgeBudget budget;
      const PurgeCount count = purge_segment(shard, *s, budget);
      stats.madvise_calls.add(count.calls);
      stats.madvise_fail.add(count.refused);
      stats.pages_purged.add(count.pages);
    }
  }
}

}  // namespace detail

// At on_refill.
inline void end_taper(ThreadCache& cache, std::uint32_t c) {
  if constexpr (!flag::S301_COLLAPSE) return;
  BinCollapse& bin = cache.boxes.bin_collapse[c];
  bin.overflows = 0;
  bin.peak = 0;
  if (!bin.tapered) return;
  bin.tapered = false;
  const std::uint32_t since = detail::epochs_since(bin.epoch);
  if (since > detail::kLongAgo) {
    bin.patience = bin.skip = 0;
  } else if (since <= detail::kSoon) {
    bin.patience = static_cast<std::uint8_t>(
        bin.patience < detail::kMostPatience / 2 ? bin.patience * 2 + 1 : detail::kMostPatience);
    bin.skip = bin.patience;
    g_collapse_stats.regrets.add(1);
  }
}

// At limit_when_full: how many blocks the bin may hold from now on; UINT32_MAX leaves it alone.
inline std::uint32_t taper(ThreadCache& cache, std::uint32_t c) {
  if constexpr (!flag::S301_COLLAPSE) return UINT32_MAX;
  BinCollapse& bin = cache.boxes.bin_collapse[c];
  const auto [level, share] = detail::level_of(cache, c);
  if (level > bin.peak) bin.peak = level;
  if (bin.overflows < 2) {
    ++bin.overflows;
    return UINT32_MAX;
  }
  if (level > bin.peak / 2) return UINT32_MAX;
  if (bin.skip > 0) {  // this collapse is let pass: one was regretted not long ago
    --bin.skip;
    bin.overflows = 0;
    bin.peak = level;
    return UINT32_MAX;
  }
  bin.tapered = true;
  bin.epoch = static_cast<std::uint32_t>(current_epoch());
  g_collapse_stats.tapers.add(1);
  return level / share;
}

namespace detail {

// Releases the runs of a class that became empty before the collapse was seen.
inline void release_earlier_runs(Shard& shard, std::uint32_t c) {
  g_collapse_stats.runs_released.add(release_empty_runs(shard, c, reason_of_class(c)));
}

// Bytes of blocks that the runs of all shards have outside.
inline std::uint64_t outside_bytes() {
  std::uint64_t sum = 0;
  for (const Shard& shard : g_shards) sum += shard.outside_bytes.load(std::memory_order_relaxed);
  return sum;
}

// The most that was outside when a segment was opened, since the heap was last all but empty.
inline constinit std::atomic<std::uint64_t> g_peak_outside{0};

inline void note_outside() {
  const std::uint64_t now = outside_bytes();
  if (now > g_peak_outside.load(std::memory_order_relaxed))
    g_peak_outside.store(now, std::memory_order_relaxed);
}

// Whether the program has freed about all it ever had. Each time that is so the peak counts for
// half, so a program that goes on with little is asked a few times only.
inline bool program_is_empty() {
  const std::uint64_t peak = g_peak_outside.load(std::memory_order_relaxed);
  if (outside_bytes() > peak / kLittle) return false;
  g_peak_outside.store(peak / 2, std::memory_order_relaxed);
  return true;
}

// Whether the thread has freed about all it ever took.
inline bool thread_is_empty(const ThreadCache& cache) {
  std::int64_t bytes = 0;
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const std::int32_t user = cache.taken[c] - static_cast<std::int32_t>(count_of(cache.bins[c]));
    bytes += std::int64_t{user} * kSizeClasses[c].size;
  }
  return bytes <= static_cast<std::int64_t>(kNothing);
}

// A class is at its end for this thread: nothing of it stays behind anywhere, and what became free
// since the last sweep goes now, if it is worth a look at the shard's segments. If it was the last
// class, all bins are emptied and the last page goes.
inline void finish_class(ThreadCache& cache, std::uint32_t c, bool last) {
  if (last) flush_bins(cache, 1, kClasses);
  for (Shard& shard : g_shards) {
    const bool offers = shard.may_offer(c);
    const std::uint32_t freed = shard.collapse.freed_pages.load(std::memory_order_relaxed);
    if (!offers && freed < (last ? 1 : kLeastSweep)) continue;
    os::LockGuard guard(shard.lock);
    if (offers) release_earlier_runs(shard, c);
    const std::uint32_t quarter = shard.collapse.segments / 4;
    sweep(shard, last ? 1 : quarter > kLeastSweep ? quarter : kLeastSweep);
  }
}

}  // namespace detail

// Around what a bin gives back when a policy shrank it: the runs and pages that become free
// meanwhile are released.
inline void begin_giving_back(ThreadCache& cache) {
  if constexpr (flag::S301_COLLAPSE) cache.boxes.collapsing = true;
}

inline void end_giving_back(ThreadCache& cache, std::uint32_t c, std::uint32_t blocks) {
  if constexpr (!flag::S301_COLLAPSE) return;
  g_collapse_stats.tapered_blocks.add(blocks);
  const bool class_ends = count_of(cache.bins[c]) == 0;
  const bool all_ends =
      detail::program_is_empty() || (class_ends && detail::thread_is_empty(cache));
  if (class_ends || all_ends) {
    detail::finish_class(cache, c, all_ends);
  } else {
    os::LockGuard guard(cache.home->lock);
    detail::release_earlier_runs(*cache.home, c);
  }
  cache.boxes.collapsing = false;
}

// At on_run_empty, under the shard's lock.
inline void release_when_collapsing(Shard& shard, Run& run) {
  if constexpr (!flag::S301_COLLAPSE) return;
  if (!detail::collapsing()) return;
  g_collapse_stats.runs_released.add(1);
  release_run(shard, run, reason_of_class(run.size_class));
}

// At on_pages_free, under the shard's lock.
inline void sweep_when_much_is_free(Shard& shard, std::uint32_t pages) {
  if constexpr (!flag::S301_COLLAPSE) return;
  ShardCollapse& state = shard.collapse;
  state.freed_pages.store(state.freed_pages.load(std::memory_order_relaxed) + pages,
                          std::memory_order_relaxed);
  if (!detail::collapsing() || state.kept > 0) return;
  const std::uint32_t eighth = state.segments * (kPagesPerSegment / 8);
  detail::sweep(shard, eighth > kPagesPerSegment ? eighth : kPagesPerSegment);
}

// At on_segment_empty, under the shard's lock.
inline void close_when_collapsing(Shard& shard, Segment& segment) {
  if constexpr (!flag::S301_COLLAPSE) return;
  if (!detail::collapsing()) return;
  ShardCollapse& state = shard.collapse;
  const std::uint32_t free_pages =
      shard.free_pages[static_cast<int>(segment.kind)].load(std::memory_order_relaxed);
  if (free_pages <= state.kept * kUsablePages) {
    g_collapse_stats.segs_kept.add(1);
    return;
  }
  state.closed_epoch = static_cast<std::uint32_t>(current_epoch());
  state.closed = true;
  PurgeBudget budget;
  const PurgeCount count = purge_segment(shard, segment, budget);
  g_collapse_stats.segs_closed.add(count.segments);
  g_collapse_stats.madvise_calls.add(count.calls);
  g_collapse_stats.madvise_fail.add(count.refused);
  g_collapse_stats.pages_purged.add(count.pages);
}

// At on_segment_opened, under the shard's lock.
inline void regret_closing(Shard& shard) {
  if constexpr (!flag::S301_COLLAPSE) return;
  detail::note_outside();
  ShardCollapse& state = shard.collapse;
  if (!state.closed) return;
  state.closed = false;
  const std::uint32_t since = detail::epochs_since(state.closed_epoch);
  if (since > detail::kLongAgo) {
    state.kept = 0;
  } else if (since <= detail::kSoon) {
    state.kept = state.kept < detail::kMostKept / 2 ? state.kept * 2 + 1 : detail::kMostKept;
    g_collapse_stats.segs_regretted.add(1);
  }
}

inline void print_collapse_stats() {
  if constexpr (!flag::S301_COLLAPSE) return;
  const auto& s = g_collapse_stats;
  print_line("HZ3_S301_COLLAPSE", {{"tapers", s.tapers},
                                   {"tapered_blocks", s.tapered_blocks},
                                   {"regrets", s.regrets},
                                   {"runs_released", s.runs_released},
                                   {"segs_closed", s.segs_closed},
                                   {"segs_kept", s.segs_kept},
                                   {"segs_regretted", s.segs_regretted},
                                   {"sweeps", s.sweeps},
                                   {"pages_purged", s.pages_purged},
                                   {"madvise_calls", s.madvise_calls},
                                   {"madvise_fail", s.madvise_fail}});
}

}  // namespace hz3
