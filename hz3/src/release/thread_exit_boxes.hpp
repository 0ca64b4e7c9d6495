// What a thread's exit gives back, one function a box. They run after the thread's blocks went back
// to the central store, on its own shard and on shards without threads, each under that shard's
// lock.
//
//   S62-1, -1b  retire   empty runs of small / sub4k classes become free pages
//   S62-2       purge    free pages of small segments go back to the system, one call a range
//   S62-0       observe  counts what such a purge could return; changes nothing
//   S61         hard     empty medium runs become free pages; whole free segments go back
//
// Purging happens under the lock, so no page can be handed out while it is being returned; a thread
// that shares the shard waits. The calls are bounded by the boxes' budgets.
#pragma once

#include "heap/shard.hpp"

namespace hz3 {

namespace detail {

inline void retire_classes(Shard& shard, std::uint32_t from, std::uint32_t to, RetireStats& stats) {
  for (std::uint32_t c = from; c < to; ++c) {
    const std::uint32_t runs = release_empty_runs(shard, c, reason_of_class(c));
    stats.pages_retired.add(std::uint64_t{runs} * kSizeClasses[c].pages);
    stats.objs_processed.add(std::uint64_t{runs} * kSizeClasses[c].objects);
  }
}

// The next range of free pages at or after `page` that holds memory, trimmed to its first and last
// page that does; pages in between are free too, and purging a clean one is cheap (0.2 us).
struct PageRange {
  std::uint32_t first = kPagesPerSegment;
  std::uint32_t end = kPagesPerSegment;
  std::uint32_t dirty = 0;
};

// Widens the range to whole pages of the system where those are larger than the heap's and what is
// added is free, and narrows it where it is not: a live neighbour must stay as it is. May leave
// nothing of the range (end <= first).
inline void fit_to_system_pages(const Segment& segment, PageRange& range) {
  const auto unit = static_cast<std::uint32_t>(os::g_system_page >> os::kPageShift);
  if (unit <= 1) return;
  const std::uint32_t down = range.first / unit * unit;
  const std::uint32_t up = (range.end + unit - 1) / unit * unit;
  range.first = segment.free_bits.next_clear(down) < range.first ? down + unit : down;
  range.end = segment.free_bits.next_clear(range.end) < up ? up - unit : up;
  range.dirty = 0;
  const PageBits candidates = segment.free_bits & segment.dirty_bits;
  for (std::uint32_t p = range.first; p < range.end; ++p) range.dirty += candidates.test(p);
}

inline PageRange next_purgeable(const Segment& segment, std::uint32_t page) {
  const PageBits candidates = segment.free_bits & segment.dirty_bits;
  for (;;) {
    PageRange range;
    range.first = candidates.next_set(page);
    if (range.first == kPagesPerSegment) return range;
    const std::uint32_t free_end = segment.free_bits.next_clear(range.first);
    for (std::uint32_t p = range.first; p < free_end; p = candidates.next_set(p + 1)) {
      range.end = p + 1;
      ++range.dirty;
    }
    fit_to_system_pages(segment, range);
    if (range.first < range.end) return range;
    page = free_end;
  }
}

}  // namespace detail

// Box S62-1: runs of the small classes.
inline void retire_small_runs(Shard& shard) {
  if constexpr (flag::S62_RETIRE) detail::retire_classes(shard, 1, kFirstSub4k, g_retire_stats);
}

// Box S62-1b: runs of the sub4k classes.
inline void retire_sub4k_runs(Shard& shard) {
  if constexpr (flag::S62_SUB4K_RETIRE) {
    detail::retire_classes(shard, kFirstSub4k, kFirstMedium, g_sub4k_retire_stats);
  }
}

// Box S309. Whether the shard holds more free pages than it may keep. Counts no further than
// needed.
inline bool worth_purging(const Shard& shard) {
  std::uint32_t pages = 0;
  for (const List<Segment>& list : shard.segments) {
    for (const Segment* s = list.front(); s != nullptr; s = s->next) {
      pages += (s->free_bits & s->dirty_bits).count();
      if (pages > static_cast<std::uint32_t>(flag::S309_EXIT_KEEP_PAGES)) return true;
    }
  }
  return flag::S309_EXIT_KEEP_PAGES == 0;
}

struct Purged {
  std::uint32_t calls = 0;  // madvise calls made
  std::uint32_t pages = 0;  // dirty pages that went back
};

// Purges the free pages of one segment with at most `calls` madvise calls.
inline Purged purge_free_pages(Segment& segment, std::uint32_t calls, PagePurgeStats& stats) {
  Purged purged;
  std::uint32_t page = kHeaderPages;
  while (purged.calls < calls) {
    const detail::PageRange range = detail::next_purgeable(segment, page);
    if (range.first == kPagesPerSegment) break;
    ++purged.calls;
    stats.madvise_calls.add(1);
    const std::uint32_t pages = range.end - range.first;
    if (os::purge(page_address(segment, range.first), pages * os::kPageSize)) {
      segment.dirty_bits.clear(range.first, pages);
      purged.pages += range.dirty;
      stats.pages_purged.add(range.dirty);
      stats.purged_bytes.add(range.dirty * os::kPageSize);
    } else {
      stats.madvise_fail.add(1);
    }
    page = range.end;
  }
  return purged;
}

// Box S62-2. A small segment that is wholly free goes back to the arena, header and all.
inline void purge_small_segments(Shard& shard) {
  if constexpr (flag::S62_PURGE) {
    PagePurgeStats& stats = g_page_purge_stats;
    auto calls = static_cast<std::uint32_t>(flag::S62_PURGE_MAX_CALLS);
    Segment* next = nullptr;
    for (Segment* s = shard.segments[static_cast<int>(SegmentKind::kSmall)].front();
         s != nullptr && calls > 0; s = next) {
      next = s->next;
      stats.scanned_segs.add(1);
      if (s->free_pages > 0) stats.candidate_segs.add(1);
      if (!is_empty(*s)) {
        calls -= purge_free_pages(*s, calls, stats).calls;
        continue;
      }
      const std::uint32_t dirty = s->dirty_bits.count();
      --calls;
      stats.madvise_calls.add(1);
      if (close_segment(shard, *s)) {
        stats.pages_purged.add(dirty);
        stats.purged_bytes.add(dirty * os::kPageSize);
      } else {
        stats.madvise_fail.add(1);
      }
    }
  }
}

// Box S62-0.
inline void observe_small_segments(Shard& shard) {
  if constexpr (flag::S62_OBSERVE) {
    ObserveStats& stats = g_observe_stats;
    for (Segment* s = shard.segments[static_cast<int>(SegmentKind::kSmall)].front(); s != nullptr;
         s = s->next) {
      stats.scanned_segs.add(1);
      stats.candidate_segs.add(1);
      stats.total_pages.add(kUsablePages);
      stats.free_pages.add(s->free_pages);
      stats.used_pages.add(kUsablePages - s->free_pages);
      stats.purge_potential_bytes.add((s->free_bits & s->dirty_bits).count() * os::kPageSize);
    }
  }
}

// Box S61, first half: empty medium runs become free pages.
inline void drain_medium_runs(Shard& shard) {
  if constexpr (flag::S61_DTOR_HARD_PURGE) {
    for (std::uint32_t c = kClasses - 1; c >= kFirstMedium; --c) {
      g_hard_purge_stats.drained_objs.add(
          release_empty_runs(shard, c, ReleaseReason::kMediumRunReclaim));
    }
  }
}

// Box S61, second half: wholly free segments go back.
inline void hard_purge_medium(Shard& shard) {
  if constexpr (flag::S61_DTOR_HARD_PURGE) {
    HardPurgeStats& stats = g_hard_purge_stats;
    auto calls = flag::S61_DTOR_MAX_CALLS;
    auto pages = flag::S61_DTOR_MAX_PAGES;
    Segment* next = nullptr;
    for (Segment* s = shard.segments[static_cast<int>(SegmentKind::kMedium)].front(); s != nullptr;
         s = next) {
      next = s->next;
      if (!is_empty(*s)) continue;
      if (calls == 0 || pages < kUsablePages) break;
      --calls;
      pages -= kUsablePages;
      if (close_segment(shard, *s)) {
        stats.madvise_ok.add(1);
        stats.purged_segs.add(1);
        stats.purged_pages.add(kUsablePages);
      } else {
        stats.madvise_fail.add(1);
        if constexpr (flag::S61_DTOR_FAILFAST) fatal("purge of a whole segment failed", s);
      }
    }
  }
}

}  // namespace hz3
