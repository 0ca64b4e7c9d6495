// Box S54. Scavenge observe: how much memory lies in long ranges of free pages, that is, what a
// purge of segments still in use could return. It only counts, at most every kEvery epochs, and
// keeps the observation with the most to gain.
#pragma once

#include "heap/shard.hpp"

namespace hz3 {

struct ScavengeView {
  std::uint64_t segments = 0;
  std::uint64_t free_pages = 0;
  std::uint64_t candidate_pages = 0;  // with memory, in ranges of at least the length asked for
};

namespace detail {

struct ScavengeMost {
  os::Lock lock;
  std::uint64_t calls = 0;
  ScavengeView most;
};
inline constinit ScavengeMost g_scavenge_most;
inline constinit std::atomic<std::uint64_t> g_scavenge_next{0};
inline constexpr std::uint64_t kScavengeEvery = 8;

// The caller holds the owner's lock.
inline void view_segment(const Segment& segment, ScavengeView& view) {
  ++view.segments;
  view.free_pages += segment.free_pages;
  for (std::uint32_t page = segment.free_bits.next_set(0); page < kPagesPerSegment;) {
    const std::uint32_t end = segment.free_bits.next_clear(page);
    if (end - page >= static_cast<std::uint32_t>(flag::SEG_SCAVENGE_MIN_CONTIG))
      view.candidate_pages += segment.dirty_bits.count(page, end - page);
    page = segment.free_bits.next_set(end);
  }
}

inline void observe_scavenge_now() {
  ScavengeView view;
  for (Shard& shard : g_shards) {
    if (shard.segment_count.load(std::memory_order_relaxed) == 0) continue;
    os::LockGuard guard(shard.lock);
    for (List<Segment>& list : shard.segments) {
      for (const Segment* s = list.front(); s != nullptr; s = s->next) view_segment(*s, view);
    }
  }
  ScavengeMost& most = g_scavenge_most;
  os::LockGuard guard(most.lock);
  ++most.calls;
  if (most.calls == 1 || view.candidate_pages > most.most.candidate_pages) most.most = view;
}

}  // namespace detail

// At on_epoch. No lock is held.
inline void observe_scavenge(std::uint64_t epoch) {
  if constexpr (!flag::SEG_SCAVENGE_OBSERVE) return;
  std::uint64_t next = detail::g_scavenge_next.load(std::memory_order_relaxed);
  if (epoch < next) return;
  if (detail::g_scavenge_next.compare_exchange_strong(next, epoch + detail::kScavengeEvery))
    detail::observe_scavenge_now();
}

inline void repair_scavenge_in_child() { (void)detail::g_scavenge_most.lock.reset(); }

inline void print_scavenge_stats() {
  if constexpr (!flag::SEG_SCAVENGE_OBSERVE) return;
  detail::observe_scavenge_now();
  const detail::ScavengeMost& most = detail::g_scavenge_most;
  LineWriter line;
  line.text("[HZ3_SEG_SCAVENGE_OBS] calls=").decimal(most.calls);
  line.text(" max_segments=").decimal(most.most.segments);
  line.text(" max_free_pages=").decimal(most.most.free_pages);
  line.text(" max_candidate_pages=").decimal(most.most.candidate_pages);
  line.text(" max_potential_bytes=").decimal(most.most.candidate_pages * os::kPageSize);
  line.write_to(2);
}

}  // namespace hz3
