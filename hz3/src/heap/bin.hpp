// A bin: the free blocks of one class that a thread keeps for itself.
//
// The hot paths of malloc and free are `pop` and `push`. How blocks are remembered is known here
// and in batch.hpp only: linked, counting the room that is left (ListBin), or as pointers in an
// array that its owner gives it, counting the blocks (ArrayBin, box S314; bin_places.hpp). Zeroed
// memory is a bin that holds nothing and has no room. No locks: a bin has one owner.
#pragma once

#include <cstddef>

#include "heap/batch.hpp"

namespace hz3 {

struct ListBin {
  void* blocks;         // linked through their first word, last in first out
  std::uint32_t room;   // blocks it still takes
  std::uint32_t limit;  // blocks it may hold
};

struct ArrayBin {
  void** blocks;  // the last came last
  std::uint32_t count;
  std::uint32_t limit;  // blocks it may hold; so many places there are, at least
};

using Bin = std::conditional_t<flag::S314_ARRAY_BINS, ArrayBin, ListBin>;

inline std::uint32_t count_of(const ListBin& bin) { return bin.limit - bin.room; }
inline std::uint32_t count_of(const ArrayBin& bin) { return bin.count; }

// How many more blocks it takes.
inline std::uint32_t room_of(const ListBin& bin) { return bin.room; }
inline std::uint32_t room_of(const ArrayBin& bin) { return bin.limit - bin.count; }
[[gnu::always_inline]] inline bool is_full(const ListBin& bin) { return bin.room == 0; }
[[gnu::always_inline]] inline bool is_full(const ArrayBin& bin) { return bin.count >= bin.limit; }

// At least as many as it holds.
inline void set_limit(ListBin& bin, std::uint32_t limit) {
  bin.room += limit - bin.limit;
  bin.limit = limit;
}
inline void set_limit(ArrayBin& bin, std::uint32_t limit) { bin.limit = limit; }

// What another thread's bin holds: a number it had.
[[gnu::no_sanitize("thread")]] inline std::uint32_t count_from_outside(const ListBin& bin) {
  const std::uint32_t limit = __atomic_load_n(&bin.limit, __ATOMIC_RELAXED);
  const std::uint32_t room = __atomic_load_n(&bin.room, __ATOMIC_RELAXED);
  return room < limit ? limit - room : 0;
}
[[gnu::no_sanitize("thread")]] inline std::uint32_t count_from_outside(const ArrayBin& bin) {
  return __atomic_load_n(&bin.count, __ATOMIC_RELAXED);
}

// The block that came last; nullptr in an empty bin.
inline void* top_of(const ListBin& bin) { return bin.blocks; }
inline void* top_of(const ArrayBin& bin) {
  return bin.count == 0 ? nullptr : bin.blocks[bin.count - 1];
}

// Takes the block that came last; nullptr from an empty bin.
[[gnu::always_inline]] inline void* pop(ListBin& bin) {
  void* block = bin.blocks;
  if (block == nullptr) [[unlikely]]
    return nullptr;
  bin.blocks = link_of(block);
  ++bin.room;
  return block;
}
[[gnu::always_inline]] inline void* pop(ArrayBin& bin) {
  const std::uint32_t count = bin.count;
  if (count == 0) [[unlikely]]
    return nullptr;
  bin.count = count - 1;
  void* block = bin.blocks[std::size_t{count} - 1];
  if (block == nullptr) __builtin_unreachable();
  return block;
}

// The bin must have room.
[[gnu::always_inline]] inline void push(ListBin& bin, void* block) {
  --bin.room;
  link_of(block) = bin.blocks;
  bin.blocks = block;
}
[[gnu::always_inline]] inline void push(ArrayBin& bin, void* block) {
  bin.blocks[bin.count++] = block;
}

// Takes the `n` blocks that came last; the bin must hold them, and a batch so many.
inline ListBatch pop_batch(ListBin& bin, std::uint32_t n) {
  if (n == 0) return {};
  void* const first = bin.blocks;
  void* last = first;
  for (std::uint32_t i = 1; i < n; ++i) last = link_of(last);
  bin.blocks = link_of(last);
  link_of(last) = nullptr;
  bin.room += n;
  return ListBatch::of_linked(first, n);
}
inline ArrayBatch pop_batch(ArrayBin& bin, std::uint32_t n) {
  ArrayBatch batch;
  bin.count -= n;
  batch.push_all(bin.blocks + bin.count, n);
  return batch;
}

// Puts a batch into a bin that is empty and has room for it.
inline void fill(ListBin& bin, ListBatch batch) {
  bin.room -= batch.count();
  bin.blocks = batch.release_linked();
}
inline void fill(ArrayBin& bin, const ArrayBatch& batch) {
  std::memcpy(bin.blocks, batch.blocks(), batch.count() * sizeof(void*));
  bin.count = batch.count();
}

// Whether a block is among those of the bin.
inline bool holds(const ListBin& bin, const void* block) {
  std::uint32_t left = count_of(bin);
  for (void* at = bin.blocks; at != nullptr && left > 0; at = link_of(at), --left) {
    if (at == block) return true;
  }
  return false;
}
inline bool holds(const ArrayBin& bin, const void* block) {
  for (std::uint32_t i = 0; i < bin.count; ++i) {
    if (bin.blocks[i] == block) return true;
  }
  return false;
}

}  // namespace hz3
