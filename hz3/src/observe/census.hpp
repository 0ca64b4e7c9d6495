// The books: every byte of the heap is in exactly one place, and the census walks them all. What
// the library says about its memory (mallinfo and its kin, the line HZ3_BOOKS) is read from here.
//
// It walks thread caches, the store, every shard under its lock, and the slot tables, one after the
// other, so it is exact at quiet moments and a fair sample otherwise. Slow. A signal handler may
// take one as well: it waits for no lock, and what it found busy it counts as missed.
#pragma once

#include <sched.h>

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
  std::uint64_t reserved = 0;      // addresses that the heap has, with memory or without
  std::uint64_t threads = 0;       // that have a cache; a number
  std::uint64_t missed = 0;        // places that were busy and are not in any of the above

  std::uint64_t resident() const {
    return live + cached + stored + waiting + free_dirty + headers + tables;
  }
  std::uint64_t total() const { return resident() + free_clean; }
};

// The same by size class and by shard, for who wants to know more. A class's blocks out of the runs
// are with the program, in bins or in the store.
struct ClassBooks {
  std::uint64_t runs;    // a number
  std::uint64_t pages;   // bytes of their pages
  std::uint64_t out;     // bytes of blocks that are not in their run
  std::uint64_t cached;  // of them, in bins
  std::uint64_t stored;  // of them, in the store

  std::uint64_t live() const { return out > cached + stored ? out - cached - stored : 0; }
};
struct ShardBooks {
  std::uint64_t threads;   // that live; a number
  std::uint64_t segments;  // a number
  std::uint64_t out;       // bytes of blocks that are not in their run
  std::uint64_t free_dirty;
  std::uint64_t free_clean;
  std::uint64_t headers;
};
struct Breakdown {
  ClassBooks classes[kClasses];
  ShardBooks shards[kShards];
};

// What a census does about a lock that somebody holds.
enum class Busy { kWait, kSkip };

namespace detail {

// Holds a lock, or, where it may not wait, perhaps does not. Another thread lets go after a moment;
// the one that a signal interrupted does not.
class CensusGuard {
 public:
  CensusGuard(os::Lock& lock, Busy busy) : lock_(lock) {
    if (busy == Busy::kWait) {
      lock_.lock();
      held_ = true;
    }
    for (int i = 0; !held_ && i < kTries; ++i) {
      held_ = lock_.try_lock();
      if (!held_) ::sched_yield();
    }
  }
  ~CensusGuard() {
    if (held_) lock_.unlock();
  }
  CensusGuard(const CensusGuard&) = delete;
  CensusGuard& operator=(const CensusGuard&) = delete;
  bool held() const { return held_; }

 private:
  static constexpr int kTries = 200;
  os::Lock& lock_;
  bool held_ = false;
};

// Other threads' bins change meanwhile; what is read of each is a number it had.
[[gnu::no_sanitize("thread")]] inline std::uint64_t bytes_in_bins(const ThreadCache& cache,
                                                                  Breakdown* more = nullptr) {
  std::uint64_t bytes = 0;
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const std::uint64_t held =
        std::uint64_t{count_from_outside(cache.bins[c])} * kSizeClasses[c].size;
    bytes += held;
    if (more != nullptr) more->classes[c].cached += held;
  }
  return bytes;
}

// The caller holds the lock of the owner.
inline void count_segment(const Segment& segment, Books& books, Breakdown* more) {
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
    for (std::uint32_t n = surely_dirty_pages(run); n < info.pages; ++n)
      clean += !segment.dirty_bits.test(page + n);
    const std::uint64_t live = std::uint64_t{run.live} * info.size;
    books.run_live += live;
    books.free_clean += std::uint64_t{clean} * os::kPageSize;
    books.free_dirty += std::uint64_t{info.pages - clean} * os::kPageSize - live;
    if (more != nullptr) {
      ClassBooks& of_class = more->classes[run.size_class];
      ++of_class.runs;
      of_class.pages += std::uint64_t{info.pages} * os::kPageSize;
      of_class.out += live;
    }
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

// Addresses of arenas, of slots claimed one by one, and of blocks with their own reservation.
inline std::uint64_t reserved_bytes_locked() {
  const ArenaSet& set = g_arenas;
  std::uint64_t bytes = 0;
  for (int i = 0; i < set.reservation_count; ++i)
    bytes += std::uint64_t{set.reservations[i].end - set.reservations[i].first} << kSegmentShift;
  for (std::size_t slot = set.used_first; slot < set.used_end; ++slot) {
    const Slot& entry = set.window.table[slot];
    if (is_claimed(entry)) bytes += __atomic_load_n(&entry.mapped, __ATOMIC_RELAXED);
  }
  for (const OwnReservation* own = set.own; own != nullptr; own = own->next)
    bytes += std::uint64_t{own->arena.slots} << kSegmentShift;
  return bytes;
}

inline void count_caches(Books& books, Breakdown* more, Busy busy) {
  const CensusGuard guard(g_registry.lock, busy);
  if (!guard.held()) {
    ++books.missed;
    return;
  }
  for (const ThreadCache* cache = g_registry.caches.front(); cache != nullptr;
       cache = cache->next) {
    ++books.threads;
    books.cached += bytes_in_bins(*cache, more);
    books.tables += cache->places.bytes();
  }
}

inline void count_store(Books& books, Breakdown* more) {
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const std::uint64_t bytes = g_store.bytes_of(c);
    books.stored += bytes;
    if (more != nullptr) more->classes[c].stored = bytes;
  }
}

inline void count_shard(Shard& shard, Books& books, Breakdown* more, Busy busy) {
  const CensusGuard guard(shard.lock, busy);
  if (!guard.held()) {
    ++books.missed;
    return;
  }
  const Books before = books;
  for (List<Segment>& list : shard.segments) {
    for (Segment* s = list.front(); s != nullptr; s = s->next) count_segment(*s, books, more);
  }
  if (more == nullptr) return;
  more->shards[&shard - g_shards] = {shard.threads.load(std::memory_order_relaxed),
                                     (books.segments - before.segments) / kSegmentSize,
                                     books.run_live - before.run_live,
                                     books.free_dirty - before.free_dirty,
                                     books.free_clean - before.free_clean,
                                     books.headers - before.headers};
}

inline void count_arenas(Books& books, Busy busy) {
  const CensusGuard guard(g_arenas.lock, busy);
  if (!guard.held()) {
    ++books.missed;
    return;
  }
  for_each_slot_locked([&](const Slot& slot) { count_slot(slot, books); });
  count_tables_locked(books);
  books.reserved = reserved_bytes_locked();
}

}  // namespace detail

// With `more`, which must be zero, by class and shard too.
inline Books take_census(Breakdown* more = nullptr, Busy busy = Busy::kWait) {
  Books books;
  detail::count_caches(books, more, busy);
  detail::count_store(books, more);
  for (Shard& shard : g_shards) detail::count_shard(shard, books, more, busy);
  // For its run a block is live until it comes home; here it is so only while the program has it.
  const std::uint64_t away = books.cached + books.stored;
  books.run_live = books.run_live > away ? books.run_live - away : 0;
  detail::count_arenas(books, busy);
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
