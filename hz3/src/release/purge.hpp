// Purge: the one function that gives the free pages of a segment back to the system. Whoever wants
// memory back — thread exit, trim, a policy to come — decides when and how much; this decides how.
//
// Idle pages that hold memory (free ones and, with S314, those that only free blocks of a run
// reach) are returned range by range, one call a range; a segment that is
// wholly free goes back to its arena, header and all, in one call. Both happen under the shard's
// lock, so no page can be handed out while it is being returned; a thread that shares the shard
// waits, which is why every purge has a budget.
//
// A refusal (the system refuses locked memory) is remembered where the page stands: it stays in
// `dirty_bits` and so remains a candidate of the next purge of its segment; a slot that went back
// to its arena with its memory stays `dirty`, and purge_refused_slots tries those again.
#pragma once

#include "heap/run_bitmap.hpp"
#include "heap/shard.hpp"
#include "os/purge_many.hpp"

namespace hz3 {

// What one purge may spend, over all segments it is tried on.
struct PurgeBudget {
  std::uint32_t calls = UINT32_MAX;  // system calls
  std::uint32_t pages = UINT32_MAX;  // pages that hold memory; a wholly free segment counts whole

  bool spent() const { return calls == 0 || pages == 0; }
};

// What it did.
struct PurgeCount {
  std::uint32_t calls = 0;     // system calls made
  std::uint32_t refused = 0;   // of them, refused by the system
  std::uint32_t pages = 0;     // pages that held memory and went back
  std::uint32_t segments = 0;  // wholly free segments that went back

  bool any() const { return pages > 0 || segments > 0; }
  PurgeCount& operator+=(const PurgeCount& more) {
    calls += more.calls;
    refused += more.refused;
    pages += more.pages;
    segments += more.segments;
    return *this;
  }
};

namespace detail {

// What a purge of a segment may take: its idle pages, and those of them that hold memory.
struct Purgeable {
  PageBits idle;
  PageBits dirty;
};

inline Purgeable purgeable_of(const Segment& segment) {
  const PageBits idle = idle_pages(segment);
  return {idle, idle & segment.dirty_bits};
}

// The next range of idle pages in [page, end) that holds memory, trimmed to its first and last page
// that does; pages in between are idle too, and purging a clean one is cheap (0.2 us). It ends
// early where it would hold more than `most` pages with memory.
struct PageRange {
  std::uint32_t first = kPagesPerSegment;
  std::uint32_t end = kPagesPerSegment;
  std::uint32_t dirty = 0;
};

// Widens the range to whole pages of the system where those are larger than the heap's and what is
// added is idle, and narrows it where it is not: a live neighbour must stay as it is. May leave
// nothing of the range (end <= first).
inline void fit_to_system_pages(const Purgeable& pages, PageRange& range) {
  const auto unit = static_cast<std::uint32_t>(os::g_system_page >> os::kPageShift);
  if (unit <= 1) return;
  const std::uint32_t down = range.first / unit * unit;
  const std::uint32_t up = (range.end + unit - 1) / unit * unit;
  range.first = pages.idle.next_clear(down) < range.first ? down + unit : down;
  range.end = pages.idle.next_clear(range.end) < up ? up - unit : up;
  range.dirty = 0;
  for (std::uint32_t p = range.first; p < range.end; ++p) range.dirty += pages.dirty.test(p);
}

inline PageRange next_purgeable(const Purgeable& pages, std::uint32_t page, std::uint32_t end,
                                std::uint32_t most) {
  for (;;) {
    PageRange range;
    range.first = pages.dirty.next_set(page);
    if (range.first >= end) return {};
    std::uint32_t idle_end = pages.idle.next_clear(range.first);
    if (idle_end > end) idle_end = end;
    for (std::uint32_t p = range.first; p < idle_end && range.dirty < most;
         p = pages.dirty.next_set(p + 1)) {
      range.end = p + 1;
      ++range.dirty;
    }
    const std::uint32_t looked_at = range.end;
    fit_to_system_pages(pages, range);
    if (range.first < range.end) return range;
    page = looked_at;
  }
}

inline void note_purged(Segment& segment, const PageRange& range, PurgeBudget& budget,
                        PurgeCount& count) {
  // A page inside a run counts for as long as the run does.
  const std::uint32_t uncounted =
      (segment.free_bits & segment.dirty_bits).count(range.first, range.end - range.first);
  shrink_footprint(std::uint64_t{uncounted} * os::kPageSize);
  note_clean(segment, range.first, range.end);
  budget.pages -= range.dirty;
  count.pages += range.dirty;
}

inline void purge_range(Segment& segment, const PageRange& range, PurgeBudget& budget,
                        PurgeCount& count) {
  --budget.calls;
  ++count.calls;
  if (os::purge(page_address(segment, range.first), (range.end - range.first) * os::kPageSize))
    note_purged(segment, range, budget, count);
  else
    ++count.refused;
}

inline void purge_ranges(Segment& segment, const Purgeable& pages, std::uint32_t page,
                         std::uint32_t end, PurgeBudget& budget, PurgeCount& count) {
  while (!budget.spent()) {
    const PageRange range = next_purgeable(pages, page, end, budget.pages);
    if (range.first == kPagesPerSegment) return;
    purge_range(segment, range, budget, count);
    page = range.end;
  }
}

// Box S304. As purge_ranges, with one system call for many ranges where the system can.
inline void purge_ranges_together(Segment& segment, const Purgeable& purgeable, std::uint32_t page,
                                  std::uint32_t end, PurgeBudget& budget, PurgeCount& count) {
  PageRange ranges[os::kMostRanges];
  iovec places[os::kMostRanges];
  while (!budget.spent()) {
    std::uint32_t n = 0;
    for (std::uint32_t pages = budget.pages; n < os::kMostRanges && pages > 0; ++n) {
      ranges[n] = next_purgeable(purgeable, page, end, pages);
      if (ranges[n].first == kPagesPerSegment) break;
      pages -= ranges[n].dirty;
      page = ranges[n].end;
      places[n] = {page_address(segment, ranges[n].first),
                   (ranges[n].end - ranges[n].first) * os::kPageSize};
    }
    if (n == 0) return;
    std::uint32_t done = 0;
    if (n > 1) {
      done = os::purge_many(places, n);
      if (done > 0) --budget.calls, ++count.calls;
      for (std::uint32_t i = 0; i < done; ++i) note_purged(segment, ranges[i], budget, count);
    }
    for (; done < n && !budget.spent(); ++done) purge_range(segment, ranges[done], budget, count);
  }
}

}  // namespace detail

// Purges what is free of the pages [page, end) of a segment as far as the budget goes, and charges
// it; the segment stays. The caller holds the lock of the owner.
inline PurgeCount purge_pages(Segment& segment, std::uint32_t page, std::uint32_t end,
                              PurgeBudget& budget) {
  PurgeCount count;
  const detail::Purgeable pages = detail::purgeable_of(segment);
  if constexpr (flag::S304_BATCHED_PURGE)
    detail::purge_ranges_together(segment, pages, page, end, budget, count);
  else
    detail::purge_ranges(segment, pages, page, end, budget, count);
  return count;
}

// Purges one segment as far as the budget goes, and charges it. The caller holds the lock of the
// owner, and does not touch the segment afterwards if it was wholly free.
inline PurgeCount purge_segment(Shard& shard, Segment& segment, PurgeBudget& budget) {
  PurgeCount count;
  if (budget.spent()) return count;
  if (!is_empty(segment)) {
    count = purge_pages(segment, kHeaderPages, kPagesPerSegment, budget);
    if (!budget.spent() && count.refused == 0) segment.moved = 0;
    return count;
  }
  if (budget.pages < kUsablePages) return count;
  const std::uint32_t dirty = segment.dirty_bits.count();
  --budget.calls;
  budget.pages -= kUsablePages;
  count.calls = 1;
  if (close_segment(shard, segment)) {
    count.segments = 1;
    count.pages = dirty;
  } else {
    count.refused = 1;
  }
  return count;
}

namespace detail {

inline constinit std::uint64_t g_settled_failures = 0;  // guarded by the arenas' lock

// Takes the first free slot at or after `slot` that may hold memory, so that nobody can be handed
// it meanwhile; SIZE_MAX if there is none.
inline std::size_t take_refused_slot(std::size_t slot) {
  os::LockGuard guard(g_arenas.lock);
  for (; slot < g_arenas.used_end; ++slot) {
    Slot& entry = g_arenas.window.table[slot];
    if (kind_of(entry) != SlotKind::kFree || !entry.dirty) continue;
    set_slot(entry, SlotKind::kLargeTail, false, 0, 0);
    return slot;
  }
  return SIZE_MAX;
}

}  // namespace detail

// Tries again what the system refused when slots were released, for example because they were
// locked. Costs a look at a counter unless there was a refusal; ends at the first new one, since
// the next would be refused as well.
inline PurgeCount purge_refused_slots(PurgeBudget& budget) {
  PurgeCount count;
  std::uint64_t failures = 0;
  std::size_t slot = 0;
  {
    os::LockGuard guard(g_arenas.lock);
    failures = g_arenas.purge_failures;
    if (failures == detail::g_settled_failures) return count;
    slot = g_arenas.used_first;
  }
  for (;; ++slot) {
    if (budget.calls == 0 || budget.pages < kPagesPerSegment) return count;
    slot = detail::take_refused_slot(slot);
    if (slot == SIZE_MAX) break;
    --budget.calls;
    ++count.calls;
    if (!release_slots(g_arenas.window, slot, 1)) {
      ++count.refused;
      return count;
    }
    budget.pages -= kPagesPerSegment;
    count.pages += kPagesPerSegment;
  }
  os::LockGuard guard(g_arenas.lock);
  detail::g_settled_failures = failures;
  return count;
}

}  // namespace hz3
