// A run's free blocks as a list through their first words: nothing to keep but its two ends. What
// comes back and what is taken in part is touched under the lock.
#pragma once

#include "heap/batch.hpp"
#include "heap/segment.hpp"
#include "heap/wish.hpp"

namespace hz3 {

struct RunList {
  struct Piece {  // linked blocks from `first` to `last`
    void* first;
    void* last;
    std::uint32_t count;
  };

  static void* first_of(const Run& run) { return reinterpret_cast<void*>(run.free_blocks); }

  static constexpr bool kHoldsIsCheap = false;
  static bool holds(Segment& segment, Run& run, std::uint32_t index) {
    const void* wanted = page_address(segment, first_page(segment, run)) +
                         std::size_t{index} * kSizeClasses[run.size_class].size;
    std::uint32_t left = run.carved;
    for (void* block = first_of(run); block != nullptr && left > 0;
         block = link_of(block), --left) {
      if (block == wanted) return true;
    }
    return false;
  }

  static void put(Segment&, Run& run, void* block, std::uint32_t index) {
    if (run.free_blocks == 0) run.last_free = static_cast<std::uint16_t>(index);
    link_of(block) = first_of(run);
    os::order_stores();  // a forked child goes over the list
    run.free_blocks = reinterpret_cast<std::uintptr_t>(block);
  }

  template <typename Delivery>
  static std::uint32_t take(Segment& segment, Run& run, Wish wish, Delivery& delivery) {
    void* const first = first_of(run);
    std::uint32_t n = run.carved - run.live;
    void* last = page_address(segment, first_page(segment, run)) +
                 std::size_t{run.last_free} * kSizeClasses[run.size_class].size;
    if (delivery.count() + n > wish.most) {
      n = wish.wanted - delivery.count();
      last = first;
      for (std::uint32_t i = 1; i < n; ++i) last = link_of(last);
      run.free_blocks = reinterpret_cast<std::uintptr_t>(link_of(last));
    } else {
      run.free_blocks = 0;
    }
    delivery.add({first, last, n}, n);
    return n;
  }

  // Finds the last block too. A list that does not end, or leaves the run, is given up whole.
  static std::uint32_t recount(Segment& segment, Run& run) {
    const SizeClass& info = kSizeClasses[run.size_class];
    const auto start =
        reinterpret_cast<std::uintptr_t>(page_address(segment, first_page(segment, run)));
    std::uint32_t blocks = 0;
    for (void* block = first_of(run); block != nullptr; block = link_of(block)) {
      const std::uint64_t offset = reinterpret_cast<std::uintptr_t>(block) - start;
      if (offset % info.size != 0 || offset / info.size >= run.carved || ++blocks > run.carved) {
        run.free_blocks = 0;
        return 0;
      }
      run.last_free = static_cast<std::uint16_t>(offset / info.size);
    }
    return blocks;
  }

  static void* first(const Piece& piece, std::size_t) { return piece.first; }
  static void add_to(ListBatch& batch, const Piece& piece, std::size_t) {
    batch.push_linked(piece.first, piece.last, piece.count);
  }
  static void add_to(ArrayBatch& batch, const Piece& piece, std::size_t) {
    void* block = piece.first;
    for (std::uint32_t i = 0; i < piece.count; ++i, block = link_of(block)) batch.push(block);
  }
};

}  // namespace hz3
