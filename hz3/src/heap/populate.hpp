// Box S308. Fault in ahead: while a shard grows, the pages behind a new run will be wanted next,
// and one call for many costs about half of touching them one by one.
#pragma once

#include "heap/delivery.hpp"
#include "heap/shard.hpp"

namespace hz3 {

// Decides which fresh pages, from a new run on, are to be faulted in by one call, after the lock of
// the shard was let go; the caller holds it now. Little at first, so that a small program stays
// small; not for blocks of several pages, parts of which a program may never touch. The pages count
// as dirty from here on, so that a purge finds them.
inline AheadRange plan_populate(Shard& shard, Segment& segment, const Run& run) {
  constexpr auto kAhead = static_cast<std::uint32_t>(flag::S308_POPULATE_PAGES);
  if constexpr (kAhead == 0) return {};
  const std::uint32_t pages = kSizeClasses[run.size_class].pages;
  const std::uint32_t page = first_page(segment, run);
  const std::uint32_t end = page + pages;
  if (kSizeClasses[run.size_class].size > os::kPageSize || page < segment.populated_end) return {};
  const bool grown = shard.segments[static_cast<int>(segment.kind)].front()->next != nullptr;
  const std::uint32_t ahead = grown || end / 4 > kAhead ? kAhead : end / 4;
  const std::uint32_t stop = end + ahead < kPagesPerSegment ? end + ahead : kPagesPerSegment;
  // Only a range that is free up to its end; what was used before has its pages already.
  if (end < stop &&
      (segment.free_bits.next_clear(end) < stop || segment.dirty_bits.next_set(end) < stop))
    return {};
  if (!grow_footprint(std::uint64_t{stop - end} * os::kPageSize)) return {};
  segment.dirty_bits.set(page, stop - page);
  segment.populated_end = stop;
  return {page_address(segment, page), (stop - page) * os::kPageSize};
}

}  // namespace hz3
