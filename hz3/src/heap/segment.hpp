// Segments and runs: 2 MiB cut into 512 pages of 4 KiB, with a header in the first five.
//
// A run is a range of pages that holds the blocks of one size class. Its descriptor lies in the
// header, at the index of its first page; `run_offset` leads from any page of a run to that page.
//
// Invariants (everything in a header is guarded by the lock of the owning shard)
//   - `live` of a run is exactly the number of its blocks outside the central store: in the
//   program,
//     in thread caches, on their way between threads. It changes only when blocks move between a
//     thread cache and the central store. live == 0 therefore proves that the run is empty; no
//     scanning, no guessing. The run remembers carved - live free blocks (run_blocks.hpp).
//   - A page is either free (its bit in `free_bits` is set) or belongs to exactly one run.
//   - A page that is free and not in `dirty_bits` reads as zero and holds no memory, unless a
//     neighbour in the same page of the system does, where those are larger. So does a page of a
//     run that is not in `dirty_bits` and that no carved block reaches; with RunBitmap, one that no
//     block outside reaches.
//   - A segment belongs to one shard from its creation until it is given back to the arena.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "heap/arena.hpp"
#include "heap/footprint.hpp"

namespace hz3 {

struct Shard;

// Small segments hold runs of small and sub4k classes, medium segments those of medium classes.
// Kept apart, because one live small block would pin a segment that could be returned whole.
enum class SegmentKind : std::uint8_t { kSmall, kMedium };
inline constexpr int kSegmentKinds = 2;

enum class RunState : std::uint8_t { kNone, kFull, kPartial, kEmpty };

struct Run {
  std::uint64_t free_blocks;  // blocks that came back, as the form in run_blocks.hpp has it
  Run* previous;              // neighbours in the shard's list of partial or of empty runs
  Run* next;
  std::uint16_t live;
  std::uint16_t carved;  // blocks [0, carved) exist; the rest of the run was never touched
  union {
    std::uint16_t last_free;  // RunList: index of the last block in the list, if there is one
    bool has_clean;           // RunBitmap: carved pages may be missing in dirty_bits
  };
  std::uint8_t size_class;
  RunState state;

  bool has_room() const { return live < kSizeClasses[size_class].objects; }
};

class PageBits {
 public:
  bool test(std::uint32_t page) const { return (words_[page / 64] >> (page % 64)) & 1; }
  void set(std::uint32_t page, std::uint32_t count) { change<true>(page, count); }
  void clear(std::uint32_t page, std::uint32_t count) { change<false>(page, count); }

  // First set bit at or after `page`; kPagesPerSegment if there is none.
  std::uint32_t next_set(std::uint32_t page) const { return next<false>(page); }
  std::uint32_t next_clear(std::uint32_t page) const { return next<true>(page); }

  std::uint32_t count() const {
    std::uint32_t n = 0;
    for (std::uint64_t word : words_) n += static_cast<std::uint32_t>(std::popcount(word));
    return n;
  }
  // Of the bits [page, page + count).
  std::uint32_t count(std::uint32_t page, std::uint32_t count) const {
    std::uint32_t n = 0;
    while (count > 0) {
      const std::uint32_t bit = page % 64;
      const std::uint32_t some = count < 64 - bit ? count : 64 - bit;
      const std::uint64_t mask = some == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << some) - 1;
      n += static_cast<std::uint32_t>(std::popcount((words_[page / 64] >> bit) & mask));
      page += some;
      count -= some;
    }
    return n;
  }
  PageBits operator&(const PageBits& other) const {
    PageBits both;
    for (std::uint32_t i = 0; i < kWords; ++i) both.words_[i] = words_[i] & other.words_[i];
    return both;
  }

 private:
  static constexpr std::uint32_t kWords = kPagesPerSegment / 64;

  template <bool kSet>
  void change(std::uint32_t page, std::uint32_t count) {
    while (count > 0) {
      const std::uint32_t bit = page % 64;
      const std::uint32_t n = count < 64 - bit ? count : 64 - bit;
      const std::uint64_t mask = (n == 64 ? ~std::uint64_t{0} : ((std::uint64_t{1} << n) - 1))
                                 << bit;
      if constexpr (kSet)
        words_[page / 64] |= mask;
      else
        words_[page / 64] &= ~mask;
      page += n;
      count -= n;
    }
  }
  template <bool kInvert>
  std::uint32_t next(std::uint32_t page) const {
    while (page < kPagesPerSegment) {
      const std::uint64_t word = (kInvert ? ~words_[page / 64] : words_[page / 64]) >> (page % 64);
      if (word != 0) return page + static_cast<std::uint32_t>(std::countr_zero(word));
      page = (page / 64 + 1) * 64;
    }
    return kPagesPerSegment;
  }

  std::uint64_t words_[kWords] = {};
};

// Words of free blocks that a run needs beside the one in its descriptor.
inline constexpr std::uint32_t kMoreFreeWords = 3;
template <bool kAny>
struct MoreFree {
  std::uint64_t of[kPagesPerSegment][kMoreFreeWords];
  std::uint64_t* words(std::uint32_t page) { return of[page]; }
};
template <>
struct MoreFree<false> {
  std::uint64_t* words(std::uint32_t) { return nullptr; }
};

inline constexpr std::uint64_t kSegmentMagic = 0x485a335345474d54;  // "HZ3SEGMT"

struct Segment {
  std::uint64_t magic;
  Shard* owner;
  Segment* previous;  // neighbours in the owner's list of this kind
  Segment* next;
  std::uint32_t free_pages;     // number of bits in free_bits
  std::uint32_t populated_end;  // pages from here on were never faulted in ahead of need
  SegmentKind kind;
  std::uint8_t header_bits;  // pages of this header that were written, but for the first
  std::uint32_t moved;       // RunBitmap: since the last look at pages inside runs
  PageBits free_bits;
  PageBits dirty_bits;  // pages that blocks reached, or that were populated, since the last purge
  std::uint8_t run_offset[kPagesPerSegment];  // pages back to the first page of the page's run
  Run runs[kPagesPerSegment];
  [[no_unique_address]] MoreFree<flag::S314_RUN_BITMAP> more_free;
};

static_assert(sizeof(Run) == 32, "two descriptors a cache line");

inline constexpr std::uint32_t kHeaderPages = (sizeof(Segment) + os::kPageSize - 1) / os::kPageSize;
inline constexpr std::uint32_t kUsablePages = kPagesPerSegment - kHeaderPages;
static_assert(kHeaderPages <= 8, "header_bits has a bit for each page");
static_assert(kMediumMax / os::kPageSize <= kUsablePages, "the largest medium run fits a segment");

// Whether nothing lives in the segment. The only place that decides it.
inline bool is_empty(const Segment& segment) { return segment.free_pages == kUsablePages; }

// Free pages that hold memory: what a purge of the segment could return.
inline std::uint32_t purgeable_pages(const Segment& segment) {
  return (segment.free_bits & segment.dirty_bits).count();
}

// Bytes the segment counts for in the footprint: all but the free pages without memory.
inline std::uint64_t footprint_of(const Segment& segment) {
  const std::uint32_t clean = segment.free_pages - purgeable_pages(segment);
  return std::uint64_t{kPagesPerSegment - clean} * os::kPageSize;
}

inline std::uint32_t touched_header_pages(const Segment& segment) {
  return static_cast<std::uint32_t>(std::popcount(segment.header_bits | 1u));
}

inline char* page_address(Segment& segment, std::uint32_t page) {
  return reinterpret_cast<char*>(&segment) + page * os::kPageSize;
}

// The segment of a pointer that is known to lie in a run.
inline Segment& segment_of(const void* p) {
  return *reinterpret_cast<Segment*>(reinterpret_cast<std::uintptr_t>(p) & ~(kSegmentSize - 1));
}

inline std::uint32_t page_in_segment(const void* p) {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(p) >> os::kPageShift) %
         kPagesPerSegment;
}

inline Run& run_of(Segment& segment, const void* p) {
  const std::uint32_t page = page_in_segment(p);
  return segment.runs[page - segment.run_offset[page]];
}

// Pages of the run that its carved blocks reach; the others are as they were when it was bound.
inline std::uint32_t carved_pages(const Run& run) {
  const std::size_t bytes = std::size_t{run.carved} * kSizeClasses[run.size_class].size;
  return static_cast<std::uint32_t>((bytes + os::kPageSize - 1) >> os::kPageShift);
}

// Pages of the run that hold memory whatever `dirty_bits` says.
inline std::uint32_t surely_dirty_pages(const Run& run) {
  return flag::S314_RUN_BITMAP ? 0 : carved_pages(run);
}

inline std::uint32_t first_page(const Segment& segment, const Run& run) {
  return static_cast<std::uint32_t>(&run - segment.runs);
}

// The map's bytes for the pages [page, page+count) of a segment.
inline std::uint8_t* map_bytes(Segment& segment, std::uint32_t page) {
  return map_bytes_of(page_address(segment, page));
}

// What the map says of the `i`th page of a run: of a run with one block only the first can be where
// a block starts.
inline std::uint8_t class_in_map(std::uint32_t size_class, std::uint32_t i) {
  return static_cast<std::uint8_t>(i == 0 || kSizeClasses[size_class].objects > 1 ? size_class : 0);
}

// Makes a segment in a fresh slot, which reads as zero.
inline Segment& create_segment(const SlotRange& slot, Shard* owner, SegmentKind kind) {
  auto& segment = *reinterpret_cast<Segment*>(slot.arena->address(slot.first));
  if (slot.dirty) {
    __builtin_memset(static_cast<void*>(&segment), 0, sizeof segment);
    segment.dirty_bits.set(kHeaderPages, kUsablePages);
    segment.header_bits = (1u << kHeaderPages) - 1;
  }
  segment.magic = kSegmentMagic;
  segment.owner = owner;
  segment.kind = kind;
  segment.free_pages = kUsablePages;
  segment.populated_end = kHeaderPages;
  segment.free_bits.set(kHeaderPages, kUsablePages);
  return segment;
}

// First run of `pages` free pages whose first page is a multiple of `alignment` pages; 0 if none.
inline std::uint32_t find_free_pages(const Segment& segment, std::uint32_t pages,
                                     std::uint32_t alignment = 1) {
  std::uint32_t at = segment.free_bits.next_set(kHeaderPages);
  while (at + pages <= kPagesPerSegment) {
    const std::uint32_t start = (at + alignment - 1) / alignment * alignment;
    const std::uint32_t end = segment.free_bits.next_clear(at);
    if (start + pages <= end) return start;
    at = segment.free_bits.next_set(end);
  }
  return 0;
}

inline void note_header_written(Segment& segment, const void* p, std::size_t bytes) {
  const auto at = static_cast<std::size_t>(static_cast<const char*>(p) -
                                           reinterpret_cast<const char*>(&segment));
  segment.header_bits |= static_cast<std::uint8_t>(1u << (at >> os::kPageShift) |
                                                   1u << ((at + bytes - 1) >> os::kPageShift));
}

// Binds free pages to a size class. The caller publishes no block before this has returned.
inline Run& bind_run(Segment& segment, std::uint32_t page, std::uint32_t size_class) {
  const std::uint32_t pages = kSizeClasses[size_class].pages;
  segment.free_bits.clear(page, pages);
  segment.free_pages -= pages;
  std::uint8_t* map = map_bytes(segment, page);
  for (std::uint32_t i = 0; i < pages; ++i) {
    segment.run_offset[page + i] = static_cast<std::uint8_t>(i);
    __atomic_store_n(&map[i], class_in_map(size_class, i), __ATOMIC_RELAXED);
  }
  Run& run = segment.runs[page];
  note_header_written(segment, &run, sizeof run);
  run = {0, nullptr, nullptr, 0, 0, {0}, static_cast<std::uint8_t>(size_class), RunState::kNone};
  if constexpr (flag::S314_RUN_BITMAP) {
    if (kSizeClasses[size_class].objects > 64) {
      std::uint64_t* const words = segment.more_free.words(page);
      note_header_written(segment, words, kMoreFreeWords * sizeof *words);
      __builtin_memset(words, 0, kMoreFreeWords * sizeof *words);
    }
  }
  return run;
}

}  // namespace hz3
