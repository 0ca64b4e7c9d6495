// Arenas: the address space that everything hz3 hands out comes from.
//
// An arena is one reservation, aligned to 2 MiB and cut into slots of 2 MiB; a slot holds a segment
// (segment.hpp) or is part of a large block (large.hpp). Directly below the first slot lies the
// page map, one byte a page: the size class of the run that the page belongs to, 0 for none. So
// `free` needs one subtraction, one comparison and one load to tell foreign pointers from its own
// and to know the class. The map is demand-zero: 4 KiB of it cover 16 MiB of heap.
//
// The first arena is the primary: the hot path knows only its base. If the system refuses the size,
// it is halved until it fits. When it is full, further arenas are reserved, found on slow paths.
//
// Invariants
//   - A page's byte in the map is non-zero only while the page belongs to a run. It is written
//     before any block of the run is handed out and cleared after the last came back, both under
//     the owner's lock; whoever holds a live block reads a stable value without a lock.
//   - A free slot reads as zero unless its `dirty` bit says that a purge of it failed.
#pragma once

#include <atomic>
#include <cstdint>

#include "heap/size_class.hpp"
#include "os/fatal.hpp"
#include "os/lock.hpp"
#include "os/pages.hpp"

namespace hz3 {

inline constexpr std::size_t kSegmentSize = std::size_t{1} << 21;
inline constexpr int kSegmentShift = 21;
inline constexpr std::uint32_t kPagesPerSegment = kSegmentSize / os::kPageSize;

inline constexpr std::size_t kArenaSize = static_cast<std::size_t>(flag::ARENA_SIZE);
inline constexpr std::size_t kArenaPages = kArenaSize >> os::kPageShift;
inline constexpr std::size_t kPageMapBytes = kArenaPages;  // one byte a page
inline constexpr std::size_t kSmallestArena = std::size_t{64} << 20;
inline constexpr std::size_t kArenaSlots = kArenaSize >> kSegmentShift;

// kLost: the system took the addresses away (span.hpp); nothing of ours lies there ever again.
enum class SlotKind : std::uint8_t { kFree, kSegment, kLargeHead, kLargeTail, kLargeCached, kLost };

// What a slot holds. Out of line, so that a large block needs no header inside user memory. Free
// and not free change under the arenas' lock; between live and cached a large block's head changes
// under the cache's lock alone, while others ask only whether the slot is free. Hence the atomic
// accesses.
struct Slot {
  SlotKind kind;
  bool dirty;           // free, but may hold old bytes
  bool moved;           // of a large block, in its head: see span.hpp
  std::uint32_t slots;  // of a large block, in its head
  std::size_t size;     // bytes of a large block that the user asked for, in its head
};

inline SlotKind kind_of(const Slot& slot) { return __atomic_load_n(&slot.kind, __ATOMIC_RELAXED); }
inline void set_kind(Slot& slot, SlotKind kind) {
  __atomic_store_n(&slot.kind, kind, __ATOMIC_RELAXED);
}
inline std::size_t size_of(const Slot& slot) {
  return __atomic_load_n(&slot.size, __ATOMIC_RELAXED);
}

inline void set_slot(Slot& slot, SlotKind kind, bool dirty, std::uint32_t slots, std::size_t size) {
  set_kind(slot, kind);
  slot.dirty = dirty;
  slot.slots = slots;
  __atomic_store_n(&slot.size, size, __ATOMIC_RELAXED);
}

inline constexpr std::size_t kSlotTableBytes =
    (kArenaSlots * sizeof(Slot) + os::kPageSize - 1) & ~(os::kPageSize - 1);

struct Arena {
  std::uintptr_t base = 0;      // address of slot 0
  std::size_t slots = 0;        // slots really reserved, at most kArenaSlots
  std::size_t committed = 0;    // slots [0, committed) are readable and writable
  std::size_t lowest_free = 0;  // no free slot below this one
  Slot* table = nullptr;

  bool contains(std::uintptr_t p) const { return p - base < slots << kSegmentShift; }
  std::size_t slot_of(std::uintptr_t p) const { return (p - base) >> kSegmentShift; }
  char* address(std::size_t slot) const {
    return reinterpret_cast<char*>(base + (slot << kSegmentShift));
  }
};

inline constexpr int kMaxArenas = 64;

struct ArenaSet {
  os::Lock lock;  // guards everything below except the published prefix of `arenas`
  std::atomic<int> count{0};
  Arena arenas[kMaxArenas];
  std::uint64_t purge_failures = 0;
};

inline constinit ArenaSet g_arenas;

// Before the primary arena exists the base is an address from which every pointer is out of range.
inline constexpr std::uintptr_t kNoArena = std::uintptr_t{1} << 63;
inline constinit std::uintptr_t g_primary_base = kNoArena;

inline std::uint8_t* page_map(std::uintptr_t base) {
  return reinterpret_cast<std::uint8_t*>(base - kPageMapBytes);
}

// The arena that holds p, or nullptr. Lock-free: arenas are published by the count and never
// change.
inline Arena* find_arena(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const int count = g_arenas.count.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    if (g_arenas.arenas[i].contains(address)) return &g_arenas.arenas[i];
  }
  return nullptr;
}

namespace detail {

// Reserves [page map | slots] with slot 0 aligned to a segment.
inline bool reserve_arena(Arena& arena, std::size_t bytes) {
  const std::size_t whole = kPageMapBytes + bytes + kSegmentSize;
  void* start = os::reserve(whole);
  if (start == nullptr) return false;
  const auto first = reinterpret_cast<std::uintptr_t>(start) + kPageMapBytes;
  const std::uintptr_t base = (first + kSegmentSize - 1) & ~(kSegmentSize - 1);
  void* table = os::map_tables(kSlotTableBytes);
  if (table == nullptr || !os::commit(page_map(base), kPageMapBytes)) {
    if (table != nullptr) os::unreserve(table, kSlotTableBytes);
    os::unreserve(start, whole);
    return false;
  }
  arena.base = base;
  arena.slots = bytes >> kSegmentShift;
  arena.committed = 0;
  arena.lowest_free = 0;
  arena.table = static_cast<Slot*>(table);
  return true;
}

inline bool can_reserve(std::size_t bytes) {
  void* p = os::reserve(bytes);
  if (p != nullptr) os::unreserve(p, bytes);
  return p != nullptr;
}

inline bool add_arena_locked() {
  const int count = g_arenas.count.load(std::memory_order_relaxed);
  if (count == kMaxArenas) return false;
  bool refused = false;
  for (std::size_t bytes = kArenaSize; bytes >= kSmallestArena; bytes /= 2) {
    // Where address space is limited, half of what there is must do: stacks and libraries need
    // some.
    const std::size_t probe = refused && bytes > kSmallestArena ? 2 * bytes : bytes;
    if (!can_reserve(kPageMapBytes + probe + kSegmentSize) ||
        !reserve_arena(g_arenas.arenas[count], bytes)) {
      refused = true;
      continue;
    }
    if (count == 0) __atomic_store_n(&g_primary_base, g_arenas.arenas[0].base, __ATOMIC_RELEASE);
    g_arenas.count.store(count + 1, std::memory_order_release);
    return true;
  }
  return false;
}

// Grows the committed prefix to hold `end` slots: in steps that double to 32 slots, so that the
// number of mappings and of calls stays small while a small program is charged for little.
inline bool commit_slots_locked(Arena& arena, std::size_t end) {
  if (end <= arena.committed) return true;
  std::size_t step = arena.committed < 32 ? arena.committed : 32;
  std::size_t wanted = arena.committed + step > end ? arena.committed + step : end;
  if (wanted > arena.slots) wanted = arena.slots;
  for (;;) {
    const std::size_t bytes = (wanted - arena.committed) << kSegmentShift;
    if (os::commit(arena.address(arena.committed), bytes)) break;
    if (wanted == end) return false;
    wanted = end;
  }
  arena.committed = wanted;
  return true;
}

// First run of `slots` free slots whose start is a multiple of `alignment` bytes; SIZE_MAX if none.
inline std::size_t find_slots_locked(const Arena& arena, std::size_t slots, std::size_t alignment) {
  const std::size_t stride = alignment >> kSegmentShift;
  std::size_t at = arena.lowest_free;
  while (at + slots <= arena.slots) {
    if (stride > 1) {
      const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(arena.address(at));
      at = arena.slot_of((address + alignment - 1) & ~(alignment - 1));
      if (at + slots > arena.slots) break;
    }
    std::size_t n = 0;
    while (n < slots && kind_of(arena.table[at + n]) == SlotKind::kFree) ++n;
    if (n == slots) return at;
    at += n + 1;
  }
  return SIZE_MAX;
}

}  // namespace detail

struct SlotRange {
  Arena* arena = nullptr;  // nullptr: there was no room
  std::size_t first = 0;
  bool dirty = false;  // some slot may hold old bytes
};

// Takes `slots` neighbouring slots for `kind`. `alignment` is a power of two of at least 2 MiB.
// Thread-safe; fails only when address space or commit charge is exhausted.
inline SlotRange allocate_slots(std::size_t slots, SlotKind kind,
                                std::size_t alignment = kSegmentSize) {
  os::LockGuard guard(g_arenas.lock);
  for (int i = 0;; ++i) {
    if (i == g_arenas.count.load(std::memory_order_relaxed)) {
      if (slots > kArenaSlots || !detail::add_arena_locked()) return {};
    }
    Arena& arena = g_arenas.arenas[i];
    const std::size_t first = detail::find_slots_locked(arena, slots, alignment);
    if (first == SIZE_MAX) continue;
    if (!detail::commit_slots_locked(arena, first + slots)) return {};
    SlotRange range{&arena, first, false};
    for (std::size_t n = 0; n < slots; ++n) {
      Slot& slot = arena.table[first + n];
      range.dirty |= slot.dirty;
      set_slot(slot, n == 0 || kind == SlotKind::kSegment ? kind : SlotKind::kLargeTail, false, 0,
               0);
    }
    if (first == arena.lowest_free) arena.lowest_free = first + slots;
    return range;
  }
}

// Tries to take the `more` slots directly behind `end`; used to grow a large block in place.
inline bool extend_slots(Arena& arena, std::size_t end, std::size_t more) {
  os::LockGuard guard(g_arenas.lock);
  if (end + more > arena.slots) return false;
  for (std::size_t n = 0; n < more; ++n) {
    if (kind_of(arena.table[end + n]) != SlotKind::kFree) return false;
  }
  if (!detail::commit_slots_locked(arena, end + more)) return false;
  for (std::size_t n = 0; n < more; ++n) {
    set_slot(arena.table[end + n], SlotKind::kLargeTail, false, 0, 0);
  }
  if (arena.lowest_free == end) arena.lowest_free = end + more;
  return true;
}

// Gives slots back. Their memory goes to the system first, so that nobody can be handed a slot that
// is about to be purged. Returns whether the purge worked; the slots are free in either case.
inline bool release_slots(Arena& arena, std::size_t first, std::size_t slots) {
  const bool purged = os::purge(arena.address(first), slots << kSegmentShift);
  os::LockGuard guard(g_arenas.lock);
  for (std::size_t n = 0; n < slots; ++n)
    set_slot(arena.table[first + n], SlotKind::kFree, !purged, 0, 0);
  if (first < arena.lowest_free) arena.lowest_free = first;
  g_arenas.purge_failures += !purged;
  return purged;
}

}  // namespace hz3
