// Purging ranges that were noted when they became free (release/range_ring.hpp): what of them is
// still free and holds memory goes back.
#pragma once

#include "release/purge.hpp"
#include "release/range_ring.hpp"

namespace hz3 {

namespace detail {

// Whether the segment is still the shard's. The caller holds the shard's lock, under which it stays
// so. The arenas' lock keeps the addresses: they go back only under it. A segment that another
// shard is making there just now does not name this shard as its owner.
inline bool still_owns(const Shard& shard, const Segment* segment) {
  ArenaSet& set = g_arenas;
  os::LockGuard guard(set.lock);
  const std::size_t slot = set.window.slot_of(reinterpret_cast<std::uintptr_t>(segment));
  return kind_of(set.window.table[slot]) == SlotKind::kSegment &&
         __atomic_load_n(&segment->magic, __ATOMIC_ACQUIRE) == kSegmentMagic &&
         __atomic_load_n(&segment->owner, __ATOMIC_RELAXED) == &shard;
}

}  // namespace detail

// What became of a range.
struct FreedPurge {
  PurgeCount count;
  bool gone = false;     // its segment went back meanwhile
  bool waiting = false;  // its segment is wholly free, and the budget does not reach that far
};

// `kClosing`: a segment that is wholly free goes back as a whole, with one call.
template <bool kClosing>
FreedPurge purge_freed(const FreedRange& range, PurgeBudget& budget) {
  FreedPurge result;
  Shard& shard = *range.shard;
  os::LockGuard guard(shard.lock);
  if (!detail::still_owns(shard, range.segment)) {
    result.gone = true;
  } else if (kClosing && is_empty(*range.segment)) {
    result.waiting = budget.calls == 0 || budget.pages < kUsablePages;
    if (!result.waiting) result.count = purge_segment(shard, *range.segment, budget);
  } else {
    result.count = purge_pages(*range.segment, range.page, range.page + range.pages, budget);
  }
  return result;
}

}  // namespace hz3
