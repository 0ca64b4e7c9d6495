// Trim: give back everything that can be given back now. On request (malloc_trim), and once before
// an allocation fails. Works on every shard, one lock at a time; blocks in other threads' caches
// stay.
#pragma once

#include "heap/large_cache.hpp"
#include "heap/thread_cache.hpp"
#include "release/purge.hpp"

namespace hz3 {

namespace detail {

inline bool trim_shard(Shard& shard) {
  os::LockGuard guard(shard.lock);
  for (std::uint32_t c = 1; c < kClasses; ++c) release_empty_runs(shard, c, reason_of_class(c));
  bool any = false;
  PurgeBudget budget;
  for (List<Segment>& list : shard.segments) {
    Segment* next = nullptr;
    for (Segment* s = list.front(); s != nullptr; s = next) {
      next = s->next;
      any |= purge_segment(shard, *s, budget).any();
    }
  }
  return any;
}

// Free slots that the system once refused to purge, for example because they were locked, hold
// their memory still: asks again. Meanwhile each is taken, so that nobody can be handed it.
inline bool purge_refused_slots(Arena& arena) {
  bool any = false;
  for (std::size_t slot = 0;; ++slot) {
    {
      os::LockGuard guard(g_arenas.lock);
      if (slot >= arena.committed) return any;
      Slot& entry = arena.table[slot];
      if (kind_of(entry) != SlotKind::kFree || !entry.dirty) continue;
      set_slot(entry, SlotKind::kLargeTail, false, 0, 0);
    }
    any |= release_slots(arena, slot, 1);
  }
}

inline bool purge_refused_slots() {
  {
    os::LockGuard guard(g_arenas.lock);
    if (g_arenas.purge_failures == 0) return false;
  }
  bool any = false;
  const int arenas = g_arenas.count.load(std::memory_order_acquire);
  for (int i = 0; i < arenas; ++i) any |= purge_refused_slots(g_arenas.arenas[i]);
  return any;
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
