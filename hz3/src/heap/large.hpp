// Large blocks: above 1 MiB, or aligned to more than a segment run can be. Each takes a span of
// whole slots of an arena; its size stands in the slot table, so nothing of ours lies inside or
// beside it.
//
// Freed, it rests in the large cache for a moment and then goes back to the system. It grows in
// place while its span lasts or the slots behind it are free; otherwise its pages move to a larger
// span, without being copied as long as few spans are moved ones (span.hpp).
//
// Invariant: the footprint counts a block, live or cached, by the size in its head; a span without
// a block has size 0 there.
//
// Invariant: a pointer is a live large block exactly if it is the address that its span's head slot
// implies; anything else inside a span is refused. Thread-safe; slots are guarded by the arenas'
// lock.
#pragma once

#include <cstring>

#include "heap/large_cache.hpp"
#include "heap/points.hpp"

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
  // Bytes that may hold memory, of this block or of an earlier one in the same span.
  std::size_t resident() const {
    const std::size_t held = is_claimed(*head) ? 0 : head->resident;
    const std::size_t most = span().bytes();
    return held <= usable() ? usable() : held < most ? held : most;
  }
  Span span() const { return {arena, slot, head->slots}; }
};

// The live large block that starts at p; head is nullptr if there is none.
inline LargeBlock find_large(void* p) {
  Arena* arena = find_arena(p);
  if (arena == nullptr) return {};
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const std::size_t slot = arena->slot_of(address);
  if (slot > 0 && arena != &g_arenas.window) return {};  // of its own reservation the head only
  Slot& head = arena->table[slot];
  if (kind_of(head) != SlotKind::kLargeHead || arena->address(slot) != p) return {};
  return {arena, slot, &head};
}

namespace detail {

struct FreshSpan {
  Span span;
  bool dirty = false;        // it may hold old bytes
  std::size_t resident = 0;  // as far as it may hold memory
};

// A span from the arenas of which `bytes` can be used; span.arena is nullptr when there is no more.
inline FreshSpan take_fresh_span(std::size_t slots, std::size_t alignment, std::size_t bytes) {
  const SlotRange range = allocate_slots(slots, SlotKind::kLargeHead, alignment, bytes);
  return {{range.arena, range.first, range.slots}, range.dirty};
}

// From the large cache; what it held is no longer counted.
inline FreshSpan take_cached_span(std::size_t slots, std::size_t alignment) {
  if (alignment > kSegmentSize) return {};
  std::size_t resident = 0;
  const Span cached = g_large_cache.take(slots, resident);
  if (cached.arena == nullptr) return {};
  shrink_footprint(footprint_of(cached.head()));
  __atomic_store_n(&cached.head().size, std::size_t{0}, __ATOMIC_RELAXED);
  return {cached, true, resident};
}

// A span for a block of `bytes`, which are counted; span.arena is nullptr when there is no room or
// the limit forbids it, and then nothing is.
inline FreshSpan take_span(std::size_t slots, std::size_t alignment, std::size_t bytes) {
  FreshSpan fresh = take_cached_span(slots, alignment);
  const bool cached = fresh.span.arena != nullptr;
  if (!grow_footprint(pages_up(bytes))) {
    if (cached) release_span(fresh.span);
    return {};
  }
  if (cached) return fresh;
  fresh = take_fresh_span(slots, alignment < kSegmentSize ? kSegmentSize : alignment, bytes);
  if (fresh.span.arena == nullptr) shrink_footprint(pages_up(bytes));
  return fresh;
}

// A large block that had `old` usable bytes has `now`.
inline void count_live(std::size_t old, std::size_t now) {
  g_large_cache.count_live(static_cast<std::int64_t>(now) - static_cast<std::int64_t>(old));
}

inline void* make_block(const Span& span, std::size_t size, std::size_t resident = 0) {
  if (!is_claimed(span.head())) span.head().resident = resident;
  set_slot(span.head(), SlotKind::kLargeHead, false, static_cast<std::uint32_t>(span.slots), size);
  count_live(0, pages_up(size));
  return span.address();
}

}  // namespace detail

// Memory for `size` bytes at a multiple of `alignment` (a power of two); it reads as zero if
// `zeroed` is asked for. nullptr when there is no more. `size` may be as small as one byte.
inline void* allocate_large(std::size_t size, std::size_t alignment, bool zeroed) {
  if (size == 0) size = 1;
  const detail::FreshSpan fresh = detail::take_span(detail::slots_for(size), alignment, size);
  if (fresh.span.arena == nullptr) return nullptr;
  void* p = detail::make_block(fresh.span, size, fresh.resident);
  return zeroed && fresh.dirty ? std::memset(p, 0, size) : p;
}

namespace detail {

inline std::size_t resident_of(const LargeBlock& block) {
  if constexpr (!flag::S316_COUNT_RESIDENT) return block.resident();
  return os::count_resident(block.span().address(), block.span().bytes());
}

}  // namespace detail

inline void free_large(const LargeBlock& block) {
  const std::uint64_t now_ms = os::now_ms();
  expire_large_cache(now_ms);
  const std::size_t usable = block.usable();
  detail::count_live(usable, 0);
  // Claimed addresses are scarce: others may need them at once.
  if (is_claimed(*block.head) ||
      !g_large_cache.put(block.span(), detail::resident_of(block), now_ms))
    release_span(block.span());
  else
    on_large_freed(usable);
}

namespace detail {

// A new span for a block that has outgrown its own. It gets a quarter more than it needs, addresses
// only, because what has grown will grow again.
template <typename Take>
FreshSpan take_roomy(std::size_t slots, Take take) {
  const std::size_t roomy = slots + slots / 4;
  FreshSpan fresh = roomy <= kArenaSlots ? take(roomy) : FreshSpan{};
  if (fresh.span.arena == nullptr && roomy != slots) fresh = take(slots);
  return fresh;
}

// nullptr if the block must be copied instead; then nothing has changed. So must claimed blocks:
// they are mapped only as far as they reach.
inline void* grow_by_move(const LargeBlock& block, std::size_t slots, std::size_t size) {
  if (!may_move_span() || is_claimed(*block.head)) return nullptr;
  const FreshSpan fresh =
      take_roomy(slots, [=](std::size_t n) { return take_fresh_span(n, kSegmentSize, size); });
  if (fresh.span.arena == nullptr) return nullptr;
  if (is_claimed(fresh.span.head())) {
    release_span(fresh.span);
    return nullptr;
  }
  switch (move_span(block.span(), block.usable(), fresh.span)) {
    case os::Moved::kYes:
      break;
    case os::Moved::kNo:
      release_span(fresh.span);
      return nullptr;
    case os::Moved::kTargetLost:
      return nullptr;
  }
  add_footprint(pages_up(size));  // of which the old block's part is about to go
  void* moved = make_block(fresh.span, size);
  count_live(block.usable(), 0);
  release_span(block.span());
  return moved;
}

inline void* grow_by_copy(const LargeBlock& block, std::size_t slots, std::size_t size) {
  const FreshSpan fresh =
      take_roomy(slots, [=](std::size_t n) { return take_span(n, kSegmentSize, size); });
  if (fresh.span.arena == nullptr) return nullptr;
  void* copied = make_block(fresh.span, size, fresh.resident);
  os::copy_pages(block.span().address(), copied, block.usable(), !fresh.dirty);
  free_large(block);
  return copied;
}

inline void* resize_in_span(const LargeBlock& block, void* p, std::size_t size) {
  const Span span = block.span();
  const std::size_t slots = slots_for(size);
  const std::size_t keep = pages_up(size);
  const std::size_t old = block.usable();
  const bool shrinks = size < block.head->size;
  count_live(old, keep);
  set_slot(*block.head, SlotKind::kLargeHead, false,
           static_cast<std::uint32_t>(shrinks ? slots : span.slots), size);
  if (keep < slots << kSegmentShift && keep < old) {
    const std::size_t end = old < slots << kSegmentShift ? old : slots << kSegmentShift;
    // If the memory cannot go back it stays with the block; that costs nothing but the memory.
    (void)!os::purge(static_cast<char*>(p) + keep, end - keep);
  }
  if (shrinks && slots < span.slots) release_tail(span, slots);
  return p;
}

inline bool try_in_place(const LargeBlock& block, void* p, std::size_t size) {
  const std::size_t slots = slots_for(size);
  const std::size_t had = block.head->slots;
  const std::size_t old = block.usable();
  if (is_claimed(*block.head)) {
    if (!resize_claim(block.slot, had, slots, size)) return false;
    count_live(old, 0);
    make_block({block.arena, block.slot, slots}, size);
    return true;
  }
  if (slots <= had) {
    resize_in_span(block, p, size);
    return true;
  }
  if (block.head->moved || !extend_slots(*block.arena, block.slot + had, slots - had)) return false;
  set_slot(*block.head, SlotKind::kLargeHead, false, static_cast<std::uint32_t>(slots), size);
  count_live(old, pages_up(size));
  return true;
}

// Where the block lies. What it grows by is counted before, what it shrinks by here.
inline bool resize_in_place(const LargeBlock& block, void* p, std::size_t size) {
  const std::size_t before = block.usable();
  const std::size_t after = pages_up(size);
  if (!try_in_place(block, p, size)) return false;
  if (after < before) shrink_footprint(before - after);
  return true;
}

// What the footprint grows by when the block gets this size.
inline std::size_t growth_to(const LargeBlock& block, std::size_t size) {
  const std::size_t before = block.usable();
  const std::size_t after = pages_up(size);
  return after > before ? after - before : 0;
}

}  // namespace detail

// Changes the size of a large block to `size` (above what runs serve) where it lies; false, with
// the block unchanged, when there is no room or the limit forbids it.
inline bool resize_large_in_place(const LargeBlock& block, void* p, std::size_t size) {
  const std::size_t more = detail::growth_to(block, size);
  if (!grow_footprint(more)) return false;
  if (detail::resize_in_place(block, p, size)) return true;
  shrink_footprint(more);
  return false;
}

// The same wherever there is room; returns its new address or nullptr, with the block unchanged,
// when there is none or the limit forbids it.
inline void* resize_large(const LargeBlock& block, void* p, std::size_t size) {
  const std::size_t more = detail::growth_to(block, size);
  if (!grow_footprint(more)) return nullptr;
  if (detail::resize_in_place(block, p, size)) return p;
  const std::size_t slots = detail::slots_for(size);
  void* moved = detail::grow_by_move(block, slots, size);
  shrink_footprint(more);  // the new block is counted whole, where there is one
  return moved != nullptr ? moved : detail::grow_by_copy(block, slots, size);
}

}  // namespace hz3
