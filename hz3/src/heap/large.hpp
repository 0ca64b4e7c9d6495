// Large blocks: above 1 MiB, or aligned to more than a segment run can be. Each takes a span of
// whole slots of an arena; its size stands in the slot table, so nothing of ours lies inside or
// beside it.
//
// Freed, it rests in the large cache for a moment and then goes back to the system. It grows in
// place while the slots behind it are free; otherwise its pages move to a larger span without being
// copied.
//
// Invariant: a pointer is a live large block exactly if it is the address that its span's head slot
// implies; anything else inside a span is refused. Thread-safe; slots are guarded by the arenas'
// lock.
#pragma once

#include <cstring>

#include "heap/large_cache.hpp"

namespace hz3 {

namespace detail {

inline std::size_t slots_for(std::size_t size) {
  return (size + kSegmentSize - 1) >> kSegmentShift;
}

inline std::size_t pages_up(std::size_t size) {
  return (size + os::kPageSize - 1) & ~(os::kPageSize - 1);
}

}  // namespace detail

struct LargeBlock {
  Arena* arena = nullptr;
  std::size_t slot = 0;
  Slot* head = nullptr;

  std::size_t usable() const { return detail::pages_up(head->size); }
  std::size_t span() const { return static_cast<std::size_t>(head->slots) << kSegmentShift; }
};

// The live large block that starts at p; head is nullptr if there is none.
inline LargeBlock find_large(void* p) {
  Arena* arena = find_arena(p);
  if (arena == nullptr) return {};
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const std::size_t slot = arena->slot_of(address);
  Slot& head = arena->table[slot];
  if (kind_of(head) != SlotKind::kLargeHead || arena->address(slot) != p) return {};
  return {arena, slot, &head};
}

// Memory for `size` bytes at a multiple of `alignment` (a power of two); it reads as zero if
// `zeroed` is asked for. nullptr when there is no more. `size` may be as small as one byte.
inline void* allocate_large(std::size_t size, std::size_t alignment, bool zeroed) {
  if (size > kArenaSize || alignment > kArenaSize) return nullptr;
  const std::size_t slots = size == 0 ? 1 : detail::slots_for(size);
  if (alignment <= kSegmentSize) {
    const CachedSpan span = g_large_cache.take(slots);
    if (span.arena != nullptr) {
      Slot& head = span.arena->table[span.slot];
      set_slot(head, SlotKind::kLargeHead, false, span.slots, size);
      char* p = span.arena->address(span.slot);
      if (zeroed) std::memset(p, 0, size);
      return p;
    }
  }
  const SlotRange range = allocate_slots(slots, SlotKind::kLargeHead,
                                         alignment < kSegmentSize ? kSegmentSize : alignment);
  if (range.arena == nullptr) return nullptr;
  Slot& head = range.arena->table[range.first];
  set_slot(head, SlotKind::kLargeHead, false, static_cast<std::uint32_t>(slots), size);
  char* p = range.arena->address(range.first);
  if (zeroed && range.dirty) std::memset(p, 0, size);
  return p;
}

inline void free_large(const LargeBlock& block) {
  const std::uint64_t now_ms = os::now_ms();
  expire_large_cache(now_ms);
  if (g_large_cache.put(*block.arena, block.slot, block.head->slots, block.usable(), now_ms))
    return;
  release_slots(*block.arena, block.slot, block.head->slots);
}

// Changes the size of a large block to `size` (above 1 MiB, at most the arena's size); returns its
// new address or nullptr, with the block unchanged, when there is no room.
inline void* resize_large(const LargeBlock& block, void* p, std::size_t size) {
  Arena& arena = *block.arena;
  const std::size_t slots = detail::slots_for(size);
  const std::size_t had = block.head->slots;
  if (slots <= had) {
    const std::size_t keep = detail::pages_up(size);
    const std::size_t old = detail::pages_up(block.head->size);
    set_slot(*block.head, SlotKind::kLargeHead, false, static_cast<std::uint32_t>(slots), size);
    if (keep < slots << kSegmentShift && keep < old) {
      const std::size_t end = old < slots << kSegmentShift ? old : slots << kSegmentShift;
      // If the memory cannot go back it stays with the block; that costs nothing but the memory.
      (void)!os::purge(static_cast<char*>(p) + keep, end - keep);
    }
    if (slots < had) release_slots(arena, block.slot + slots, had - slots);
    return p;
  }
  if (extend_slots(arena, block.slot + had, slots - had)) {
    set_slot(*block.head, SlotKind::kLargeHead, false, static_cast<std::uint32_t>(slots), size);
    return p;
  }
  void* moved = allocate_large(size, kSegmentSize, false);
  if (moved == nullptr) return nullptr;
  if (!os::move_pages(p, moved, block.usable())) std::memcpy(moved, p, block.head->size);
  free_large(block);
  return moved;
}

}  // namespace hz3
