// The epoch clock.
//
// There is one clock for the process: the epoch is the number of HZ3_EPOCH_MS periods gone by, plus
// the number of forced ticks. It needs no thread and no timer. Threads look at it from all their
// slow paths (refill, overflow, large and aligned blocks), every HZ3_EPOCH_SLOW_OPS visits, and
// reach the point on_epoch when it has moved on since they last did; hz3_epoch_force() moves it on
// and takes the caller there at once.
#pragma once

#include "heap/points.hpp"
#include "heap/thread_cache.hpp"
#include "os/clock.hpp"

namespace hz3 {

inline constinit std::atomic<std::uint64_t> g_forced_epochs{0};

inline std::uint64_t current_epoch() {
  return os::now_ms() / static_cast<std::uint64_t>(flag::EPOCH_MS) +
         g_forced_epochs.load(std::memory_order_relaxed);
}

// Runs the policies of the calling thread. A policy that gets here again does nothing.
inline void run_epoch(ThreadCache& cache) {
  if (cache.in_epoch) return;
  cache.in_epoch = true;
  cache.epoch = current_epoch();
  on_epoch(cache);
  cache.in_epoch = false;
}

// Called from every slow path of a thread with a cache of its own; no lock is held.
inline void tick(ThreadCache& cache) {
  ++cache.visits;
  if (++cache.slow_ops < static_cast<std::uint32_t>(flag::EPOCH_SLOW_OPS)) return;
  cache.slow_ops = 0;
  if (current_epoch() != cache.epoch) run_epoch(cache);
}

inline void force_epoch(ThreadCache& cache) {
  g_forced_epochs.fetch_add(1, std::memory_order_relaxed);
  run_epoch(cache);
}

}  // namespace hz3
