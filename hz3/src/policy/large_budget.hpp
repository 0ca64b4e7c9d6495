// Box S53. A budget for the large cache: above a soft number of bytes the oldest waiting blocks go
// back to the system, throttled to so many pages every so many frees; above a hard number they go
// whatever the rate.
//
// The original took the memory of a block above the soft budget and kept its addresses in the
// cache; addresses cost nothing here, so the span goes whole. It goes after it has left the cache,
// so nobody can be handed what is being purged.
#pragma once

#include "heap/large.hpp"

namespace hz3 {

struct LargeBudgetStats {
  Counter soft_hits, hard_evicts, throttled, released_bytes;
};
inline constinit LargeBudgetStats g_large_budget_stats;

namespace detail {

inline constinit std::atomic<std::uint32_t> g_large_frees{0};  // since the last return

// Whether it is this free's turn to return something.
inline bool passes_throttle() {
  if constexpr (!flag::S53_THROTTLE) return true;
  const std::uint32_t frees = g_large_frees.fetch_add(1, std::memory_order_relaxed) + 1;
  if (frees < static_cast<std::uint32_t>(flag::S53_MIN_INTERVAL)) return false;
  g_large_frees.store(0, std::memory_order_relaxed);
  return true;
}

}  // namespace detail

// At on_large_freed. No lock is held.
inline void keep_large_budget() {
  if constexpr (!flag::LARGE_CACHE_BUDGET) return;
  constexpr auto kSoft = static_cast<std::uint64_t>(flag::LARGE_CACHE_BUDGET_SOFT);
  constexpr auto kHard = static_cast<std::uint64_t>(flag::LARGE_CACHE_BUDGET_HARD);
  constexpr std::uint64_t kMost =
      flag::S53_THROTTLE ? static_cast<std::uint64_t>(flag::S53_MADVISE_RATE_PAGES) * os::kPageSize
                         : UINT64_MAX;
  LargeBudgetStats& stats = g_large_budget_stats;
  const std::uint64_t cached = g_large_cache.bytes();
  if (cached > kHard) {
    stats.hard_evicts.add(1);
    stats.released_bytes.add(g_large_cache.release_down_to(kHard, UINT64_MAX));
  }
  if (cached <= kSoft) return;
  stats.soft_hits.add(1);
  if (!detail::passes_throttle()) {
    stats.throttled.add(1);
    return;
  }
  stats.released_bytes.add(g_large_cache.release_down_to(kSoft, kMost));
}

inline void print_large_budget_stats() {
  if constexpr (!flag::LARGE_CACHE_BUDGET) return;
  const auto& s = g_large_budget_stats;
  LineWriter line;
  line.text("[HZ3_LARGE_CACHE_BUDGET] cached=").decimal(g_large_cache.bytes());
  line.text(" soft_hits=").decimal(s.soft_hits.value());
  line.text(" hard_evicts=").decimal(s.hard_evicts.value());
  line.text(" throttled=").decimal(s.throttled.value());
  line.text(" released_bytes=").decimal(s.released_bytes.value());
  line.write_to(2);
}

}  // namespace hz3
