// What is known of arenas and of every other range of addresses that hz3 has, and the one look at
// it that needs no lock. Who changes it: arena.hpp, claim.hpp, own_reservation.hpp.
#pragma once

#include <atomic>
#include <cstdint>

#include "heap/tables.hpp"
#include "heap/window.hpp"
#include "os/lock.hpp"
#include "os/secret.hpp"

namespace hz3 {

// Slots [first, end) of the window that were reserved at once.
struct Reservation {
  std::size_t first = 0;
  std::size_t end = 0;
  std::size_t committed = 0;    // slots [first, committed) are readable and writable
  std::size_t lowest_free = 0;  // no free slot below this one
};

// A large block outside the window. Its arena has one slot in its table, the head.
struct OwnReservation {
  Arena arena;
  Slot head;
  OwnReservation* next;
};

inline constexpr int kMaxReservations = static_cast<int>(flag::ARENAS_MAX);
// Whether a heap whose arenas are full is to refuse, instead of asking the system for single slots.
inline constexpr bool kBounded = kMaxReservations < 64;
// Beyond what addresses there are; keeps sizes in slots within 32 bits.
inline constexpr std::size_t kMostSlots = std::size_t{1} << 31;

struct ArenaSet {
  os::Lock lock;  // guards everything below
  Arena window;
  bool in_bulk = false;         // whether addresses are reserved ahead of need
  char* claim_below = nullptr;  // where the next claim is tried: the last one, or a hole since
  std::size_t used_first = 0, used_end = 0;  // slots whose kind is not kNone lie in between
  int reservation_count = 0;
  Reservation reservations[kMaxReservations];
  std::atomic<std::size_t> own_count{0};  // written under the lock, read without it
  OwnReservation* own = nullptr;
  TablePool<OwnReservation> own_pool;  // used under the lock only
  std::size_t most_bytes = 0;          // that the system could ever grant where nothing is reserved
  std::uint64_t purge_failures = 0;
  std::uint64_t releases = 0;  // of slots of the window, ever
};

inline constinit ArenaSet g_arenas;

// The largest request that is served by a run in a segment, in bytes; written once.
inline constinit std::size_t g_largest_run = kMediumMax;
inline std::size_t largest_run() { return __atomic_load_n(&g_largest_run, __ATOMIC_RELAXED); }

// Whether an address in the window is ours. Behind a claimed block, in its last slot, it is not.
inline bool is_ours(const Arena& window, std::uintptr_t address) {
  std::size_t slot = window.slot_of(address);
  if (kind_of(window.table[slot]) == SlotKind::kNone) return false;
  if (!is_claimed(window.table[slot])) return true;
  while (slot > 0 && kind_of(window.table[slot]) == SlotKind::kLargeTail) --slot;
  const std::size_t mapped = __atomic_load_n(&window.table[slot].mapped, __ATOMIC_RELAXED);
  return address - reinterpret_cast<std::uintptr_t>(window.address(slot)) < mapped;
}

// The arena that p lies in, or nullptr if p is foreign. Takes a lock only for pointers outside the
// window, and only while a block has its own reservation.
inline Arena* find_arena(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  ArenaSet& set = g_arenas;
  const PageMap* map = __atomic_load_n(&g_page_map, __ATOMIC_ACQUIRE);
  if (map->page_of(p) < map->pages) {
    if (is_ours(set.window, address)) return &set.window;
  }
  if (set.own_count.load(std::memory_order_acquire) == 0) return nullptr;
  os::LockGuard guard(set.lock);
  for (OwnReservation* own = set.own; own != nullptr; own = own->next) {
    if (own->arena.contains(address)) return &own->arena;
  }
  return nullptr;
}

namespace detail {

// The largest run where addresses are claimed. What runs leave unused of a segment counts there
// (one of 1 MiB wastes half of it), so large ones become large blocks, which take what they need:
// as many as leave them room in the window, and half of the mappings that the system allows.
constexpr std::size_t largest_run_of_claims(std::size_t most_bytes) {
  constexpr std::size_t kLeast = std::size_t{192} << 10;
  const std::size_t size = most_bytes / 32768;
  return size < kLeast ? kLeast : size < kMediumMax ? size : kMediumMax;
}

inline bool open_arenas_locked() {
  ArenaSet& set = g_arenas;
  if (set.window.table != nullptr) return true;
  os::learn_page_size();
  os::choose_secret();
  const std::size_t limit = os::address_space_limit();
  const std::size_t machine = os::machine_bytes();
  if (!open_window(set.window, window_bytes(machine, limit))) return false;
  set.in_bulk = limit == os::kUnlimited && !os::commit_is_charged();
  set.claim_below = reinterpret_cast<char*>(const_cast<PageMap*>(g_page_map));
  set.most_bytes = limit < machine ? limit : machine;
  if (!set.in_bulk)
    __atomic_store_n(&g_largest_run, largest_run_of_claims(set.most_bytes), __ATOMIC_RELAXED);
  return true;
}

inline bool in_window(const void* p, std::size_t slots) {
  const Arena& window = g_arenas.window;
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  return window.contains(address) && window.slots - window.slot_of(address) >= slots;
}

inline void note_used_locked(std::size_t first, std::size_t end) {
  ArenaSet& set = g_arenas;
  if (set.used_end == 0) set.used_first = first;
  if (first < set.used_first) set.used_first = first;
  if (end > set.used_end) set.used_end = end;
}

// Marks slots of the window as taken for `kind`; returns whether one of them may hold old bytes.
inline bool take_slots_locked(std::size_t first, std::size_t slots, SlotKind kind, bool claimed) {
  bool dirty = false;
  for (std::size_t n = 0; n < slots; ++n) {
    Slot& slot = g_arenas.window.table[first + n];
    dirty |= slot.dirty;
    __atomic_store_n(&slot.claimed, claimed, __ATOMIC_RELAXED);
    set_slot(slot, n == 0 || kind == SlotKind::kSegment ? kind : SlotKind::kLargeTail, false, 0, 0);
  }
  return dirty;
}

}  // namespace detail

}  // namespace hz3
