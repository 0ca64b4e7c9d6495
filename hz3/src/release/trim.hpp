// Trim: give back everything that can be given back now. On request (malloc_trim), and once before
// an allocation fails. Works on every shard, one lock at a time; blocks in other threads' caches
// stay.
#pragma once

#include "heap/threads.hpp"

namespace hz3 {

namespace detail {

inline bool trim_shard(Shard& shard) {
  os::LockGuard guard(shard.lock);
  for (std::uint32_t c = 1; c < kClasses; ++c) release_empty_runs(shard, c, reason_of_class(c));
  bool any = false;
  PagePurgeStats uncounted;  // the boxes' counters are about thread exit
  for (List<Segment>& list : shard.segments) {
    Segment* next = nullptr;
    for (Segment* s = list.front(); s != nullptr; s = next) {
      next = s->next;
      if (is_empty(*s))
        any |= close_segment(shard, *s);
      else
        any |= purge_free_pages(*s, UINT32_MAX, uncounted).pages > 0;
    }
  }
  return any;
}

// Free slots that the system once refused to purge, for example because they were locked, hold
// their memory still: asks again. Meanwhile each is taken, so that nobody can be handed it.
inline bool purge_refused_slots() {
  Arena& window = g_arenas.window;
  std::size_t slot = 0;
  {
    os::LockGuard guard(g_arenas.lock);
    if (g_arenas.purge_failures == 0) return false;
    slot = g_arenas.used_first;
  }
  bool any = false;
  for (;; ++slot) {
    {
      os::LockGuard guard(g_arenas.lock);
      if (slot >= g_arenas.used_end) return any;
      Slot& entry = window.table[slot];
      if (kind_of(entry) != SlotKind::kFree || !entry.dirty) continue;
      set_slot(entry, SlotKind::kLargeTail, false, 0, 0);
    }
    any |= release_slots(window, slot, 1);
  }
}

}  // namespace detail

// Whether any memory went back. The calling thread's cache is emptied first if it has one.
inline bool trim_all() {
  if (ThreadCache* cache = t_cache; is_real(cache)) flush_bins(*cache, 1, kClasses);
  drain_transfers();
  bool any = g_large_cache.expire(UINT64_MAX);
  for (Shard& shard : g_shards) any |= detail::trim_shard(shard);
  any |= detail::purge_refused_slots();
  return any;
}

}  // namespace hz3
