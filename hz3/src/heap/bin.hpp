// A bin: the free blocks of one class that a thread keeps for itself.
//
// It counts in `room` how many more blocks it takes; `limit - room` is how many it holds. The hot
// paths of malloc and free are `pop` and `push`. How blocks are remembered is known here and in
// batch.hpp only. No locks: a bin has one owner.
#pragma once

#include "heap/batch.hpp"

namespace hz3 {

struct Bin {
  void* blocks;         // linked through their first word, last in first out
  std::uint32_t room;   // blocks it still takes
  std::uint32_t limit;  // blocks it may hold
};

inline std::uint32_t count_of(const Bin& bin) { return bin.limit - bin.room; }

// Takes the block that came last; nullptr from an empty bin.
[[gnu::always_inline]] inline void* pop(Bin& bin) {
  void* block = bin.blocks;
  if (block == nullptr) [[unlikely]]
    return nullptr;
  bin.blocks = link_of(block);
  ++bin.room;
  return block;
}

// The bin must have room.
[[gnu::always_inline]] inline void push(Bin& bin, void* block) {
  --bin.room;
  link_of(block) = bin.blocks;
  bin.blocks = block;
}

// Takes the `n` blocks that came last; the bin must hold them, and a batch so many.
inline Batch pop_batch(Bin& bin, std::uint32_t n) {
  if (n == 0) return {};
  void* const first = bin.blocks;
  void* last = first;
  for (std::uint32_t i = 1; i < n; ++i) last = link_of(last);
  bin.blocks = link_of(last);
  link_of(last) = nullptr;
  bin.room += n;
  return Batch::of_linked(first, n);
}

// Puts a batch into a bin that is empty and has room for it.
inline void fill(Bin& bin, Batch batch) {
  bin.room -= batch.count();
  bin.blocks = batch.release_linked();
}

}  // namespace hz3
