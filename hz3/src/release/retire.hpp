// Boxes S62-1 and S62-1b. Retire: at thread exit the empty runs of the small classes (S62-1) and of
// the sub4k classes (S62-1b) become free pages of their segment.
#pragma once

#include "heap/shard.hpp"

namespace hz3 {

struct RetireStats {
  Counter pages_retired, objs_processed;
};
inline constinit RetireStats g_retire_stats;
inline constinit RetireStats g_sub4k_retire_stats;

namespace detail {

inline void retire_classes(Shard& shard, std::uint32_t from, std::uint32_t to, RetireStats& stats) {
  for (std::uint32_t c = from; c < to; ++c) {
    const std::uint32_t runs = release_empty_runs(shard, c, reason_of_class(c));
    stats.pages_retired.add(std::uint64_t{runs} * kSizeClasses[c].pages);
    stats.objs_processed.add(std::uint64_t{runs} * kSizeClasses[c].objects);
  }
}

}  // namespace detail

// The caller holds the shard's lock.
inline void retire_small_runs(Shard& shard) {
  if constexpr (flag::S62_RETIRE) detail::retire_classes(shard, 1, kFirstSub4k, g_retire_stats);
}

// The caller holds the shard's lock.
inline void retire_sub4k_runs(Shard& shard) {
  if constexpr (flag::S62_SUB4K_RETIRE) {
    detail::retire_classes(shard, kFirstSub4k, kFirstMedium, g_sub4k_retire_stats);
  }
}

inline void print_retire_stats() {
  if constexpr (!flag::S62_RETIRE) return;
  const auto& s = g_retire_stats;
  print_line("HZ3_S62_RETIRE", {{"dtor_calls", g_thread_exits},
                                {"pages_retired", s.pages_retired},
                                {"objs_processed", s.objs_processed}});
}

inline void print_sub4k_retire_stats() {
  if constexpr (!flag::S62_SUB4K_RETIRE) return;
  const auto& s = g_sub4k_retire_stats;
  print_line("HZ3_S62_SUB4K_RETIRE",
             {{"pages_retired", s.pages_retired}, {"objs", s.objs_processed}});
}

}  // namespace hz3
