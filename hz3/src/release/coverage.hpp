// Boxes S65-2 and S65-2C. Coverage: once an epoch and thread, empty runs become free pages, those
// of the small and sub4k classes (S65-2) and those of the medium ones (S65-2C), so that a ledger of
// free pages sees them all. Works on the thread's own shard and on one other in turn, because a
// thread that is parked has no epochs.
//
// Goes segment by segment and there by address, so that neighbours reach the ledger one after the
// other and merge. (In the order in which runs became empty they would not: that is
// HZ3_S65_RETIRE_BY_SEGMENT off.) The original looked at blocks in the central lists and had to
// prove their pages empty; here the live count has.
#pragma once

#include "heap/thread_cache.hpp"

namespace hz3 {

struct CoverageStats {
  Counter shards, segs, small_pages, sub4k_pages;
  Counter reclaim_runs, reclaim_pages, boundary_calls;
};
inline constinit CoverageStats g_coverage_stats;

namespace detail {

// Empty runs that may be released: pages of small and sub4k runs, and medium runs, and only as long
// as the thread's ledger has room.
struct RetireBudget {
  std::uint32_t pages;
  std::uint32_t medium_runs;
  const ThreadRanges& ranges;

  bool spent(SegmentKind kind) const {
    return ranges.ledger.full() || (kind == SegmentKind::kMedium ? medium_runs : pages) == 0;
  }
};

inline void retire_one(Shard& shard, Run& run, RetireBudget& budget) {
  CoverageStats& stats = g_coverage_stats;
  const std::uint32_t c = run.size_class;
  const std::uint32_t pages = kSizeClasses[c].pages;
  release_run(shard, run, reason_of_class(c));
  if (is_medium(c)) {
    --budget.medium_runs;
    stats.reclaim_runs.add(1);
    stats.reclaim_pages.add(pages);
    stats.boundary_calls.add(1);
  } else {
    budget.pages -= pages < budget.pages ? pages : budget.pages;
    (is_sub4k(c) ? stats.sub4k_pages : stats.small_pages).add(pages);
  }
}

// All empty runs of a segment, by address. The segment stays: S301 closes segments only while a bin
// tapers, which is never at an epoch.
inline void retire_segment(Shard& shard, Segment& segment, RetireBudget& budget) {
  g_coverage_stats.segs.add(1);
  for (std::uint32_t page = kHeaderPages; page < kPagesPerSegment && !budget.spent(segment.kind);) {
    if (segment.free_bits.test(page)) {
      page = segment.free_bits.next_clear(page);
      continue;
    }
    Run& run = segment.runs[page];
    page += kSizeClasses[run.size_class].pages;
    if (run.state == RunState::kEmpty) retire_one(shard, run, budget);
  }
}

inline void retire_shard(Shard& shard, RetireBudget& budget) {
  const std::uint32_t from = flag::S65_RELEASE_COVERAGE ? 1 : kFirstMedium;
  const std::uint32_t to = flag::S65_MEDIUM_RECLAIM ? kClasses : kFirstMedium;
  g_coverage_stats.shards.add(1);
  os::LockGuard guard(shard.lock);
  for (std::uint32_t c = from; c < to; ++c) {
    while (!shard.empty[c].empty() && !budget.spent(kind_of_class(c))) {
      Run& run = *shard.empty[c].front();
      if constexpr (flag::S65_RETIRE_BY_SEGMENT)
        retire_segment(shard, segment_of(&run), budget);
      else
        retire_one(shard, run, budget);
    }
  }
}

// Looks at every shard in turn, whoever asks.
inline constinit std::atomic<std::uint32_t> g_next_shard{0};

}  // namespace detail

// At on_epoch, before the ledger. A busy program keeps three quarters of the budget for later.
inline void retire_all_kinds(ThreadCache& cache, bool idle) {
  if constexpr (!flag::S65_RELEASE_COVERAGE && !flag::S65_MEDIUM_RECLAIM) return;
  const std::uint32_t part = idle ? 1 : 4;
  detail::RetireBudget budget{
      static_cast<std::uint32_t>(flag::S65_RETIRE_BUDGET_PAGES) / part,
      static_cast<std::uint32_t>(flag::S65_MEDIUM_RECLAIM_BUDGET_RUNS) / part, cache.boxes.ranges};
  detail::retire_shard(*cache.home, budget);
  Shard& other = g_shards[detail::g_next_shard.fetch_add(1, std::memory_order_relaxed) % kShards];
  const bool offers = other.offers[0].load(std::memory_order_relaxed) != 0 ||
                      other.offers[1].load(std::memory_order_relaxed) != 0;
  if (&other != cache.home && offers) detail::retire_shard(other, budget);
}

inline void print_coverage_stats() {
  const auto& s = g_coverage_stats;
  if constexpr (flag::S65_RELEASE_COVERAGE) {
    print_line("HZ3_S65_COVERAGE", {{"shards", s.shards},
                                    {"segs", s.segs},
                                    {"small_pages", s.small_pages},
                                    {"sub4k_pages", s.sub4k_pages}});
  }
  if constexpr (flag::S65_MEDIUM_RECLAIM) {
    print_line("HZ3_S65_MEDIUM", {{"reclaim_runs", s.reclaim_runs},
                                  {"reclaim_pages", s.reclaim_pages},
                                  {"boundary_calls", s.boundary_calls}});
  }
}

}  // namespace hz3
