// Mending shards and arenas in a forked child.
//
// A thread that held a lock when another one forked does not exist in the child, and the child's
// copy of what the lock guards shows that thread's work up to some instruction. Nothing of it can
// be finished there; instead everything derived (lists, counts, hints) is computed anew from the
// parts that are right after every instruction. Blocks and slots on their way stay allocated for
// good, like the blocks in the dead thread's cache.
//
// Right after every instruction
//   - a slot that holds a block or segment in use says so, and a large block's own reservation is
//   in
//     the list;
//   - a free slot or page that may hold old bytes is dirty;
//   - of a run with blocks in use: the page map, `run_offset`, the class, `carved` (never too low
//     for a block in use), and the free blocks it remembers: each of them is free, or was about to
//     become free in the hands of the dead thread;
//   - a page of such a run is not in `free_bits`. So a page that is in no whole run is free.
//
// This rests on fork being a cut in time for all threads: the kernel shows the child no store of a
// thread without that thread's earlier ones.
#pragma once

#include "heap/large_cache.hpp"
#include "heap/run_blocks.hpp"
#include "heap/shard.hpp"

namespace hz3 {

namespace detail {

// Whether pages [page, …) are a run as bind_run leaves it; false where one was being made or
// undone.
inline bool is_whole_run(Segment& segment, std::uint32_t page, std::uint32_t c) {
  if (c == 0 || c >= kClasses || segment.runs[page].size_class != c) return false;
  const std::uint32_t pages = kSizeClasses[c].pages;
  if (page + pages > kPagesPerSegment || segment.free_bits.next_set(page) < page + pages)
    return false;
  const std::uint8_t* map = map_bytes(segment, page);
  for (std::uint32_t i = 0; i < pages; ++i) {
    if (segment.run_offset[page + i] != i || map[i] != class_in_map(c, i)) return false;
  }
  return segment.runs[page].carved <= kSizeClasses[c].objects;
}

inline void rebuild_segment(Shard& shard, Segment& segment) {
  std::uint8_t* const map = map_bytes(segment, 0);
  for (std::uint32_t page = kHeaderPages; page < kPagesPerSegment;) {
    const std::uint32_t c = map[page];
    if (!segment.free_bits.test(page) && is_whole_run(segment, page, c)) {
      Run& run = segment.runs[page];
      run.live = static_cast<std::uint16_t>(run.carved - RunBlocks::recount(segment, run));
      run.state = RunState::kNone;
      file_run(shard, run);
      count_outside(shard, c, run.live);
      page += kSizeClasses[c].pages;
      continue;
    }
    if (!segment.free_bits.test(page)) {  // of a run that was being made or undone: without blocks
      segment.free_bits.set(page, 1);
      segment.dirty_bits.set(page, 1);
    }
    __atomic_store_n(&map[page], std::uint8_t{0}, __ATOMIC_RELAXED);
    ++page;
  }
  segment.free_pages = segment.free_bits.count();
  shard.segments[static_cast<int>(segment.kind)].push_front(segment);
  shard.segment_count.fetch_add(1, std::memory_order_relaxed);
  count_free_pages(shard, segment.kind, static_cast<std::int32_t>(segment.free_pages));
}

// Costs a look at every page descriptor and every free block of the shard.
inline void rebuild_shard(Shard& shard) {
  for (List<Run>& list : shard.partial) list = {};
  for (List<Run>& list : shard.empty) list = {};
  for (List<Segment>& list : shard.segments) list = {};
  for (auto& offers : shard.offers) offers.store(0, std::memory_order_relaxed);
  for (auto& pages : shard.free_pages) pages.store(0, std::memory_order_relaxed);
  for (auto& blocks : shard.outside) blocks.store(0, std::memory_order_relaxed);
  shard.outside_bytes.store(0, std::memory_order_relaxed);
  shard.segment_count.store(0, std::memory_order_relaxed);
  const ArenaSet& set = g_arenas;
  for (std::size_t slot = set.used_first; slot < set.used_end; ++slot) {
    if (kind_of(set.window.table[slot]) != SlotKind::kSegment) continue;
    auto& segment = *reinterpret_cast<Segment*>(set.window.address(slot));
    if (segment.magic == kSegmentMagic && segment.owner == &shard) rebuild_segment(shard, segment);
  }
}

inline void repair_arenas_in_child() {
  ArenaSet& set = g_arenas;
  set.own_pool.repair_child();
  if (!set.lock.reset()) return;
  if (set.used_end == 0) set.window.table = nullptr;  // perhaps not all of it is there
  for (int i = 0; i < set.reservation_count; ++i) {
    Reservation& in = set.reservations[i];
    const bool whole = in.first <= in.committed && in.committed <= in.end;
    in.lowest_free = in.first;
    if (!whole) in = {};
  }
  std::size_t count = 0;
  for (const OwnReservation* own = set.own; own != nullptr; own = own->next) ++count;
  set.own_count.store(count, std::memory_order_relaxed);
}

// After the arenas' repair. Spans on their way in or out of the cache are in nobody's hands either.
inline void repair_large_cache_in_child() {
  if (!g_large_cache.repair_child()) return;
  ArenaSet& set = g_arenas;
  const auto is_cached = [](const Slot& head) { return kind_of(head) == SlotKind::kLargeCached; };
  for (std::size_t slot = set.used_first; slot < set.used_end; ++slot) {
    const Slot& head = set.window.table[slot];
    if (is_cached(head)) release_span({&set.window, slot, head.slots});
  }
  OwnReservation* next = nullptr;
  for (OwnReservation* own = set.own; own != nullptr; own = next) {
    next = own->next;
    if (is_cached(own->head)) release_span({&own->arena, 0, own->arena.slots});
  }
}

// After the arenas' repair.
inline void repair_shards_in_child() {
  std::int64_t outside = 0;
  for (Shard& shard : g_shards) {
    shard.threads.store(0, std::memory_order_relaxed);
    if (shard.lock.reset()) rebuild_shard(shard);
    outside += shard.outside_bytes.load(std::memory_order_relaxed);
    shard.unpublished_bytes = 0;
  }
  g_outside_bytes.store(outside, std::memory_order_relaxed);
}

// After all of them. What a thread that does not exist had counted and not made, or made and not
// counted, must not stay so.
inline void recount_footprint() {
  std::uint64_t bytes = 0;
  for (Shard& shard : g_shards) {
    for (List<Segment>& list : shard.segments) {
      for (Segment* s = list.front(); s != nullptr; s = s->next) bytes += footprint_of(*s);
    }
  }
  for_each_slot_locked([&](const Slot& slot) {
    const SlotKind kind = kind_of(slot);
    if (kind == SlotKind::kLargeHead || kind == SlotKind::kLargeCached) bytes += footprint_of(slot);
  });
  g_footprint.store(bytes, std::memory_order_relaxed);
}

}  // namespace detail
}  // namespace hz3
