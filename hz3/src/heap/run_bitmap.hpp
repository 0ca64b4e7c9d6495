// Box S314. A run's free blocks as bits in the segment's header: bit i is set when block i is in
// the run and was carved. Nothing of a free block is touched, so a page that holds free blocks
// only may go back to the system while its run has live ones, and a block that comes home twice is
// known for certain.
//
// Invariants (under the shard's lock). Of the bits [0, carved) of a run carved - live are set, of
// the others none. A page of a run is in `dirty_bits` from when a block that reaches it is first
// taken, and leaves it only by a purge, which sets `has_clean` of the run: a page that is not there
// is reached by no block outside, and a run without `has_clean` has no such page among those it
// carved. `moved` of a segment counts what can leave idle pages inside a run since all its pages
// were last looked at, namely blocks that came home, and empty or new runs that blocks were taken
// from; 0 means that there are none that hold memory.
//
// The bits are bounded: one word in the run's descriptor, and three more in the header for each of
// the runs of 16, 32 and 48 bytes, which are the only ones with more than 64 blocks.
#pragma once

#include "heap/batch.hpp"
#include "heap/segment.hpp"
#include "heap/wish.hpp"
#include "observe/stats.hpp"

namespace hz3 {

struct RunBitmapStats {
  Counter looks, pages_returned, pages_taken_back;
};
inline constinit RunBitmapStats g_run_bitmap_stats;

namespace detail {

// The blocks of a run that reach its `page`th page, for classes whose runs have several of both.
struct BlocksOfPages {
  std::uint64_t of[kFirstMedium][8];
};
constexpr BlocksOfPages make_blocks_of_pages() {
  BlocksOfPages blocks{};
  for (std::uint32_t c = 1; c < kFirstMedium; ++c) {
    const SizeClass& info = kSizeClasses[c];
    if (info.pages == 1) continue;
    for (std::uint32_t i = 0; i < info.objects; ++i) {
      const std::uint32_t first = i * info.size / os::kPageSize;
      const std::uint32_t last = ((i + 1) * info.size - 1) / os::kPageSize;
      for (std::uint32_t page = first; page <= last; ++page)
        blocks.of[c][page] |= std::uint64_t{1} << i;
    }
  }
  return blocks;
}
inline constexpr BlocksOfPages kBlocksOfPages = make_blocks_of_pages();

constexpr bool blocks_fit_words() {
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const SizeClass& info = kSizeClasses[c];
    const bool one_word = info.objects <= 64;
    if (info.objects > 64 * (1 + kMoreFreeWords) || (!one_word && info.pages > 1)) return false;
    if (!is_medium(c) && info.pages > 8) return false;
  }
  return true;
}
static_assert(blocks_fit_words(), "a bit for each block; one word for runs of several pages");

// Whether pages of the run can be idle while it has live blocks.
inline bool has_inner_pages(const Run& run) {
  const SizeClass& info = kSizeClasses[run.size_class];
  return info.pages > 1 && info.objects > 1;
}

}  // namespace detail

struct RunBitmap {
  struct Piece {  // bit i: the block at start + i * size
    char* start;
    std::uint64_t blocks;
  };

  static constexpr bool kHoldsIsCheap = true;
  static bool holds(Segment& segment, Run& run, std::uint32_t index) {
    return (word(segment, run, index / 64) >> (index % 64)) & 1;
  }

  static void put(Segment& segment, Run& run, void*, std::uint32_t index) {
    word(segment, run, index / 64) |= std::uint64_t{1} << (index % 64);
    note_moved(segment, run);
  }

  template <typename Delivery>
  static std::uint32_t take(Segment& segment, Run& run, Wish wish, Delivery& delivery) {
    const std::uint32_t size = kSizeClasses[run.size_class].size;
    char* const start = page_address(segment, first_page(segment, run));
    std::uint32_t all = 0;
    for (std::uint32_t i = 0; i * 64 < run.carved; ++i) {
      if (delivery.count() >= wish.wanted || !delivery.has_place()) break;
      std::uint64_t& free = word(segment, run, i);
      std::uint64_t taken = free;
      auto n = static_cast<std::uint32_t>(std::popcount(taken));
      if (n == 0) continue;
      if (delivery.count() + n > wish.most) {
        n = wish.wanted - delivery.count();
        taken = lowest(taken, n);
      }
      if (run.has_clean) mark_dirty(segment, run, taken);
      free &= ~taken;
      delivery.add({start + std::size_t{i} * 64 * size, taken}, n);
      all += n;
    }
    if (run.live + all == run.carved) run.has_clean = false;
    if (run.live == 0) note_moved(segment, run);
    return all;
  }

  static std::uint32_t recount(Segment& segment, Run& run) {
    run.has_clean = detail::has_inner_pages(run);  // perhaps: a purge may have got half way
    std::uint32_t blocks = 0;
    for (std::uint32_t i = 0; i * 64 < run.carved; ++i) {
      const std::uint32_t carved = run.carved - i * 64;
      if (carved < 64) word(segment, run, i) &= (std::uint64_t{1} << carved) - 1;
      blocks += static_cast<std::uint32_t>(std::popcount(word(segment, run, i)));
    }
    return blocks;
  }

  static void* first(const Piece& piece, std::size_t size) {
    return piece.start + static_cast<std::size_t>(std::countr_zero(piece.blocks)) * size;
  }
  // So that the lowest is the next to be taken out.
  template <typename AnyBatch>
  static void add_to(AnyBatch& batch, const Piece& piece, std::size_t size) {
    for (std::uint64_t left = piece.blocks; left != 0;) {
      const auto highest = static_cast<std::size_t>(63 - std::countl_zero(left));
      left ^= std::uint64_t{1} << highest;
      batch.push(piece.start + highest * size);
    }
  }

 private:
  static void note_moved(Segment& segment, const Run& run) {
    if (detail::has_inner_pages(run)) ++segment.moved;
  }
  static std::uint64_t& word(Segment& segment, Run& run, std::uint32_t i) {
    return i == 0 ? run.free_blocks : segment.more_free.words(first_page(segment, run))[i - 1];
  }
  static std::uint64_t lowest(std::uint64_t word, std::uint32_t n) {
    std::uint64_t rest = word;
    while (n-- > 0) rest &= rest - 1;
    return word & ~rest;
  }
  // Pages that blocks about to leave reach; only of a run of several pages.
  static void mark_dirty(Segment& segment, const Run& run, std::uint64_t blocks) {
    const std::uint32_t page = first_page(segment, run);
    for (std::uint32_t i = 0; i < kSizeClasses[run.size_class].pages; ++i) {
      if ((blocks & detail::kBlocksOfPages.of[run.size_class][i]) == 0) continue;
      if (segment.dirty_bits.test(page + i)) continue;
      segment.dirty_bits.set(page + i, 1);
      g_run_bitmap_stats.pages_taken_back.add(1);
    }
  }
};

// Notes that fresh blocks of a run, [run.carved, run.carved + n), are about to exist.
inline void note_carved(Segment& segment, const Run& run, std::uint32_t n) {
  if constexpr (!flag::S314_RUN_BITMAP) return;
  const std::size_t size = kSizeClasses[run.size_class].size;
  const auto first = static_cast<std::uint32_t>(run.carved * size >> os::kPageShift);
  const std::size_t bytes = (run.carved + std::size_t{n}) * size;
  const auto end = static_cast<std::uint32_t>((bytes + os::kPageSize - 1) >> os::kPageShift);
  segment.dirty_bits.set(first_page(segment, run) + first, end - first);
  if (run.carved == 0 && detail::has_inner_pages(run)) ++segment.moved;
}

// Pages of the segment that no block outside reaches: free ones and, where free blocks are not
// touched, those inside runs with live blocks. Empty runs are left to those who release them.
inline PageBits idle_pages(const Segment& segment) {
  PageBits idle = segment.free_bits;
  if (!flag::S314_RUN_PURGE || segment.moved == 0) return idle;
  g_run_bitmap_stats.looks.add(1);
  for (std::uint32_t page = segment.free_bits.next_clear(kHeaderPages); page < kPagesPerSegment;) {
    const Run& run = segment.runs[page];
    const SizeClass& info = kSizeClasses[run.size_class];
    if (detail::has_inner_pages(run) && run.live > 0 && run.has_room()) {
      const std::uint64_t carved =
          run.carved < 64 ? (std::uint64_t{1} << run.carved) - 1 : ~std::uint64_t{0};
      const std::uint64_t outside = carved & ~run.free_blocks;
      for (std::uint32_t i = 0; i < info.pages; ++i) {
        if ((outside & detail::kBlocksOfPages.of[run.size_class][i]) == 0) idle.set(page + i, 1);
      }
    }
    page = segment.free_bits.next_clear(page + info.pages);
  }
  return idle;
}

// Notes that the pages [first, end), all idle, hold no memory any more.
inline void note_clean(Segment& segment, std::uint32_t first, std::uint32_t end) {
  if constexpr (flag::S314_RUN_PURGE) {
    for (std::uint32_t page = first; page < end; ++page) {
      if (segment.free_bits.test(page)) continue;
      segment.runs[page - segment.run_offset[page]].has_clean = true;
      g_run_bitmap_stats.pages_returned.add(segment.dirty_bits.test(page));
    }
  }
  segment.dirty_bits.clear(first, end - first);
}

inline void print_run_bitmap_stats() {
  if constexpr (!flag::S314_RUN_PURGE) return;
  const auto& s = g_run_bitmap_stats;
  print_line("HZ3_S314_RUN_BITMAP", {{"looks", s.looks},
                                     {"pages_returned", s.pages_returned},
                                     {"pages_taken_back", s.pages_taken_back}});
}

}  // namespace hz3
