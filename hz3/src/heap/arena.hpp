// Arenas: the address space that everything hz3 hands out comes from, in slots of 2 MiB.
//
// Slots come from one of three places.
//   arena        A reservation of HZ3_ARENA_SIZE bytes in the window, made at once and cut into
//                slots; the next one is made when it is full. A free slot stays reserved and is
//                purged. It is how hz3 works where addresses cost nothing.
//   claim        Slots in the window mapped for one segment or block and unmapped when they are
//                given back. Where address space is limited (RLIMIT_AS), or the commit charge is
//                (vm.overcommit_memory=2), or the system refuses an arena, so that hz3 never holds
//                more than it uses and a request that fails leaves nothing behind.
//   reservation  For one large block that is larger than an arena, or for which the window has no
//   of its own   room: anywhere, in a list, unmapped when it is freed. Nothing but the system
//                limits the size of a block.
//
// Invariants (guarded by the arenas' lock)
//   - A slot's kind is kNone unless we have its addresses. It becomes so before they are unmapped,
//     so what the system maps there next is foreign from its first moment. In an arena such a slot
//     is one that the system took away (span.hpp); it is never used again.
//   - A claim's slots are those that its mapped bytes reach, none more: the first address of a slot
//     is mapped as long as the slot is ours, so no other claim can be placed there.
//   - Runs lie in the window only, so the page map's one range test finds them all.
//   - A free slot reads as zero unless its `dirty` bit says that a purge of it failed.
#pragma once

#include "heap/arena_set.hpp"
#include "heap/claim.hpp"
#include "heap/own_reservation.hpp"

namespace hz3 {

namespace detail {

// Puts a range of addresses, none of them committed, among the reservations.
inline Reservation* add_reservation_locked() {
  ArenaSet& set = g_arenas;
  if (set.reservation_count == kMaxReservations) return nullptr;
  void* p = os::reserve_aligned(kArenaSize, kSegmentSize);
  if (p == nullptr) return nullptr;
  if (!in_window(p, kArenaSlots)) {
    os::unreserve(p, kArenaSize);
    return nullptr;
  }
  const std::size_t first = set.window.slot_of(reinterpret_cast<std::uintptr_t>(p));
  Reservation& added = set.reservations[set.reservation_count++];
  added = {first, first + kArenaSlots, first, first};
  return &added;
}

// Grows the committed prefix to hold the slots below `end`: in steps that double to 32 slots, so
// that the number of mappings and of calls stays small while a small program is charged for little.
inline bool commit_slots_locked(Reservation& in, std::size_t end) {
  if (end <= in.committed) return true;
  ArenaSet& set = g_arenas;
  const std::size_t had = in.committed - in.first;
  std::size_t wanted = in.committed + (had < 32 ? had : 32);
  if (wanted < end) wanted = end;
  if (wanted > in.end) wanted = in.end;
  for (;; wanted = end) {
    char* start = set.window.address(in.committed);
    const std::size_t bytes = (wanted - in.committed) << kSegmentShift;
    os::lock_on_touch_if_locked(start, bytes);
    if (commit_tables(set.window, in.committed, wanted) && os::commit(start, bytes)) break;
    if (wanted == end) return false;
  }
  for (std::size_t slot = in.committed; slot < wanted; ++slot)
    set_kind(set.window.table[slot], SlotKind::kFree);
  note_used_locked(in.committed, wanted);
  in.committed = wanted;
  return true;
}

// First run of `slots` free slots whose start is a multiple of `alignment` bytes; SIZE_MAX if none.
// Slots that are not committed yet are free.
inline std::size_t find_slots_locked(const Reservation& in, std::size_t slots,
                                     std::size_t alignment) {
  const Arena& window = g_arenas.window;
  const std::size_t stride = alignment >> kSegmentShift;
  std::size_t at = in.lowest_free;
  while (at + slots <= in.end) {
    if (stride > 1) {
      const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(window.address(at));
      at = window.slot_of((address + alignment - 1) & ~(alignment - 1));
      if (at + slots > in.end) break;
    }
    std::size_t n = 0;
    while (n < slots &&
           (at + n >= in.committed || kind_of(window.table[at + n]) == SlotKind::kFree))
      ++n;
    if (n == slots) return at;
    at += n + 1;
  }
  return SIZE_MAX;
}

inline SlotRange take_reserved_locked(Reservation& in, std::size_t slots, SlotKind kind,
                                      std::size_t alignment) {
  const std::size_t first = find_slots_locked(in, slots, alignment);
  if (first == SIZE_MAX || !commit_slots_locked(in, first + slots)) return {};
  if (first == in.lowest_free) in.lowest_free = first + slots;
  return {&g_arenas.window, first, slots, take_slots_locked(first, slots, kind, false)};
}

// Makes another reservation and takes slots of it; without them it is given back.
inline SlotRange take_from_new_reservation_locked(std::size_t slots, SlotKind kind,
                                                  std::size_t alignment) {
  ArenaSet& set = g_arenas;
  Reservation* added = add_reservation_locked();
  if (added == nullptr) return {};
  const SlotRange range = take_reserved_locked(*added, slots, kind, alignment);
  if (range.arena == nullptr) {
    --set.reservation_count;
    os::unreserve(set.window.address(added->first), kArenaSize);
  }
  return range;
}

// The reservation that holds the slot, or nullptr.
inline Reservation* reservation_of_locked(std::size_t slot) {
  ArenaSet& set = g_arenas;
  for (int i = 0; i < set.reservation_count; ++i) {
    Reservation& in = set.reservations[i];
    if (slot >= in.first && slot < in.end) return &in;
  }
  return nullptr;
}

inline SlotRange allocate_in_window_locked(std::size_t slots, SlotKind kind, std::size_t alignment,
                                           std::size_t bytes) {
  ArenaSet& set = g_arenas;
  for (int i = 0; i < set.reservation_count; ++i) {
    const SlotRange range = take_reserved_locked(set.reservations[i], slots, kind, alignment);
    if (range.arena != nullptr) return range;
  }
  // Only if a new one certainly has a place that is aligned enough.
  if (set.in_bulk && slots + (alignment >> kSegmentShift) - 1 <= kArenaSlots) {
    const SlotRange range = take_from_new_reservation_locked(slots, kind, alignment);
    if (range.arena != nullptr) return range;
  }
  if (kBounded && set.in_bulk) return {};
  return claim_locked(kind, alignment, bytes);
}

}  // namespace detail

// Takes `slots` neighbouring slots for `kind`, or fewer if `bytes` (at least one) need no more and
// they are claimed. `alignment` is a power of two of at least 2 MiB.
// Thread-safe; fails only when address space or commit charge is exhausted, and then leaves both as
// they were. Of claimed slots the first `bytes` can be used; resize_claim() changes that.
inline SlotRange allocate_slots(std::size_t slots, SlotKind kind, std::size_t alignment,
                                std::size_t bytes) {
  if (slots > kMostSlots) return {};
  os::LockGuard guard(g_arenas.lock);
  if (!detail::open_arenas_locked()) return {};
  if (slots <= kArenaSlots) {
    const SlotRange range = detail::allocate_in_window_locked(slots, kind, alignment, bytes);
    if (range.arena != nullptr || kind == SlotKind::kSegment) return range;
  }
  if (kBounded && g_arenas.in_bulk) return {};
  return detail::reserve_own_locked(slots, alignment);
}

// Free slots of the arenas there may be, but no more than `enough`; that many also where no arena
// is the last, or none is reserved ahead.
inline std::size_t free_slots(std::size_t enough) {
  const ArenaSet& set = g_arenas;
  os::LockGuard guard(g_arenas.lock);
  if (!set.in_bulk || set.reservation_count < kMaxReservations) return enough;
  std::size_t free = 0;
  for (int i = 0; i < set.reservation_count && free < enough; ++i) {
    const Reservation& in = set.reservations[i];
    free += in.end - in.committed;
    for (std::size_t slot = in.lowest_free; slot < in.committed && free < enough; ++slot)
      free += kind_of(set.window.table[slot]) == SlotKind::kFree;
  }
  return free < enough ? free : enough;
}

// Tries to take the `more` slots directly behind `end`; used to grow a large block in place.
inline bool extend_slots(Arena& arena, std::size_t end, std::size_t more) {
  ArenaSet& set = g_arenas;
  if (&arena != &set.window || more > kArenaSlots) return false;
  os::LockGuard guard(set.lock);
  Reservation* in = detail::reservation_of_locked(end - 1);
  if (in == nullptr || end + more > in->end) return false;
  for (std::size_t slot = end; slot < end + more && slot < in->committed; ++slot) {
    if (kind_of(arena.table[slot]) != SlotKind::kFree) return false;
  }
  if (!detail::commit_slots_locked(*in, end + more)) return false;
  for (std::size_t slot = end; slot < end + more; ++slot)
    set_slot(arena.table[slot], SlotKind::kLargeTail, false, 0, 0);
  if (in->lowest_free == end) in->lowest_free = end + more;
  return true;
}

// Changes a claimed large block from `had` slots to `slots`, which `bytes` must reach; those can be
// used and what is behind them is not mapped. False, with nothing changed, when there is no room
// where it lies.
inline bool resize_claim(std::size_t first, std::size_t had, std::size_t slots, std::size_t bytes) {
  ArenaSet& set = g_arenas;
  Arena& window = set.window;
  os::LockGuard guard(set.lock);
  Slot& head = window.table[first];
  char* start = window.address(first);
  bytes = os::round_to_system_pages(bytes);
  if (slots > had) {
    if (slots > window.slots - first) return false;
    for (std::size_t slot = first + had; slot < first + slots; ++slot) {
      if (kind_of(window.table[slot]) != SlotKind::kNone) return false;
    }
    if (!detail::commit_tables(window, first + had, first + slots)) return false;
  }
  const std::size_t mapped = head.mapped;
  if (bytes > mapped && !detail::extend_claim_locked(start + mapped, bytes - mapped)) return false;
  if (slots > had) {
    detail::note_used_locked(first, first + slots);
    for (std::size_t slot = first + had; slot < first + slots; ++slot) {
      set_slot(window.table[slot], SlotKind::kLargeTail, false, 0, 0);
      __atomic_store_n(&window.table[slot].claimed, true, __ATOMIC_RELAXED);
    }
  }
  detail::forget_slots_locked(first + slots, slots < had ? first + had : first + slots);
  __atomic_store_n(&head.mapped, bytes, __ATOMIC_RELAXED);
  if (bytes < mapped && !os::unreserve(start + bytes, mapped - bytes))
    (void)!os::purge(start + bytes, mapped - bytes);
  return true;
}

// Gives slots back, and their memory to the system. Returns whether that worked; the slots are free
// in either case. `purge` is how slots that stay mapped are emptied.
inline bool release_slots(Arena& arena, std::size_t first, std::size_t slots,
                          bool (*purge)(void*, std::size_t) = os::purge) {
  ArenaSet& set = g_arenas;
  if (&arena != &set.window) {
    os::LockGuard guard(set.lock);
    return detail::unreserve_own_locked(arena, first);
  }
  if (is_claimed(arena.table[first])) {
    os::LockGuard guard(set.lock);
    ++set.releases;
    return detail::unclaim_locked(first, slots);
  }
  // First purged, then free, so that nobody can be handed a slot that is about to be purged.
  const bool purged = purge(arena.address(first), slots << kSegmentShift);
  os::LockGuard guard(set.lock);
  for (std::size_t n = first; n < first + slots; ++n)
    set_slot(arena.table[n], SlotKind::kFree, !purged, 0, 0);
  Reservation* in = detail::reservation_of_locked(first);
  if (in != nullptr && first < in->lowest_free) in->lowest_free = first;
  set.purge_failures += !purged;
  ++set.releases;
  return purged;
}

// Whether slots stay mapped when they are released.
inline bool stays_mapped(const Arena& arena, std::size_t slot) {
  return &arena == &g_arenas.window && !is_claimed(arena.table[slot]);
}

// For slots whose addresses the system took away: from here on whatever lies there is foreign.
inline void lose_slots(Arena& arena, std::size_t first, std::size_t slots) {
  os::LockGuard guard(g_arenas.lock);
  if (&arena == &g_arenas.window)
    detail::forget_slots_locked(first, first + slots);
  else
    detail::forget_own_locked(arena);
}

// Whether giving back free memory may make room for a block that was refused: not if it is larger
// than any place that could become free, for then the system would have to grant one all the same.
inline bool trim_may_help(std::size_t size, std::size_t alignment) {
  ArenaSet& set = g_arenas;
  os::LockGuard guard(set.lock);
  const std::size_t most = set.reservation_count > 0 ? kArenaSize : set.most_bytes;
  return size <= most && alignment <= most;
}

// Calls `visit` for every slot that we have; the caller holds the arenas' lock.
template <typename Visit>
void for_each_slot_locked(Visit visit) {
  const ArenaSet& set = g_arenas;
  for (std::size_t slot = set.used_first; slot < set.used_end; ++slot)
    visit(set.window.table[slot]);
  for (OwnReservation* own = set.own; own != nullptr; own = own->next) visit(own->head);
}

}  // namespace hz3
