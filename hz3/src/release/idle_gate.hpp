// Box S65-3. The idle/busy gate: whether somebody is about to use the memory that is free.
//
// Pages that are free come into use again through a refill of a bin and in no other way, so refills
// tell: the program is busy when all its threads together refilled bins S65_GATE_REFILLS times an
// epoch or more since the asking thread's last epoch, and idle when they did not, however much it
// frees. Frees alone mean that memory is going out of use. (The original asked whether a counter of
// another box was odd, which had nothing to do with either.)
#pragma once

#include "heap/thread_cache.hpp"
#include "release/epoch.hpp"

namespace hz3 {

struct GateStats {
  Counter idle_ticks, busy_ticks;
};
inline constinit GateStats g_gate_stats;

namespace detail {

// Refills of all threads, but for kUnpublishedRefills a thread.
inline constinit std::atomic<std::uint64_t> g_refills{0};
inline constexpr std::uint32_t kUnpublishedRefills = 8;

}  // namespace detail

// At on_refill.
inline void note_use(ThreadCache& cache) {
  if constexpr (!flag::S65_IDLE_GATE) return;
  if (++cache.boxes.gate.refills % detail::kUnpublishedRefills == 0)
    detail::g_refills.fetch_add(detail::kUnpublishedRefills, std::memory_order_relaxed);
}

// Once an epoch and thread, from on_epoch; without the box it is always idle.
inline bool ask_gate(ThreadCache& cache) {
  if constexpr (!flag::S65_IDLE_GATE) return true;
  ThreadGate& gate = cache.boxes.gate;
  const std::uint64_t refills = detail::g_refills.load(std::memory_order_relaxed);
  const std::uint64_t epochs = gate.asked_epoch > 0 ? cache.epoch - gate.asked_epoch : 1;
  const bool idle =
      refills - gate.seen_refills < epochs * static_cast<std::uint64_t>(flag::S65_GATE_REFILLS);
  gate.seen_refills = refills;
  gate.asked_epoch = cache.epoch;
  gate.busy = !idle;
  (idle ? g_gate_stats.idle_ticks : g_gate_stats.busy_ticks).add(1);
  return idle;
}

}  // namespace hz3
