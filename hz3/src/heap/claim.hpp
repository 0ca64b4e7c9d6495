// Claims: slots of the window that are mapped for one segment or block, only as far as it reaches,
// and unmapped when they are given back (arena.hpp says when). All under the arenas' lock.
#pragma once

#include "heap/arena_set.hpp"

namespace hz3 {

namespace detail {

// Free addresses left above a claim of several slots, so that the block can grow where it lies:
// there may be no room for two of it. They count against no limit.
constexpr std::size_t gap_above(std::size_t slots) { return slots > 1 ? slots : 0; }

// Maps addresses of the window, nullptr without room. Below the last claim, or where one was given
// back, so that small ones become one mapping; else where the system likes.
inline char* map_claim_locked(std::size_t slots, std::size_t bytes, std::size_t alignment) {
  const std::size_t span = (slots + gap_above(slots)) << kSegmentShift;
  const auto end = reinterpret_cast<std::uintptr_t>(g_arenas.claim_below);
  char* near = end > span ? reinterpret_cast<char*>((end - span) & ~(alignment - 1)) : nullptr;
  for (;; near = nullptr) {
    void* p = os::reserve_aligned(bytes, alignment, near);
    if (p == nullptr || in_window(p, slots)) return static_cast<char*>(p);
    os::unreserve(p, bytes);
    if (near == nullptr) return nullptr;
  }
}

// Takes as many slots of the window as `bytes` reach, mapped for this alone, and only so far.
inline SlotRange claim_locked(SlotKind kind, std::size_t alignment, std::size_t bytes) {
  ArenaSet& set = g_arenas;
  bytes = os::round_to_system_pages(bytes);
  const std::size_t slots = (bytes + kSegmentSize - 1) >> kSegmentShift;
  char* p = map_claim_locked(slots, bytes, alignment);
  if (p == nullptr) return {};
  os::lock_on_touch_if_locked(p, bytes);
  const std::size_t first = set.window.slot_of(reinterpret_cast<std::uintptr_t>(p));
  if (!commit_tables(set.window, first, first + slots) || !os::commit(p, bytes)) {
    os::unreserve(p, bytes);
    return {};
  }
  set.claim_below = p;
  note_used_locked(first, first + slots);
  const SlotRange range{&set.window, first, slots, take_slots_locked(first, slots, kind, true)};
  __atomic_store_n(&set.window.table[first].mapped, bytes, __ATOMIC_RELAXED);
  return range;
}

inline void forget_slots_locked(std::size_t first, std::size_t end) {
  for (std::size_t n = first; n < end; ++n) {
    Slot& slot = g_arenas.window.table[n];
    set_slot(slot, SlotKind::kNone, false, 0, 0);
    __atomic_store_n(&slot.claimed, false, __ATOMIC_RELAXED);
    __atomic_store_n(&slot.mapped, std::size_t{0}, __ATOMIC_RELAXED);
  }
}

// Gives claimed slots back. Returns whether their memory is gone. If the system has no room to
// split a mapping the addresses are lost, their memory is not.
inline bool unclaim_locked(std::size_t first, std::size_t slots) {
  ArenaSet& set = g_arenas;
  char* start = set.window.address(first);
  const std::size_t bytes = set.window.table[first].mapped;
  forget_slots_locked(first, first + slots);
  if (os::unreserve(start, bytes)) {
    set.claim_below = start + ((slots + gap_above(slots)) << kSegmentShift);
    return true;
  }
  return os::purge(start, bytes);
}

// Maps the `more` bytes behind a claim; false if anything is there already.
inline bool extend_claim_locked(char* end, std::size_t more) {
  void* p = os::reserve(more, end);
  if (p == nullptr) return false;
  if (p == end) {
    os::lock_on_touch_if_locked(p, more);
    if (os::commit(p, more)) return true;
  }
  os::unreserve(p, more);
  return false;
}

}  // namespace detail

}  // namespace hz3
