// Box S301. Release on collapse: when frees far outrun mallocs, memory goes back to the system
// inside the slow path that saw it. No thread, no timer: at the end of a burst nobody may ever call
// again.
//
// *What a collapse is.* A thread that frees its own blocks holds half of what it held at its peak,
// or less; or the program holds a third. Both are known in slow paths: what a thread took and did
// not give back, and what the runs of all shards have outside. A steady program never gets here. A
// thread is judged by itself only while the blocks it frees are of its own shard; one that frees
// what others allocated is judged by the program, whose memory goes up and down more while nothing
// ends.
//
// *Bins taper.* In a collapse a bin that is full may hold half of the blocks of its class that are
// still to be freed (its *level*) and is left half full, so that it is full again after a quarter
// of the level has come. From n blocks to none takes about 4 ln n visits and ends with an empty
// bin: a block cached for nobody would pin its run.
//
// *Pages go at once.* While a bin tapers, a run that becomes empty is released; a segment that
// becomes wholly free is closed; free pages between live ones go in sweeps, when so much of the
// shard has become free that ranges have grown together. When a thread or the program is all but
// empty, its bins are emptied and the last page goes.
//
// *Regret.* A program that frees everything and allocates it again a moment later should keep it.
// Whether it will is not known beforehand, so the price is bounded as in renting skis. A refill of
// a tapered bin within kSoon epochs is regretted: what is held now counts as the peak, and the
// thread lets collapses pass for a while, twice as long each time, unless one is twice as large as
// the one that was regretted. A segment opened so soon after one was closed doubles the free
// segments that the shard keeps. After kLongAgo epochs all is forgotten.
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

inline constexpr std::uint32_t kSoon = 5;           // epochs
inline constexpr std::uint32_t kLongAgo = 100;      // epochs
inline constexpr std::uint32_t kFirstPause = 4;     // epochs
inline constexpr std::uint32_t kLongestPause = 64;  // epochs
inline constexpr std::uint32_t kMostKept = 16;      // segments
inline constexpr std::uint32_t kLeastSweep = 16;    // pages
inline constexpr std::uint64_t kNothing = 16384;    // bytes
inline constexpr std::uint64_t kThreadFallen = 2;   // one part of the peak is a collapse
inline constexpr std::uint64_t kProgramFallen = 3;
inline constexpr std::uint64_t kLittle = 64;  // one part of the peak: all but nothing
inline constexpr std::uint64_t kWorth = std::uint64_t{128} << 10;  // bytes a collapse must be about

inline std::uint32_t epochs_since(std::uint32_t then) {
  return static_cast<std::uint32_t>(current_epoch()) - then;
}

// Bytes of blocks that the runs of all shards have outside: about, in one look, and exactly.
inline std::uint64_t about_outside() {
  const std::int64_t bytes = g_outside_bytes.load(std::memory_order_relaxed);
  return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

inline std::uint64_t exactly_outside() {
  std::int64_t sum = 0;
  for (const Shard& shard : g_shards) sum += shard.outside_bytes.load(std::memory_order_relaxed);
  return sum > 0 ? static_cast<std::uint64_t>(sum) : 0;
}

// Blocks of a class that they have outside.
inline std::uint32_t outside_blocks(std::uint32_t c) {
  std::uint32_t sum = 0;
  for (const Shard& shard : g_shards) sum += shard.outside[c].load(std::memory_order_relaxed);
  return sum;
}

inline constinit Watch
    g_program;  // its peak is the most that was outside when a segment was opened

inline void note_peak(Watch& watch, std::uint64_t bytes) {
  if (bytes > watch.peak.load(std::memory_order_relaxed))
    watch.peak.store(bytes, std::memory_order_relaxed);
}

// The peak from which memory fell to `bytes` if that is a collapse, 0 if not, or if one like it was
// regretted not long ago.
inline std::uint64_t fallen_from(const Watch& watch, std::uint64_t bytes, std::uint64_t parts) {
  const std::uint64_t peak = watch.peak.load(std::memory_order_relaxed);
  if (peak < kWorth || bytes > peak / parts) return 0;
  const std::uint32_t pause = watch.pause.load(std::memory_order_relaxed);
  if (pause > 0 && peak <= 2 * watch.regretted.load(std::memory_order_relaxed) &&
      epochs_since(watch.regret_epoch.load(std::memory_order_relaxed)) <= pause)
    return 0;
  return peak;
}

[[gnu::noinline, gnu::cold]] inline void regret(Watch& watch, std::uint64_t bytes,
                                                std::uint64_t peak) {
  g_collapse_stats.regrets.add(1);
  const bool long_ago = epochs_since(watch.regret_epoch.load(std::memory_order_relaxed)) > kLongAgo;
  const std::uint32_t pause = watch.pause.load(std::memory_order_relaxed);
  watch.pause.store(long_ago || pause == 0  ? kFirstPause
                    : pause < kLongestPause ? 4 * pause
                                            : kLongestPause,
                    std::memory_order_relaxed);
  watch.regret_epoch.store(static_cast<std::uint32_t>(current_epoch()), std::memory_order_relaxed);
  watch.regretted.store(peak, std::memory_order_relaxed);
  watch.peak.store(bytes, std::memory_order_relaxed);
}

inline std::uint64_t own_bytes(const ThreadCache& cache) {
  return cache.taken_bytes > 0 ? static_cast<std::uint64_t>(cache.taken_bytes) : 0;
}

// Whether the blocks that the thread frees come from its own shard, by the look of this one and of
// the one before.
inline bool frees_its_own(const ThreadCache& cache, std::uint32_t c, const void* block) {
  const Bin& bin = cache.bins[c];
  if (cache.taken[c] < static_cast<std::int32_t>(count_of(bin))) return false;
  return segment_of(block).owner == cache.home &&
         (top_of(bin) == nullptr || segment_of(top_of(bin)).owner == cache.home);
}

// A collapse as a thread sees it in one class: whose, from what peak, and how many blocks the bin
// may hold.
struct Collapse {
  Fallen whose = Fallen::kNobody;
  std::uint64_t peak = 0;
  std::uint32_t limit = 0;
};

inline Collapse look(const ThreadCache& cache, std::uint32_t c, const void* block,
                     std::uint64_t own_peak, std::uint64_t program_peak) {
  const auto held = static_cast<std::int32_t>(count_of(cache.bins[c]));
  const std::int32_t owed = cache.taken[c] - held;  // by this thread, of what it took itself
  const std::uint32_t half = static_cast<std::uint32_t>(owed > 0 ? owed : 0) / 2;
  if (frees_its_own(cache, c, block)) {
    if (own_peak > 0) return {Fallen::kThread, own_peak, half};
    return {Fallen::kProgram, program_peak, half};
  }
  if (program_peak == 0) return {};
  // Others free the same blocks, and hold some that nobody will: a smaller part.
  const std::int64_t outside = std::int64_t{outside_blocks(c)} - held;
  const auto eighth = static_cast<std::uint32_t>(outside > 0 ? outside / 8 : 0);
  return {Fallen::kProgram, program_peak, owed >= 0 && half < eighth ? half : eighth};
}

[[gnu::noinline, gnu::cold]] inline std::uint32_t taper_bin(ThreadCache& cache, std::uint32_t c,
                                                            const void* block,
                                                            std::uint64_t own_peak,
                                                            std::uint64_t program_peak) {
  const Collapse seen = look(cache, c, block, own_peak, program_peak);
  if (seen.whose == Fallen::kNobody) return UINT32_MAX;
  ThreadCollapse& state = cache.boxes.collapse;
  state.peak = seen.peak;
  state.any_tapered = true;
  state.bins[c] = {static_cast<std::uint32_t>(current_epoch()), seen.whose};
  g_collapse_stats.tapers.add(1);
  return seen.limit;
}

// Whether this thread is giving back because of a collapse, as far as the runs it meets know.
inline bool collapsing() {
  const ThreadCache* cache = t_cache;
  return cache->boxes.collapse.now;  // never set in the shared caches
}

// Purges what lies free between live pages, if enough of the shard has become free since the last
// time. The caller holds the shard's lock; no segment is closed.
inline void sweep(Shard& shard, std::uint32_t least) {
  ShardCollapse& state = shard.collapse;
  if (state.freed_pages.load(std::memory_order_relaxed) < least) return;
  state.freed_pages.store(0, std::memory_order_relaxed);
  CollapseStats& stats = g_collapse_stats;
  stats.sweeps.add(1);
  for (List<Segment>& list : shard.segments) {
    for (Segment* s = list.front(); s != nullptr; s = s->next) {
      if (is_empty(*s)) continue;
      PurgeBudget budget;
      const PurgeCount count = purge_segment(shard, *s, budget);
      stats.madvise_calls.add(count.calls);
      stats.madvise_fail.add(count.refused);
      stats.pages_purged.add(count.pages);
    }
  }
}

// One part in `parts` of the pages of the shard's segments, at least `least`.
inline std::uint32_t part_of_pages(const Shard& shard, std::uint32_t parts, std::uint32_t least) {
  const std::uint32_t pages =
      shard.segment_count.load(std::memory_order_relaxed) * kPagesPerSegment / parts;
  return pages > least ? pages : least;
}

// Whether what the shard has in free pages is no more than it may keep after regrets.
inline bool may_keep(const Shard& shard) {
  std::uint32_t pages = 0;
  for (const auto& of_kind : shard.free_pages) pages += of_kind.load(std::memory_order_relaxed);
  return pages <= shard.collapse.kept * kUsablePages;
}

}  // namespace detail

// At on_refill.
inline void end_taper(ThreadCache& cache, std::uint32_t c) {
  if constexpr (!flag::S301_COLLAPSE) return;
  ThreadCollapse& state = cache.boxes.collapse;
  detail::note_peak(state.own, detail::own_bytes(cache));
  if (!state.any_tapered) return;
  BinCollapse& bin = state.bins[c];
  const Fallen fallen = bin.fallen;
  bin.fallen = Fallen::kNobody;
  if (fallen == Fallen::kNobody || detail::epochs_since(bin.epoch) > detail::kSoon) return;
  if (fallen == Fallen::kThread)
    detail::regret(state.own, detail::own_bytes(cache), state.peak);
  else
    detail::regret(detail::g_program, detail::about_outside(), state.peak);
}

// At limit_when_full, when `block` is freed: how many blocks the bin may hold from now on;
// UINT32_MAX leaves it alone. A steady program does no more than the two looks.
inline std::uint32_t taper(ThreadCache& cache, std::uint32_t c, const void* block) {
  if constexpr (!flag::S301_COLLAPSE) return UINT32_MAX;
  Watch& own = cache.boxes.collapse.own;
  const std::uint64_t bytes = detail::own_bytes(cache);
  detail::note_peak(own, bytes);
  const std::uint64_t own_peak = detail::fallen_from(own, bytes, detail::kThreadFallen);
  const std::uint64_t program_peak =
      detail::fallen_from(detail::g_program, detail::about_outside(), detail::kProgramFallen);
  if (own_peak == 0 && program_peak == 0) [[likely]]
    return UINT32_MAX;
  return detail::taper_bin(cache, c, block, own_peak, program_peak);
}

namespace detail {

// Releases the runs of a class that became empty before the collapse was seen.
inline void release_earlier_runs(Shard& shard, std::uint32_t c) {
  g_collapse_stats.runs_released.add(release_empty_runs(shard, c, reason_of_class(c)));
}

// Whether the program has freed about all it ever had. Each time that is so the peak counts for
// half, so a program that goes on with little is asked a few times only.
inline bool program_is_empty() {
  const std::uint64_t peak = g_program.peak.load(std::memory_order_relaxed);
  if (peak < kWorth || about_outside() > peak / kLittle + kShards * kUnpublished) return false;
  if (exactly_outside() > peak / kLittle) return false;
  g_program.peak.store(peak / 2, std::memory_order_relaxed);
  return true;
}

// Whether the thread has freed about all it ever took.
inline bool thread_is_empty(const ThreadCache& cache) {
  std::int64_t held = 0;
  for (std::uint32_t c = 1; c < kClasses; ++c)
    held += std::int64_t{count_of(cache.bins[c])} * kSizeClasses[c].size;
  return cache.taken_bytes >= held &&
         cache.taken_bytes - held <= static_cast<std::int64_t>(kNothing);
}

// A class is at its end for this thread: nothing of it stays behind anywhere, and what became free
// since the last sweep goes now, if it is worth a look at the shard's segments. If it was the last
// class, all bins are emptied and the last page goes.
inline void finish_class(ThreadCache& cache, std::uint32_t c, bool last) {
  if (last) flush_bins(cache, 1, kClasses);
  for (Shard& shard : g_shards) {
    const bool offers = shard.may_offer(c);
    const std::uint32_t least = last ? 1 : part_of_pages(shard, 2048, kLeastSweep);
    const std::uint32_t freed = shard.collapse.freed_pages.load(std::memory_order_relaxed);
    if (!offers && freed < least) continue;
    os::LockGuard guard(shard.lock);
    if (offers) release_earlier_runs(shard, c);
    sweep(shard, least);
  }
}

}  // namespace detail

// Around what a bin gives back when a policy shrank it: the runs and pages that become free
// meanwhile are released.
inline void begin_giving_back(ThreadCache& cache) {
  if constexpr (flag::S301_COLLAPSE) cache.boxes.collapse.now = true;
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
  cache.boxes.collapse.now = false;
}

namespace detail {

[[gnu::noinline, gnu::cold]] inline void release_run_now(Shard& shard, Run& run) {
  g_collapse_stats.runs_released.add(1);
  release_run(shard, run, reason_of_class(run.size_class));
}

}  // namespace detail

// At on_run_empty, under the shard's lock.
inline void release_when_collapsing(Shard& shard, Run& run) {
  if constexpr (!flag::S301_COLLAPSE) return;
  if (detail::collapsing()) [[unlikely]]
    detail::release_run_now(shard, run);
}

// At on_pages_free, under the shard's lock.
inline void sweep_when_much_is_free(Shard& shard, std::uint32_t pages) {
  if constexpr (!flag::S301_COLLAPSE) return;
  ShardCollapse& state = shard.collapse;
  state.freed_pages.store(state.freed_pages.load(std::memory_order_relaxed) + pages,
                          std::memory_order_relaxed);
  if (!detail::collapsing() || detail::may_keep(shard)) return;
  detail::sweep(shard, detail::part_of_pages(shard, 8, kPagesPerSegment));
}

// At on_segment_empty, under the shard's lock.
inline void close_when_collapsing(Shard& shard, Segment& segment) {
  if constexpr (!flag::S301_COLLAPSE) return;
  if (!detail::collapsing()) return;
  ShardCollapse& state = shard.collapse;
  if (detail::may_keep(shard)) {
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
  detail::note_peak(detail::g_program, detail::about_outside());
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
