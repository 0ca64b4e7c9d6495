// The reservation of its own that a large block has when it is larger than an arena, or when the
// window has no room for it: anywhere, in a list. All under the arenas' lock.
#pragma once

#include "heap/arena_set.hpp"

namespace hz3 {

namespace detail {

// A large block's own reservation.
inline SlotRange reserve_own_locked(std::size_t slots, std::size_t alignment) {
  ArenaSet& set = g_arenas;
  const std::size_t bytes = slots << kSegmentShift;
  void* p = os::reserve_aligned(bytes, alignment);
  if (p == nullptr) return {};
  os::lock_on_touch_if_locked(p, bytes);
  auto* own =
      os::commit(p, bytes) ? static_cast<OwnReservation*>(set.own_pool.allocate()) : nullptr;
  if (own == nullptr) {
    os::unreserve(p, bytes);
    return {};
  }
  own->arena = {reinterpret_cast<std::uintptr_t>(p), slots, &own->head};
  set_slot(own->head, SlotKind::kLargeHead, false, 0, 0);
  own->next = set.own;
  os::order_stores();  // a forked child must find the others
  set.own = own;
  set.own_count.store(set.own_count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  return {&own->arena, 0, slots, false};
}

// Takes a block's own reservation off the list; its addresses are the caller's affair.
inline void forget_own_locked(Arena& arena) {
  ArenaSet& set = g_arenas;
  OwnReservation** link = &set.own;
  while (&(*link)->arena != &arena) link = &(*link)->next;
  OwnReservation* own = *link;
  *link = own->next;
  os::order_stores();
  set.own_count.store(set.own_count.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  set.own_pool.release(own);
}

// Gives the slots from `first` to the end of a block's own reservation back; all of them when first
// is 0. Returns whether their memory is gone.
inline bool unreserve_own_locked(Arena& arena, std::size_t first) {
  char* start = arena.address(first);
  const std::size_t bytes = (arena.slots - first) << kSegmentShift;
  if (first > 0) {
    if (!os::unreserve(start, bytes)) return os::purge(start, bytes);
    arena.slots = first;
    return true;
  }
  forget_own_locked(arena);
  return os::unreserve(start, bytes) || os::purge(start, bytes);
}

}  // namespace detail

}  // namespace hz3
