// The boxes that act at each point (heap/points.hpp), in order. A box is a file of its own, its
// flag, its counters, and one line in each list it is in; no box names another. A box that is off
// compiles to nothing.
#pragma once

#include "heap/threads.hpp"
#include "observe/census.hpp"
#include "observe/knob_line.hpp"
#include "observe/report_signal.hpp"
#include "observe/retention.hpp"
#include "observe/scavenge.hpp"
#include "policy/earned_budget.hpp"
#include "policy/go_home.hpp"
#include "policy/large_budget.hpp"
#include "policy/memory_budget.hpp"
#include "policy/pressure.hpp"
#include "policy/soft_limit.hpp"
#include "release/cache_decay.hpp"
#include "release/collapse.hpp"
#include "release/epoch_retire.hpp"
#include "release/exit_keep.hpp"
#include "release/hard_purge.hpp"
#include "release/ledger.hpp"
#include "release/map_pages.hpp"
#include "release/observe_small.hpp"
#include "release/partial_subrelease.hpp"
#include "release/purge_small.hpp"
#include "release/purger.hpp"
#include "release/range_queue.hpp"
#include "release/retire.hpp"
#include "release/trim.hpp"

namespace hz3 {

inline void on_thread_begin(ThreadCache& cache) {
  begin_budget(cache);  // S320
  begin_pressure(cache);
}

inline void on_thread_end(ThreadCache& cache) {
  empty_ledger(cache);   // S65-1
  return_budget(cache);  // S320
}

inline void on_budget_short(ThreadCache& cache) { claim_earned(cache); }  // S320

inline std::uint32_t limit_when_full(ThreadCache& cache, std::uint32_t c, const void* block) {
  return taper(cache, c, block);  // S301
}

inline bool stays_away(ThreadCache& cache, std::uint32_t c, const void* block) {
  return goes_home(cache, c, block);  // S315
}

inline void on_give_back(ThreadCache& cache) { begin_giving_back(cache); }  // S301

inline void on_gave_back(ThreadCache& cache, std::uint32_t c, std::uint32_t blocks) {
  end_giving_back(cache, c, blocks);  // S301
}

inline bool on_growth() {
  keep_soft_limit();
  return reclaim_when_nearly_full();  // S45
}

inline void on_refill(ThreadCache& cache, std::uint32_t c) {
  follow_pressure(cache);
  note_refill(cache, c);  // S58
  end_taper(cache, c);    // S301
  note_use(cache);        // S65-3
}

inline void on_overflow(ThreadCache& cache, std::uint32_t c) {
  follow_pressure(cache);
  note_overflow(cache, c);  // S58
}

inline void on_large_freed(std::uint64_t) {
  keep_large_budget();      // S53
  note_large_for_purger();  // S302
}

inline void on_run_empty(Shard& shard, Run& run) {
  note_for_purger(shard);               // S302
  release_when_collapsing(shard, run);  // S301
}

inline void on_pages_free(Shard& shard, Segment& segment, std::uint32_t page, std::uint32_t pages) {
  queue_range(shard, segment, page, pages);      // S60
  delay_purge(shard, segment, page, pages);      // S64
  enter_in_ledger(shard, segment, page, pages);  // S65-1
  note_for_purger(shard);                        // S302
  sweep_when_much_is_free(shard, pages);         // S301
}

inline void on_segment_empty(Shard& shard, Segment& segment) {
  close_when_collapsing(shard, segment);  // S301
}

inline void on_segment_opened(Shard& shard) {
  regret_closing(shard);     // S301
  regret_exit_purge(shard);  // S321
}

inline void on_epoch(ThreadCache& cache) {
  follow_pressure(cache);
  decay_cache(cache);             // S58
  subrelease_partly_free(cache);  // S57-B2
  purge_queue(cache);             // S60
  retire_on_epoch(cache);         // S64
  release_on_epoch(cache);        // S65
  keep_soft_limit();
  expire_large_cache(os::now_ms());
  purge_map_pages();               // S63
  observe_scavenge(cache.epoch);   // S54
  observe_retention(cache.epoch);  // S55
}

namespace detail {

// The part of a thread's exit that works on one shard, under its lock: first what makes pages free,
// then what gives them back.
inline void release_at_exit(Shard& shard) {
  os::LockGuard guard(shard.lock);
  retire_small_runs(shard);                 // S62-1
  retire_sub4k_runs(shard);                 // S62-1b
  drain_medium_runs(shard);                 // S61
  const bool purge = worth_purging(shard);  // S309, S321
  if (purge) purge_small_segments(shard);   // S62-2
  observe_small_segments(shard);            // S62-0
  if (purge) hard_purge_medium(shard);      // S61
  if (purge) sweep_at_exit(shard);          // S301
}

// Shards without threads hold what their blocks' users freed after the owner had ended.
inline void release_dead_shards() {
  if constexpr (!flag::S61_DTOR_HARD_PURGE && !flag::S62_RETIRE) return;
  for (Shard& shard : g_shards) {
    if (shard.threads.load(std::memory_order_relaxed) != 0) continue;
    if (shard.may_offer_any()) release_at_exit(shard);
  }
}

}  // namespace detail

inline void on_thread_exit(Shard& home) {
  g_thread_exits.add(1);
  g_store.drain();
  detail::release_at_exit(home);
  detail::release_dead_shards();
  retry_refused_purges();  // S61
  purge_map_pages();       // S63
}

inline bool on_memory_refused(std::uint32_t attempts) {
  trim_all();
  return flush_in_emergency(attempts);  // S45
}

inline void on_fork_child() {
  g_store.repair_child();
  keep_own_budget();  // S320
  repair_report_in_child();
  repair_scavenge_in_child();   // S54
  repair_retention_in_child();  // S55
  forget_purger();              // S302
}

// The lines printed once, when the process exits in the ordinary way (not after abort or a signal).
inline void print_stats() {
  if constexpr (!flag::STATS) return;
  print_decay_stats();          // S58
  print_retire_stats();         // S62-1
  print_sub4k_retire_stats();   // S62-1b
  print_page_purge_stats();     // S62-2
  print_observe_stats();        // S62-0
  print_hard_purge_stats();     // S61
  print_subrelease_stats();     // S57-B2
  print_range_queue_stats();    // S60
  print_map_page_stats();       // S63
  print_epoch_retire_stats();   // S64
  print_boundary_stats();       // S65-0
  print_ledger_stats();         // S65-1, S65-3
  print_coverage_stats();       // S65-2
  print_collapse_stats();       // S301
  print_purger_stats();         // S302
  print_memory_budget_stats();  // S45
  print_large_budget_stats();   // S53
  print_scavenge_stats();       // S54
  print_retention_stats();      // S55
  print_run_bitmap_stats();     // S314
  print_go_home_stats();        // S315
  print_leave_tables_stats();   // S316
  print_sort_stats();           // S317
  print_limit_stats();
  print_books();
  print_knobs();
}

}  // namespace hz3
