// Box S65-0. The release boundary: the one function that makes pages free.
//
// Whatever wants pages back — retiring small runs, reclaiming medium ones, a policy to come — ends
// here, so "free" has one meaning, one set of checks and one set of counters. The caller holds the
// owner's lock and has taken the run out of the shard's lists. There is no other way to free pages;
// without the box this one neither checks nor counts, which is what it is measured against.
#pragma once

#include "heap/segment.hpp"
#include "observe/stats.hpp"

namespace hz3 {

struct BoundaryStats {
  Counter calls, pages, small_pages, sub4k_pages, medium_pages;
};
inline constinit BoundaryStats g_boundary_stats;

enum class ReleaseReason : std::uint8_t {
  kSmallPageRetire = 1,
  kSub4kRunRetire = 2,
  kMediumRunReclaim = 3,
};

namespace detail {

inline void count_release(std::uint32_t pages, ReleaseReason reason) {
  BoundaryStats& stats = g_boundary_stats;
  stats.calls.add(1);
  stats.pages.add(pages);
  switch (reason) {
    case ReleaseReason::kSmallPageRetire:
      stats.small_pages.add(pages);
      break;
    case ReleaseReason::kSub4kRunRetire:
      stats.sub4k_pages.add(pages);
      break;
    case ReleaseReason::kMediumRunReclaim:
      stats.medium_pages.add(pages);
      break;
  }
}

inline void check_release(Segment& segment, std::uint32_t page, std::uint32_t pages) {
  if (segment.magic != kSegmentMagic || segment.owner == nullptr)
    fatal("release of pages in no segment", &segment);
  if (page < kHeaderPages || page + pages > kPagesPerSegment) {
    fatal("release of pages outside a segment", page_address(segment, page));
  }
  if (segment.free_bits.next_set(page) < page + pages) {
    fatal("release of pages that are free already", page_address(segment, page));
  }
}

}  // namespace detail

// Declares pages [page, page+pages) of a segment free: no block in them is live, no list knows
// them. They stay resident (and in dirty_bits) until a purge. A violated precondition stops the
// program.
inline void release_range_definitely_free(Segment& segment, std::uint32_t page, std::uint32_t pages,
                                          ReleaseReason reason) {
  if constexpr (flag::S65_RELEASE_BOUNDARY) detail::check_release(segment, page, pages);
  segment.free_bits.set(page, pages);
  segment.free_pages += pages;
  std::uint8_t* map = map_bytes(segment, page);
  for (std::uint32_t i = 0; i < pages; ++i)
    __atomic_store_n(&map[i], std::uint8_t{0}, __ATOMIC_RELAXED);
  if constexpr (flag::S65_RELEASE_BOUNDARY) detail::count_release(pages, reason);
}

inline void print_boundary_stats() {
  if constexpr (!flag::S65_RELEASE_BOUNDARY) return;
  const auto& s = g_boundary_stats;
  print_line("HZ3_S65_BOUNDARY", {{"calls", s.calls},
                                  {"pages", s.pages},
                                  {"small_pages", s.small_pages},
                                  {"sub4k_pages", s.sub4k_pages},
                                  {"medium_pages", s.medium_pages}});
}

}  // namespace hz3
