// Pressure: a call to all threads to empty their bins, each at its next slow path. Raised when
// memory is short and what lies in other threads' bins is the last that could be given back. A
// thread that takes no slow path keeps its bins; nobody may touch them but itself.
#pragma once

#include <atomic>

#include "heap/thread_cache.hpp"

namespace hz3 {

inline constinit std::atomic<std::uint32_t> g_pressure{0};

inline void raise_pressure() { g_pressure.fetch_add(1, std::memory_order_relaxed); }

// At on_refill, on_overflow and on_epoch.
inline void follow_pressure(ThreadCache& cache) {
  const std::uint32_t now = g_pressure.load(std::memory_order_relaxed);
  if (cache.boxes.pressure == now) [[likely]]
    return;
  cache.boxes.pressure = now;
  flush_bins(cache, 1, kClasses);
}

// A thread that begins has nothing to give.
inline void begin_pressure(ThreadCache& cache) {
  cache.boxes.pressure = g_pressure.load(std::memory_order_relaxed);
}

}  // namespace hz3
