// Box S65-1. The release ledger: ranges that became free, noted in a ring of the thread that freed
// them, merged with their neighbours, and returned at epochs within a budget, one call a range; a
// segment that is wholly free by then goes back whole. Fed by the release boundary alone, through
// the point on_pages_free.
//
// A range waits for as many epochs as the gate says (S65-3). When the ring is full the knob
// s65_ledger_overflow decides: 0 forgets the range, 1 returns it at once. (The original returned
// the oldest instead; its shard's lock may not be taken here.) A busy program's are always
// forgotten. What was forgotten is looked for when the program is idle and the ledger empty, by a
// sweep of the shards where it lies.
//
// A range that the system refuses goes to the end of the ledger, and the epoch asks no further:
// what it says of one range it would say of the next.
//
// What a thread noted only that thread returns: one that is parked returns nothing. At its end a
// thread returns all.
#pragma once

#include <bit>

#include "release/coverage.hpp"
#include "release/idle_gate.hpp"
#include "release/range_purge.hpp"

namespace hz3 {

struct LedgerStats {
  Counter enq, coalesce, purged_pages, purged_segs, madvise_calls, madvise_fail, drop, skip_used;
};
inline constinit LedgerStats g_ledger_stats;

namespace detail {

inline void count_ledger_purge(const PurgeCount& count) {
  LedgerStats& stats = g_ledger_stats;
  stats.purged_pages.add(count.pages);
  stats.purged_segs.add(count.segments);
  stats.madvise_calls.add(count.calls);
  stats.madvise_fail.add(count.refused);
}

// Whether the ledger is empty afterwards.
inline bool purge_ledger_within(ThreadCache& cache, PurgeBudget& budget, std::uint64_t delay) {
  const auto now = static_cast<std::uint32_t>(current_epoch());
  auto& ledger = cache.boxes.ranges.ledger;
  while (!ledger.empty() && !budget.spent()) {
    FreedRange range = ledger.front();
    if (range.pages == 0) {
      ledger.pop();
      continue;
    }
    if (now - range.epoch < delay) return false;
    const FreedPurge done = purge_freed<true>(range, budget);
    if (done.waiting) return false;
    ledger.pop();
    g_ledger_stats.skip_used.add(done.count.calls == 0);
    count_ledger_purge(done.count);
    if (done.count.refused > 0) {
      range.epoch = now;
      ledger.add(range, 0);
      return false;
    }
  }
  return ledger.empty();
}

// Returns what is free in a shard's segments; whether that is all of it.
inline bool sweep_shard(Shard& shard, PurgeBudget& budget) {
  os::LockGuard guard(shard.lock);
  for (List<Segment>& list : shard.segments) {
    Segment* next = nullptr;
    for (Segment* s = list.front(); s != nullptr; s = next) {
      next = s->next;
      if (purgeable_pages(*s) == 0) continue;
      const PurgeCount count = purge_segment(shard, *s, budget);
      count_ledger_purge(count);
      if (count.refused > 0 || count.calls == 0 || budget.spent()) return false;
    }
  }
  return true;
}

inline void sweep_forgotten(ThreadCache& cache, PurgeBudget& budget) {
  std::uint64_t& forgotten = cache.boxes.ranges.forgotten;
  while (forgotten != 0 && !budget.spent()) {
    if (!sweep_shard(g_shards[std::countr_zero(forgotten)], budget)) return;
    forgotten &= forgotten - 1;
  }
}

// A whole segment must fit what an epoch may spend, or it would wait for ever.
inline std::uint32_t at_least_a_segment(std::uint64_t pages) {
  return pages > kUsablePages ? static_cast<std::uint32_t>(pages) : kUsablePages;
}

}  // namespace detail

// At on_pages_free, under the shard's lock. A thread that is past its end has no ledger; the boxes
// of its exit purge what they make free.
inline void enter_in_ledger(Shard& shard, Segment& segment, std::uint32_t page,
                            std::uint32_t pages) {
  if constexpr (!flag::S65_RELEASE_LEDGER) return;
  if (!is_real(t_cache)) return;
  LedgerStats& stats = g_ledger_stats;
  const FreedRange range{&segment, &shard, static_cast<std::uint32_t>(t_cache->epoch),
                         static_cast<std::uint16_t>(page), static_cast<std::uint16_t>(pages)};
  stats.enq.add(1);
  switch (t_cache->boxes.ranges.ledger.add(range, flag::S65_COALESCE_SCAN_DEPTH)) {
    case Added::kQueued:
      return;
    case Added::kMerged:
      stats.coalesce.add(1);
      return;
    case Added::kFull:
      break;
  }
  stats.drop.add(1);
  if (!t_cache->boxes.gate.busy && knob::value(knob::Name::s65_ledger_overflow) != 0) {
    PurgeBudget budget;
    const PurgeCount count = purge_pages(segment, page, page + pages, budget);
    detail::count_ledger_purge(count);
    if (count.refused == 0) return;
  }
  t_cache->boxes.ranges.forgotten |= std::uint64_t{1} << (&shard - g_shards);
}

// At on_epoch. The gate is asked here and nowhere else.
inline void release_on_epoch(ThreadCache& cache) {
  if constexpr (!flag::S65_RELEASE_LEDGER) return;
  const bool idle = ask_gate(cache);
  retire_all_kinds(cache, idle);
  const std::uint64_t pages = knob::value(knob::Name::s65_purge_budget_pages);
  PurgeBudget budget{.calls = static_cast<std::uint32_t>(flag::S65_PURGE_MAX_CALLS),
                     .pages = detail::at_least_a_segment(idle ? pages : pages / 4)};
  const std::uint64_t delay =
      knob::value(idle ? knob::Name::s65_delay_epochs_idle : knob::Name::s65_delay_epochs_busy);
  const bool empty = detail::purge_ledger_within(cache, budget, delay);
  if (!idle || !empty) return;
  detail::sweep_forgotten(cache, budget);
  detail::count_ledger_purge(purge_refused_slots(budget));
}

// At on_thread_end, when all blocks have gone home.
inline void empty_ledger(ThreadCache& cache) {
  if constexpr (!flag::S65_RELEASE_LEDGER) return;
  PurgeBudget budget;
  detail::purge_ledger_within(cache, budget, 0);
  detail::sweep_forgotten(cache, budget);
}

inline void print_ledger_stats() {
  if constexpr (!flag::S65_RELEASE_LEDGER) return;
  const auto& s = g_ledger_stats;
  Counter pages_per_call;
  if (s.madvise_calls.value() > 0)
    pages_per_call.add(s.purged_pages.value() / s.madvise_calls.value());
  print_line("HZ3_S65", {{"enq", s.enq},
                         {"coalesce", s.coalesce},
                         {"purged_pages", s.purged_pages},
                         {"madvise_calls", s.madvise_calls},
                         {"idle_ticks", g_gate_stats.idle_ticks},
                         {"busy_ticks", g_gate_stats.busy_ticks},
                         {"drop", s.drop},
                         {"skip_used", s.skip_used},
                         {"purged_segs", s.purged_segs},
                         {"madvise_fail", s.madvise_fail},
                         {"pages_per_call", pages_per_call}});
}

}  // namespace hz3
