// The books: every byte of the heap is in exactly one place, and the census walks them all. What
// the library says about its memory (mallinfo and its kin, the line HZ3_BOOKS) is read from here.
//
// It walks thread caches, the store, every shard under its lock, and the slot tables, one after the
// other, so it is exact at quiet moments and a fair sample otherwise. Slow.
#pragma once

#include "heap/threads.hpp"
#include "release/map_pages.hpp"

namespace hz3 {

// In bytes. Resident is what may hold memory; whether a live block does is up to the program.
struct Books {
  std::uint64_t live = 0;        // blocks the program has; a large one in whole pages
  std::uint64_t cached = 0;      // blocks in the bins of threads
  std::uint64_t stored = 0;      // blocks in the store between threads and runs
  std::uint64_t waiting = 0;     // freed large blocks in the large cache
  std::uint64_t free_dirty = 0;  // in no block, but may hold memory: until the next purge
  std::uint64_t free_clean = 0;  // in no block and without memory: address space only
  std::uint64_t headers = 0;     // touched pages of segment headers and of the page map
  std::uint64_t tables = 0;      // slot tables and thread caches, outside the arenas

  std::uint64_t segments = 0;      // segments, whole; part of the above
  std::uint64_t run_live = 0;      // the part of `live` in runs
  std::uint64_t large_blocks = 0;  // live large blocks; a number
  std::uint64_t large_bytes = 0;   // what the program asked for in them

  std::uint64_t resident() const {
    return live + cached + stored + waiting + free_dirty + headers + tables;
  }
  std::uint64_t total() const { return resident() + free_clean; }
};

namespace detail {

// Other threads' bins change meanwhile; what is read of each is a number it had.
[[gnu::no_sanitize("thread")]] inline std::uint64_t bytes_in_bins(const ThreadCache& cache) {
  std::uint64_t bytes = 0;
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const std::uint32_t limit = __atomic_load_n(&cache.bins[c].limit, __ATOMIC_RELAXED);
    const std::uint32_t room = __atomic_load_n(&cache.bins[c].room, __ATOMIC_RELAXED);
    if (room < limit) bytes += std::uint64_t{limit - room} * kSizeClasses[c].size;
  }
  return bytes;
}

// The caller holds the lock of the owner.
inline void count_segment(const Segment& segment, Books& books) {
  books.segments += kSegmentSize;
  const std::uint32_t header = touched_header_pages(segment);
  books.headers += std::uint64_t{header} * os::kPageSize;
  books.free_clean += std::uint64_t{kHeaderPages - header} * os::kPageSize;
  const std::uint32_t dirty = purgeable_pages(segment);
  books.free_dirty += std::uint64_t{dirty} * os::kPageSize;
  books.free_clean += std::uint64_t{segment.free_pages - dirty} * os::kPageSize;
  for (std::uint32_t page = kHeaderPages; page < kPagesPerSegment;) {
    if (segment.free_bits.test(page)) {
      page = segment.free_bits.next_clear(page);
      continue;
    }
    const Run& run = segment.runs[page];
    const SizeClass& info = kSizeClasses[run.size_class];
    std::uint32_t clean = 0;
    for (std::uint32_t n = carved_pages(run); n < info.pages; ++n)
      clean += !segment.dirty_bits.test(page + n);
    const std::uint64_t live = std::uint64_t{run.live} * info.size;
    books.run_live += live;
    books.free_clean += std::uint64_t{clean} * os::kPageSize;
    books.free_dirty += std::uint64_t{info.pages - clean} * os::kPageSize - live;
    page += info.pages;
  }
}

inline std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + os::kPageSize - 1) & ~(os::kPageSize - 1);
}

inline void count_slot(const Slot& slot, Books& books) {
  const std::uint64_t bytes = whole_pages(size_of(slot));
  std::uint64_t span = is_claimed(slot) ? slot.mapped : std::uint64_t{slot.slots} << kSegmentShift;
  if (span < bytes) span = bytes;  // the block is being made
  switch (kind_of(slot)) {
    case SlotKind::kFree:
      (slot.dirty ? books.free_dirty : books.free_clean) += kSegmentSize;
      break;
    case SlotKind::kLargeHead:
      ++books.large_blocks;
      books.large_bytes += size_of(slot);
      books.live += bytes;
      books.free_clean += span - bytes;
      break;
    case SlotKind::kLargeCached:
      books.waiting += bytes;
      books.free_clean += span - bytes;
      break;
    case SlotKind::kSegment:
    case SlotKind::kLargeTail:
    case SlotKind::kNone:
      break;
  }
}

// Whether the page of the map that describes these slots has memory. With S63 it has not when none
// of them is in use, once the box has looked.
inline bool map_page_counts(std::size_t first, std::size_t slots) {
  return !flag::S63_MAP_RELEASE || any_slot_used_locked(first, first + slots);
}

// Pages of the page map and of the slot table that describe slots of ours, each counted once.
inline void count_tables_locked(Books& books) {
  constexpr std::size_t kSlotsOfMapPage = os::kPageSize / kPagesPerSegment;
  constexpr std::size_t kSlotsOfTablePage = os::kPageSize / sizeof(Slot);
  const ArenaSet& set = g_arenas;
  std::size_t map_page = SIZE_MAX;
  std::size_t table_page = SIZE_MAX;
  for (std::size_t slot = set.used_first; slot < set.used_end; ++slot) {
    if (kind_of(set.window.table[slot]) == SlotKind::kNone) continue;
    if (slot / kSlotsOfMapPage != map_page) {
      const std::size_t first = slot / kSlotsOfMapPage * kSlotsOfMapPage;
      (map_page_counts(first, kSlotsOfMapPage) ? books.headers : books.free_clean) += os::kPageSize;
    }
    if (slot / kSlotsOfTablePage != table_page) books.tables += os::kPageSize;
    map_page = slot / kSlotsOfMapPage;
    table_page = slot / kSlotsOfTablePage;
  }
}

}  // namespace detail

inline Books take_census() {
  Books books;
  {
    os::LockGuard guard(g_registry.lock);
    for (const ThreadCache* cache = g_registry.caches.front(); cache != nullptr;
         cache = cache->next)
      books.cached += detail::bytes_in_bins(*cache);
  }
  books.stored = g_store.bytes();
  for (Shard& shard : g_shards) {
    os::LockGuard guard(shard.lock);
    for (List<Segment>& list : shard.segments) {
      for (Segment* s = list.front(); s != nullptr; s = s->next) detail::count_segment(*s, books);
    }
  }
  // For its run a block is live until it comes home; here it is so only while the program has it.
  const std::uint64_t away = books.cached + books.stored;
  books.run_live = books.run_live > away ? books.run_live - away : 0;
  {
    os::LockGuard guard(g_arenas.lock);
    for_each_slot_locked([&](const Slot& slot) { detail::count_slot(slot, books); });
    detail::count_tables_locked(books);
  }
  books.live += books.run_live;
  books.tables += g_cache_pool.bytes();
  return books;
}

// At exit, in builds that print lines.
inline void print_books() {
  const Books books = take_census();
  const struct {
    const char* key;
    std::uint64_t bytes;
  } fields[] = {{"live", books.live},
                {"cached", books.cached},
                {"stored", books.stored},
                {"waiting", books.waiting},
                {"free_dirty", books.free_dirty},
                {"free_clean", books.free_clean},
                {"headers", books.headers},
                {"tables", books.tables}};
  LineWriter line;
  line.text("[HZ3_BOOKS]");
  for (const auto& field : fields) line.text(" ").text(field.key).text("=").decimal(field.bytes);
  line.write_to(2);
}

}  // namespace hz3
