// Box S45. Memory budget: an arena that is nearly full makes room before it must refuse.
//
// While few slots are free, whoever is about to open a segment first makes all empty runs free
// pages and gives wholly free segments back, of every shard, within a budget of pages. If that
// frees no slot, the caller's own bins of medium classes go as well (focus), since there each block
// pins a run of its own. When memory was refused all the same, every thread is asked to empty its
// bins, and the caller waits a moment for a slot before its second attempt (emergency).
//
// The original looked for reclaimable runs by moving central objects segment by segment, on the
// caller's shard only; here live counts say which runs are empty, and any shard's lock may be
// taken.
#pragma once

#include <sched.h>

#include <ctime>

#include "policy/pressure.hpp"
#include "release/epoch.hpp"
#include "release/purge.hpp"

namespace hz3 {

struct MemoryBudgetStats {
  Counter near_full, reclaim_calls, reclaim_segs, reclaim_pages, focus_calls, emergency_flushes,
      alloc_full;
};
inline constinit MemoryBudgetStats g_memory_budget_stats;

namespace detail {

// The epoch in which a pass freed nothing: the next one would find the same.
inline constinit std::atomic<std::uint64_t> g_vain_epoch{0};

// Makes empty runs free pages and closes wholly free segments; how many it closed.
inline std::uint32_t reclaim_segments(Shard& shard, PurgeBudget& budget) {
  os::LockGuard guard(shard.lock);
  for (std::uint32_t c = 1; c < kClasses; ++c) release_empty_runs(shard, c, reason_of_class(c));
  std::uint32_t closed = 0;
  for (List<Segment>& list : shard.segments) {
    Segment* next = nullptr;
    for (Segment* s = list.front(); s != nullptr && !budget.spent(); s = next) {
      next = s->next;
      if (!is_empty(*s)) continue;
      const PurgeCount count = purge_segment(shard, *s, budget);
      closed += count.segments;
      g_memory_budget_stats.reclaim_pages.add(count.pages);
    }
  }
  return closed;
}

inline std::uint32_t reclaim_all() {
  PurgeBudget budget{.pages = static_cast<std::uint32_t>(flag::MEM_BUDGET_MAX_RECLAIM_PAGES)};
  std::uint32_t closed = 0;
  for (Shard& shard : g_shards) {
    if (shard.segment_count.load(std::memory_order_relaxed) != 0)
      closed += reclaim_segments(shard, budget);
  }
  g_memory_budget_stats.reclaim_calls.add(1);
  g_memory_budget_stats.reclaim_segs.add(closed);
  return closed;
}

}  // namespace detail

// At on_growth: whether to look in shards with threads before the heap grows. No lock is held.
inline bool reclaim_when_nearly_full() {
  if constexpr (!flag::MEM_BUDGET_ENABLE) return false;
  constexpr auto kHeadroom = static_cast<std::size_t>(flag::MEM_BUDGET_HEADROOM);
  if (free_slots(kHeadroom + 1) > kHeadroom) return false;
  g_memory_budget_stats.near_full.add(1);
  const std::uint64_t epoch = current_epoch();
  if (detail::g_vain_epoch.load(std::memory_order_relaxed) == epoch) return true;
  if (detail::reclaim_all() > 0) return true;
  ThreadCache* cache = t_cache;
  if (flag::S45_FOCUS_RECLAIM && is_real(cache)) {
    g_memory_budget_stats.focus_calls.add(1);
    flush_bins(*cache, kFirstMedium, kClasses);
    if (detail::reclaim_all() > 0) return true;
  }
  detail::g_vain_epoch.store(epoch, std::memory_order_relaxed);
  return true;
}

// At on_memory_refused, after the trim: whether another attempt may follow the next. No lock is
// held. A thread follows the call at its next slow path, so it must be let run.
inline bool flush_in_emergency(std::uint32_t attempts) {
  if constexpr (!flag::MEM_BUDGET_ENABLE) return false;
  if (attempts == 1) g_memory_budget_stats.alloc_full.add(1);
  if constexpr (!flag::S45_EMERGENCY_FLUSH_REMOTE) return false;
  constexpr std::uint32_t kMostAttempts = 64;
  constexpr std::uint32_t kYields = 8;
  if (attempts == 1) {
    g_memory_budget_stats.emergency_flushes.add(1);
    raise_pressure();
  }
  if (attempts <= kYields) {
    ::sched_yield();
  } else {
    const timespec millisecond{0, 1000000};
    ::nanosleep(&millisecond, nullptr);
  }
  return attempts < kMostAttempts;
}

inline void print_memory_budget_stats() {
  if constexpr (!flag::MEM_BUDGET_ENABLE) return;
  const auto& s = g_memory_budget_stats;
  print_line("HZ3_S45_MEM_BUDGET", {{"near_full", s.near_full},
                                    {"reclaim_calls", s.reclaim_calls},
                                    {"reclaim_segs", s.reclaim_segs},
                                    {"reclaim_pages", s.reclaim_pages},
                                    {"focus_calls", s.focus_calls},
                                    {"emergency_flushes", s.emergency_flushes},
                                    {"alloc_full", s.alloc_full}});
}

}  // namespace hz3
