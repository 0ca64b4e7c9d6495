// Slots: the 2 MiB pieces that all memory comes in, and the table that says what each one holds. A
// slot holds a segment (segment.hpp) or is part of a large block (large.hpp). The table lies
// outside the slots, so that a large block needs no header inside user memory.
#pragma once

#include <cstdint>

#include "heap/size_class.hpp"
#include "os/fork_mark.hpp"

namespace hz3 {

inline constexpr std::size_t kSegmentSize = std::size_t{1} << 21;
inline constexpr int kSegmentShift = 21;
inline constexpr std::uint32_t kPagesPerSegment = kSegmentSize / os::kPageSize;

// kNone, which is zero: the addresses are not ours. kFree: reserved, nothing in it.
enum class SlotKind : std::uint8_t { kNone, kFree, kSegment, kLargeHead, kLargeTail, kLargeCached };

// What a slot holds. Free and not free change under the arenas' lock; between live and cached a
// large block's head changes under the cache's lock alone, while others ask only whether the slot
// is free. Hence the atomic accesses.
struct Slot {
  SlotKind kind;
  bool dirty;           // free, but may hold old bytes
  bool moved;           // of a large block, in its head: see span.hpp
  bool claimed;         // mapped by itself, and unmapped when it is given back
  bool tables_ready;    // in the first slot of a group: the group's tables are writable
  std::uint32_t slots;  // of a large block, in its head
  std::size_t size;     // bytes of a large block that the user asked for, in its head
  union {
    std::size_t mapped;  // in the first of the slots claimed together: bytes mapped from there on
    // Of any other large block, in its head: bytes that may hold memory of an earlier block there.
    std::size_t resident;
  };
};
static_assert(sizeof(Slot) == 32);

inline SlotKind kind_of(const Slot& slot) {
  const auto* kind = reinterpret_cast<const std::uint8_t*>(&slot.kind);
  return static_cast<SlotKind>(__atomic_load_n(kind, __ATOMIC_RELAXED));
}
inline void set_kind(Slot& slot, SlotKind kind) {
  __atomic_store_n(reinterpret_cast<std::uint8_t*>(&slot.kind), static_cast<std::uint8_t>(kind),
                   __ATOMIC_RELAXED);
}
inline bool is_claimed(const Slot& slot) {
  return __atomic_load_n(&slot.claimed, __ATOMIC_RELAXED);
}
inline std::size_t size_of(const Slot& slot) {
  return __atomic_load_n(&slot.size, __ATOMIC_RELAXED);
}

inline void set_slot(Slot& slot, SlotKind kind, bool dirty, std::uint32_t slots, std::size_t size) {
  if (dirty) slot.dirty = true;
  os::order_stores();  // what a forked child finds free must not look clean
  set_kind(slot, kind);
  os::order_stores();
  slot.dirty = dirty;
  slot.slots = slots;
  __atomic_store_n(&slot.size, size, __ATOMIC_RELAXED);
}

// A range of addresses in slots, and their table: the window, or one block's own reservation.
struct Arena {
  std::uintptr_t base = 0;  // address of slot 0
  std::size_t slots = 0;
  Slot* table = nullptr;

  bool contains(std::uintptr_t p) const { return p - base < slots << kSegmentShift; }
  std::size_t slot_of(std::uintptr_t p) const { return (p - base) >> kSegmentShift; }
  char* address(std::size_t slot) const {
    return reinterpret_cast<char*>(base + (slot << kSegmentShift));
  }
};

struct SlotRange {
  Arena* arena = nullptr;  // nullptr: there was no room
  std::size_t first = 0;
  std::size_t slots = 0;
  bool dirty = false;  // some slot may hold old bytes
};

}  // namespace hz3
