// Counters of cold-path events and the line each box prints about itself when the process exits.
//
// A counter exists for every box in every build; with HZ3_STATS=0 nothing is counted and nothing is
// printed. Lines have the form `[NAME] key=value …`, appear once, on stderr, and only for boxes
// that are on. hz3/README.md says how to read each number. Counting is thread-safe and never
// happens on the hot path.
#pragma once

#include <atomic>
#include <cstdint>

#include "config/flags.hpp"
#include "os/fatal.hpp"

namespace hz3 {

class Counter {
 public:
  void add(std::uint64_t n) {
    if constexpr (flag::STATS)
      value_.fetch_add(n, std::memory_order_relaxed);
    else
      (void)n;
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct DecayStats {
  Counter adjust_calls, overage_shrinks, reclaim_calls, reclaim_objs, reclaim_pages;
};
struct HardPurgeStats {
  Counter dtor_calls, madvise_ok, madvise_fail, purged_segs, purged_pages, drained_objs;
};
struct ObserveStats {
  Counter dtor_calls, scanned_segs, candidate_segs, total_pages, free_pages, used_pages,
      purge_potential_bytes;
};
struct RetireStats {
  Counter dtor_calls, pages_retired, objs_processed;
};
struct PagePurgeStats {
  Counter dtor_calls, scanned_segs, candidate_segs, pages_purged, madvise_calls, madvise_fail,
      purged_bytes;
};
struct BoundaryStats {
  Counter calls, pages, small_pages, sub4k_pages, medium_pages;
};

inline constinit DecayStats g_decay_stats;
inline constinit HardPurgeStats g_hard_purge_stats;
inline constinit ObserveStats g_observe_stats;
inline constinit RetireStats g_retire_stats;
inline constinit RetireStats g_sub4k_retire_stats;
inline constinit PagePurgeStats g_page_purge_stats;
inline constinit BoundaryStats g_boundary_stats;

namespace detail {

struct Field {
  const char* key;
  const Counter& counter;
};

template <std::size_t n>
void print_line(const char* name, const Field (&fields)[n]) {
  LineWriter line;
  line.text("[").text(name).text("]");
  for (const Field& field : fields)
    line.text(" ").text(field.key).text("=").decimal(field.counter.value());
  line.write_to(2);
}

}  // namespace detail

// Called once, when the process exits in the ordinary way (not after abort or a signal).
inline void print_stats() {
  using detail::print_line;
  if constexpr (!flag::STATS) return;
  if constexpr (flag::S58_TCACHE_DECAY) {
    const auto& s = g_decay_stats;
    print_line("HZ3_S58_TCACHE_DECAY", {{"adjust_calls", s.adjust_calls},
                                        {"overage_shrinks", s.overage_shrinks},
                                        {"reclaim_calls", s.reclaim_calls},
                                        {"reclaim_objs", s.reclaim_objs},
                                        {"reclaim_pages", s.reclaim_pages}});
  }
  if constexpr (flag::S62_RETIRE) {
    const auto& s = g_retire_stats;
    print_line("HZ3_S62_RETIRE", {{"dtor_calls", s.dtor_calls},
                                  {"pages_retired", s.pages_retired},
                                  {"objs_processed", s.objs_processed}});
  }
  if constexpr (flag::S62_SUB4K_RETIRE) {
    const auto& s = g_sub4k_retire_stats;
    print_line("HZ3_S62_SUB4K_RETIRE",
               {{"pages_retired", s.pages_retired}, {"objs", s.objs_processed}});
  }
  if constexpr (flag::S62_PURGE) {
    const auto& s = g_page_purge_stats;
    print_line("HZ3_S62_PURGE", {{"dtor_calls", s.dtor_calls},
                                 {"scanned_segs", s.scanned_segs},
                                 {"candidate_segs", s.candidate_segs},
                                 {"pages_purged", s.pages_purged},
                                 {"madvise_calls", s.madvise_calls},
                                 {"madvise_fail", s.madvise_fail},
                                 {"purged_bytes", s.purged_bytes}});
  }
  if constexpr (flag::S62_OBSERVE) {
    const auto& s = g_observe_stats;
    print_line("HZ3_S62_OBSERVE", {{"dtor_calls", s.dtor_calls},
                                   {"scanned_segs", s.scanned_segs},
                                   {"candidate_segs", s.candidate_segs},
                                   {"total_pages", s.total_pages},
                                   {"free_pages", s.free_pages},
                                   {"used_pages", s.used_pages},
                                   {"purge_potential_bytes", s.purge_potential_bytes}});
  }
  if constexpr (flag::S61_DTOR_HARD_PURGE) {
    const auto& s = g_hard_purge_stats;
    print_line("HZ3_S61_DTOR_PURGE", {{"dtor_calls", s.dtor_calls},
                                      {"madvise_ok", s.madvise_ok},
                                      {"madvise_fail", s.madvise_fail},
                                      {"purged_segs", s.purged_segs},
                                      {"purged_pages", s.purged_pages},
                                      {"drained_objs", s.drained_objs}});
  }
  const auto& s = g_boundary_stats;
  print_line("HZ3_S65_BOUNDARY", {{"calls", s.calls},
                                  {"pages", s.pages},
                                  {"small_pages", s.small_pages},
                                  {"sub4k_pages", s.sub4k_pages},
                                  {"medium_pages", s.medium_pages}});
}

}  // namespace hz3
