// The page map: one byte for every page of a wide range of addresses, the window; the size class of
// the blocks that may start in the page, 0 for none: of a run with one block only the first page
// has it. So `free` needs one subtraction, one comparison and
// one load to tell foreign pointers from its own and to know the class.
//
// All memory that holds runs lies in the window, however many reservations it came from and
// whatever foreign mappings lie between them, so there is one fast path and one range test. The
// window is only a choice of addresses; it reserves nothing but the map itself.
//
// Invariants
//   - The map can be read for the whole window from the moment it is published, and window and map
//     never change afterwards. They are reached through one pointer, so nobody sees half of them.
//   - A page's byte is non-zero only while the page belongs to a run. It is written before any
//     block of the run is handed out and cleared after the last came back, both under the owner's
//     lock; whoever holds a live block reads a stable value without a lock.
#pragma once

#include <cstdint>

#include "os/pages.hpp"

namespace hz3 {

// Head of the map; the bytes begin one largest system page further on, so that they can be
// committed apart from it.
struct PageMap {
  std::uintptr_t base;  // first address of the window
  std::size_t pages;    // pages in the window, each with a byte

  static constexpr std::size_t kHeadBytes = os::kLargestSystemPage;

  std::uintptr_t page_of(const void* p) const {
    return (reinterpret_cast<std::uintptr_t>(p) - base) >> os::kPageShift;
  }
  const std::uint8_t* bytes() const {
    return reinterpret_cast<const std::uint8_t*>(this) + kHeadBytes;
  }
};

// Before the first allocation: every pointer lies outside.
inline constinit const PageMap kNoPageMap{0, 0};
inline constinit const PageMap* g_page_map = &kNoPageMap;

// The map's bytes from the page of p on; p lies in the window.
inline std::uint8_t* map_bytes_of(const void* p) {
  const PageMap& map = *g_page_map;
  return const_cast<std::uint8_t*>(map.bytes()) + map.page_of(p);
}

// The class of the blocks of the page that p lies in; 0 if none can start there.
inline std::uint32_t class_of_pointer(const void* p) {
  const PageMap* map = g_page_map;
  const std::uintptr_t page = map->page_of(p);
  return page < map->pages ? map->bytes()[page] : 0;
}

}  // namespace hz3
