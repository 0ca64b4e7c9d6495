// Box S61. Hard purge: at thread exit empty medium runs become free pages, and medium segments that
// are wholly free go back to the system.
#pragma once

#include "release/purge.hpp"

namespace hz3 {

struct HardPurgeStats {
  Counter madvise_ok, madvise_fail, purged_segs, purged_pages, drained_objs;
};
inline constinit HardPurgeStats g_hard_purge_stats;

// First half. The caller holds the shard's lock.
inline void drain_medium_runs(Shard& shard) {
  if constexpr (!flag::S61_DTOR_HARD_PURGE) return;
  for (std::uint32_t c = kClasses - 1; c >= kFirstMedium; --c) {
    g_hard_purge_stats.drained_objs.add(
        release_empty_runs(shard, c, ReleaseReason::kMediumRunReclaim));
  }
}

// Second half. The caller holds the shard's lock.
inline void hard_purge_medium(Shard& shard) {
  if constexpr (!flag::S61_DTOR_HARD_PURGE) return;
  HardPurgeStats& stats = g_hard_purge_stats;
  PurgeBudget budget{.calls = static_cast<std::uint32_t>(flag::S61_DTOR_MAX_CALLS),
                     .pages = static_cast<std::uint32_t>(flag::S61_DTOR_MAX_PAGES)};
  Segment* next = nullptr;
  for (Segment* s = shard.segments[static_cast<int>(SegmentKind::kMedium)].front(); s != nullptr;
       s = next) {
    next = s->next;
    if (!is_empty(*s)) continue;
    const PurgeCount count = purge_segment(shard, *s, budget);
    if (count.calls == 0) break;
    stats.madvise_ok.add(count.segments);
    stats.purged_segs.add(count.segments);
    stats.purged_pages.add(std::uint64_t{count.segments} * kUsablePages);
    stats.madvise_fail.add(count.refused);
    if (flag::S61_DTOR_FAILFAST && count.refused > 0) fatal("purge of a whole segment failed", s);
  }
}

// After the shards: what the system refused earlier. No lock is held.
inline void retry_refused_purges() {
  if constexpr (!flag::S61_DTOR_HARD_PURGE) return;
  PurgeBudget budget{.calls = static_cast<std::uint32_t>(flag::S61_DTOR_MAX_CALLS),
                     .pages = static_cast<std::uint32_t>(flag::S61_DTOR_MAX_PAGES)};
  purge_refused_slots(budget);
}

inline void print_hard_purge_stats() {
  if constexpr (!flag::S61_DTOR_HARD_PURGE) return;
  const auto& s = g_hard_purge_stats;
  print_line("HZ3_S61_DTOR_PURGE", {{"dtor_calls", g_thread_exits},
                                    {"madvise_ok", s.madvise_ok},
                                    {"madvise_fail", s.madvise_fail},
                                    {"purged_segs", s.purged_segs},
                                    {"purged_pages", s.purged_pages},
                                    {"drained_objs", s.drained_objs}});
}

}  // namespace hz3
