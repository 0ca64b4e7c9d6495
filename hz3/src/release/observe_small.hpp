// Box S62-0. Observe: at thread exit, count what a purge of small segments could return; changes
// nothing.
#pragma once

#include "heap/shard.hpp"

namespace hz3 {

struct ObserveStats {
  Counter scanned_segs, candidate_segs, total_pages, free_pages, used_pages, purge_potential_bytes;
};
inline constinit ObserveStats g_observe_stats;

// The caller holds the shard's lock.
inline void observe_small_segments(Shard& shard) {
  if constexpr (!flag::S62_OBSERVE) return;
  ObserveStats& stats = g_observe_stats;
  for (Segment* s = shard.segments[static_cast<int>(SegmentKind::kSmall)].front(); s != nullptr;
       s = s->next) {
    stats.scanned_segs.add(1);
    stats.candidate_segs.add(1);
    stats.total_pages.add(kUsablePages);
    stats.free_pages.add(s->free_pages);
    stats.used_pages.add(kUsablePages - s->free_pages);
    stats.purge_potential_bytes.add(std::uint64_t{purgeable_pages(*s)} * os::kPageSize);
  }
}

inline void print_observe_stats() {
  if constexpr (!flag::S62_OBSERVE) return;
  const auto& s = g_observe_stats;
  print_line("HZ3_S62_OBSERVE", {{"dtor_calls", g_thread_exits},
                                 {"scanned_segs", s.scanned_segs},
                                 {"candidate_segs", s.candidate_segs},
                                 {"total_pages", s.total_pages},
                                 {"free_pages", s.free_pages},
                                 {"used_pages", s.used_pages},
                                 {"purge_potential_bytes", s.purge_potential_bytes}});
}

}  // namespace hz3
