// The window: the range of addresses in which hz3 keeps its slots, and the tables that describe it,
// which are the page map (page_map.hpp) and the slot table.
//
// The tables are one reservation, in the middle of the window, because the system places what is
// mapped later near what was mapped before. They can be read everywhere and at no cost: a table
// byte that was never written is no memory. They become writable by groups of 256
// slots, so that neither a commit charge nor mlockall pays for more
// tables than there is heap.
//
// The window is as large as the machine could ever fill. Where addresses are limited it follows the
// limit, because the map takes a byte of every 4096: with 32 times the limit the tables take 1/128
// of it, and the window has room for everything else the process maps.
#pragma once

#include <bit>

#include "heap/page_map.hpp"
#include "heap/slots.hpp"
#include "os/limits.hpp"

namespace hz3 {

inline constexpr std::size_t kArenaSize = static_cast<std::size_t>(flag::ARENA_SIZE);
inline constexpr std::size_t kArenaSlots = kArenaSize >> kSegmentShift;

inline constexpr std::size_t kGroupSlots = 256;
inline constexpr std::size_t kGroupSize = kGroupSlots << kSegmentShift;
inline constexpr std::size_t kGroupMapBytes = kGroupSize >> os::kPageShift;
static_assert(kGroupMapBytes % os::kLargestSystemPage == 0, "groups share no page of the map");

inline constexpr std::size_t kSmallestWindow = 2 * kGroupSize;
inline constexpr std::size_t kLargestWindow = std::size_t{1} << 46;

namespace detail {

constexpr std::size_t window_bytes(std::size_t machine_bytes, std::size_t address_limit) {
  constexpr std::size_t kUsual = std::size_t{1} << 40;
  std::size_t bytes = kUsual > 4 * kArenaSize ? kUsual : 4 * kArenaSize;
  if (machine_bytes > kLargestWindow / 8) machine_bytes = kLargestWindow / 8;
  if (bytes < 8 * machine_bytes) bytes = std::bit_ceil(8 * machine_bytes);
  if (address_limit < bytes / 32) bytes = (32 * address_limit + kGroupSize - 1) & ~(kGroupSize - 1);
  return bytes > kSmallestWindow ? bytes : kSmallestWindow;
}

constexpr std::size_t table_bytes(std::size_t window) {
  return PageMap::kHeadBytes + (window >> os::kPageShift) +
         (window >> kSegmentShift) * sizeof(Slot);
}

// Maps the tables of a window of at most `bytes` and publishes the page map; false without memory.
inline bool open_window(Arena& window, std::size_t bytes) {
  void* tables = os::reserve(table_bytes(bytes));
  while (tables == nullptr && bytes > kSmallestWindow) {
    bytes = (bytes / 2 + kGroupSize - 1) & ~(kGroupSize - 1);
    tables = os::reserve(table_bytes(bytes));
  }
  if (tables == nullptr) return false;
  if (!os::make_readable(tables, table_bytes(bytes)) || !os::commit(tables, sizeof(PageMap))) {
    os::unreserve(tables, table_bytes(bytes));
    return false;
  }
  const auto middle = reinterpret_cast<std::uintptr_t>(tables);
  auto* map = static_cast<PageMap*>(tables);
  map->base = middle > bytes / 2 ? (middle - bytes / 2) & ~(kGroupSize - 1) : 0;
  map->pages = bytes >> os::kPageShift;
  window.base = map->base;
  window.slots = bytes >> kSegmentShift;
  window.table = reinterpret_cast<Slot*>(static_cast<char*>(tables) + PageMap::kHeadBytes +
                                         (bytes >> os::kPageShift));
  __atomic_store_n(&g_page_map, map, __ATOMIC_RELEASE);
  return true;
}

// Makes the tables of the slots [first, end) writable.
inline bool commit_tables(Arena& window, std::size_t first, std::size_t end) {
  for (std::size_t slot = first & ~(kGroupSlots - 1); slot < end; slot += kGroupSlots) {
    Slot* group = &window.table[slot];
    if (group->tables_ready) continue;
    if (!os::commit(map_bytes_of(window.address(slot)), kGroupMapBytes) ||
        !os::commit(group, kGroupSlots * sizeof(Slot)))
      return false;
    group->tables_ready = true;
  }
  return true;
}

}  // namespace detail

}  // namespace hz3
