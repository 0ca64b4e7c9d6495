// Trim: give back everything that can be given back now. On request (malloc_trim), and once before
// an allocation fails. Works on every shard, one lock at a time; blocks in other threads' caches
// stay.
#pragma once

#include "heap/large_cache.hpp"
#include "heap/thread_cache.hpp"
#include "release/map_pages.hpp"
#include "release/purge.hpp"

namespace hz3 {

namespace detail {

// Under the shard's lock.
inline PurgeCount trim_shard(Shard& shard, PurgeBudget& budget) {
  for (std::uint32_t c = 1; c < kClasses; ++c) release_empty_runs(shard, c, reason_of_class(c));
  PurgeCount all;
  for (List<Segment>& list : shard.segments) {
    Segment* next = nullptr;
    for (Segment* s = list.front(); s != nullptr; s = next) {
      next = s->next;
      all += purge_segment(shard, *s, budget);
    }
  }
  return all;
}

}  // namespace detail

// Whether any memory went back. The calling thread's cache is emptied first if it has one.
inline bool trim_all() {
  if (ThreadCache* cache = t_cache; is_real(cache)) flush_bins(*cache, 1, kClasses);
  g_store.drain();
  bool any = g_large_cache.expire(UINT64_MAX);
  PurgeBudget budget;
  for (Shard& shard : g_shards) {
    os::LockGuard guard(shard.lock);
    any |= detail::trim_shard(shard, budget).any();
  }
  any |= purge_refused_slots(budget).any();
  purge_map_pages();  // S63
  return any;
}

}  // namespace hz3
