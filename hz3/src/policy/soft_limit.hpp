// The soft limit: while the footprint is above heap_soft_limit_bytes the heap gives back what it
// can before it grows, cheapest first, until it is below: waiting large blocks, empty runs and free
// pages of all shards, the store and the caller's bins, and at last every other thread's bins, each
// at that thread's next slow path. It never refuses; that is the hard limit's part
// (heap/footprint.hpp), which releases in the same way, at on_memory_refused, and then refuses.
//
// A program whose live blocks exceed the limit must not pay for it with every allocation: one
// thread at a time looks, at most once an epoch, and less often while looking does not help.
#pragma once

#include "policy/pressure.hpp"
#include "release/epoch.hpp"
#include "release/trim.hpp"

namespace hz3 {

struct SoftLimitStats {
  Counter looks, releases, released_bytes, pressures;
};
inline constinit SoftLimitStats g_soft_limit_stats;

namespace detail {

// The epoch before which nobody looks again, and for how many epochs that is.
inline constinit std::atomic<std::uint64_t> g_next_look{0};
inline constinit std::atomic<std::uint32_t> g_look_pause{1};
inline constexpr std::uint32_t kMostEpochs = 64;

// Cheapest first, until the footprint is at most `limit`.
inline void release_down_to(std::uint64_t limit) {
  g_large_cache.expire(UINT64_MAX);
  PurgeBudget budget;
  for (Shard& shard : g_shards) {
    if (footprint() <= limit) return;
    if (shard.segment_count.load(std::memory_order_relaxed) == 0) continue;
    os::LockGuard guard(shard.lock);
    trim_shard(shard, budget);
  }
  if (footprint() <= limit) return;
  if (trim_all(); footprint() <= limit) return;
  g_soft_limit_stats.pressures.add(1);
  raise_pressure();
}

[[gnu::noinline, gnu::cold]] inline void look_at_soft_limit(std::uint64_t limit) {
  const std::uint64_t now = current_epoch();
  std::uint64_t next = g_next_look.load(std::memory_order_relaxed);
  std::uint32_t pause = g_look_pause.load(std::memory_order_relaxed);
  if (now < next || !g_next_look.compare_exchange_strong(next, now + pause)) return;
  g_soft_limit_stats.looks.add(1);
  const std::uint64_t before = footprint();
  release_down_to(limit);
  const std::uint64_t after = footprint();
  const std::uint64_t gone = before > after ? before - after : 0;
  g_soft_limit_stats.releases.add(gone > 0);
  g_soft_limit_stats.released_bytes.add(gone);
  const bool helped = after <= limit || gone >= before / 64;
  pause = helped ? 1 : pause < kMostEpochs ? pause * 2 : kMostEpochs;
  g_look_pause.store(pause, std::memory_order_relaxed);
}

}  // namespace detail

// At on_growth and on_epoch. No lock is held.
inline void keep_soft_limit() {
  const std::uint64_t limit = knob::value(knob::Name::heap_soft_limit_bytes);
  if (limit == 0 || footprint() <= limit) [[likely]]
    return;
  detail::look_at_soft_limit(limit);
}

// In builds that print lines, when a limit was set or refused something.
inline void print_limit_stats() {
  const std::uint64_t soft = knob::value(knob::Name::heap_soft_limit_bytes);
  const std::uint64_t hard = knob::value(knob::Name::heap_hard_limit_bytes);
  if (soft == 0 && hard == 0) return;
  LineWriter line;
  line.text("[HZ3_HEAP_LIMITS] footprint=").decimal(footprint());
  line.text(" soft=").decimal(soft).text(" hard=").decimal(hard);
  line.text(" looks=").decimal(g_soft_limit_stats.looks.value());
  line.text(" releases=").decimal(g_soft_limit_stats.releases.value());
  line.text(" released_bytes=").decimal(g_soft_limit_stats.released_bytes.value());
  line.text(" pressures=").decimal(g_soft_limit_stats.pressures.value());
  line.text(" refused=").decimal(g_growth_refused.load(std::memory_order_relaxed));
  line.write_to(2);
}

}  // namespace hz3
