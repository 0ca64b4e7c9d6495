// Box S320. Earned budget: how many bytes a thread's bins may hold in all follows from what it did,
// and what all threads may hold together is bounded.
//
// Without it every thread may hold thread_cache_bytes from its first call, so a thousand threads
// that did a little and sleep keep a thousand times what they last used. With it a thread starts
// with kFirst bytes and earns kByVisit more with every visit of a slow path, up to
// thread_cache_bytes; so the caches of a busy thread are full-grown after some milliseconds. What
// is earned is taken from one pool of all_caches_bytes; when that is empty, bins grow by taking
// from each other. A thread returns its part when it ends.
//
// Invariant: the pool and the parts of all threads add up to what the pool began with.
#pragma once

#include <atomic>

#include "heap/thread_cache.hpp"

namespace hz3 {

namespace detail {

inline constexpr std::uint64_t kFirst = std::uint64_t{512} << 10;
inline constexpr std::uint64_t kByVisit = 1024;

// Slow-path visits of a thread that ended, for the next to begin; a hint.
inline constinit std::atomic<std::uint64_t> g_left_visits{0};

// Bytes that threads hold of the pool.
inline constinit std::atomic<std::uint64_t> g_granted{0};

inline void grant(ThreadCache& cache, std::uint64_t bytes) {
  const std::uint64_t all = knob::value(knob::Name::all_caches_bytes);
  std::uint64_t granted = g_granted.load(std::memory_order_relaxed);
  std::uint64_t some = 0;
  do {
    const std::uint64_t left = granted < all ? all - granted : 0;
    some = bytes < left ? bytes : left;
  } while (!g_granted.compare_exchange_weak(granted, granted + some, std::memory_order_relaxed));
  cache.boxes.granted += some;
  cache.budget += some;
}

}  // namespace detail

// At on_budget_short: a bin wants to grow and the thread's budget does not cover it.
inline void claim_earned(ThreadCache& cache) {
  if constexpr (!flag::S320_EARNED_BUDGET) return;
  std::uint64_t earned = detail::kFirst + cache.visits * detail::kByVisit;
  const std::uint64_t most = knob::value(knob::Name::thread_cache_bytes);
  if (earned > most) earned = most;
  if (earned > cache.boxes.granted) detail::grant(cache, earned - cache.boxes.granted);
}

// When a thread gets its cache.
inline void begin_budget(ThreadCache& cache) {
  if constexpr (flag::S320_EARNED_BUDGET) {
    cache.visits = detail::g_left_visits.exchange(0, std::memory_order_relaxed);
    claim_earned(cache);
  } else {
    cache.budget = knob::value(knob::Name::thread_cache_bytes);
  }
}

// When a thread has ended and its bins are empty.
inline void return_budget(ThreadCache& cache) {
  if constexpr (!flag::S320_EARNED_BUDGET) return;
  detail::g_left_visits.store(cache.visits, std::memory_order_relaxed);
  detail::g_granted.fetch_sub(cache.boxes.granted, std::memory_order_relaxed);
  cache.boxes.granted = 0;
}

// In a forked child: the threads that held the rest do not exist.
inline void keep_own_budget() {
  if constexpr (!flag::S320_EARNED_BUDGET) return;
  const ThreadCache* cache = t_cache;
  detail::g_granted.store(is_real(cache) ? cache->boxes.granted : 0, std::memory_order_relaxed);
}

}  // namespace hz3
