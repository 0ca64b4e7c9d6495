// Box S63. Pages of the page map that describe memory which is gone go back as well: a page of the
// map covers 16 MiB of heap (where the system's pages are of 4 KiB), and when no slot there is in
// use all its bytes are zero, which is what they read as without memory.
//
// Looked for once an epoch, at thread exit and by trim, if slots were released since the last look;
// which pages of the map have memory the kernel says (mincore).
//
// Invariant: the map's bytes of a slot are written only while the slot is in use, and it comes into
// use under the arenas' lock, which is held here from the look at the slots to the purge.
#pragma once

#include "heap/shard.hpp"

namespace hz3 {

struct MapPageStats {
  Counter looks, map_pages, purged_pages, madvise_calls, madvise_fail;
};
inline constinit MapPageStats g_map_page_stats;

namespace detail {

inline constinit std::atomic<std::uint64_t> g_seen_releases{0};

inline bool any_slot_used_locked(std::size_t first, std::size_t end) {
  const Arena& window = g_arenas.window;
  for (std::size_t slot = first; slot < end && slot < window.slots; ++slot) {
    const SlotKind kind = kind_of(window.table[slot]);
    if (kind != SlotKind::kNone && kind != SlotKind::kFree) return true;
  }
  return false;
}

// Purges what can go of `count` pages of the map, from the one that describes `slot` on; neighbours
// with one call.
inline void purge_map_pages_locked(std::size_t slot, std::size_t slots_a_page,
                                   const unsigned char* resident, std::size_t count) {
  MapPageStats& stats = g_map_page_stats;
  std::size_t run = 0;  // pages just before page `i` that can go
  for (std::size_t i = 0; i <= count; ++i) {
    const std::size_t first = slot + i * slots_a_page;
    const bool goes =
        i < count && (resident[i] & 1) != 0 && !any_slot_used_locked(first, first + slots_a_page);
    if (i < count) stats.map_pages.add(resident[i] & 1);
    if (goes) {
      ++run;
      continue;
    }
    if (run == 0) continue;
    const std::size_t from = slot + (i - run) * slots_a_page;
    const bool gone =
        os::purge(map_bytes_of(g_arenas.window.address(from)), run * os::g_system_page);
    stats.madvise_calls.add(1);
    (gone ? stats.purged_pages : stats.madvise_fail).add(gone ? run : 1);
    run = 0;
  }
}

}  // namespace detail

// No lock is held.
inline void purge_map_pages() {
  if constexpr (!flag::S63_MAP_RELEASE) return;
  ArenaSet& set = g_arenas;
  os::LockGuard guard(set.lock);
  if (set.releases == detail::g_seen_releases.load(std::memory_order_relaxed)) return;
  detail::g_seen_releases.store(set.releases, std::memory_order_relaxed);
  g_map_page_stats.looks.add(1);
  constexpr std::size_t kAtOnce = 256;
  unsigned char resident[kAtOnce];
  const std::size_t slots_a_page = os::g_system_page / kPagesPerSegment;
  std::size_t slot = set.used_first / slots_a_page * slots_a_page;
  while (slot < set.used_end) {
    std::size_t count = (set.used_end - slot + slots_a_page - 1) / slots_a_page;
    if (count > kAtOnce) count = kAtOnce;
    std::uint8_t* bytes = map_bytes_of(set.window.address(slot));
    if (::mincore(bytes, count * os::g_system_page, resident) == 0)
      detail::purge_map_pages_locked(slot, slots_a_page, resident, count);
    slot += count * slots_a_page;
  }
}

inline void print_map_page_stats() {
  if constexpr (!flag::S63_MAP_RELEASE) return;
  const auto& s = g_map_page_stats;
  print_line("HZ3_S63_MAP", {{"looks", s.looks},
                             {"map_pages", s.map_pages},
                             {"purged_pages", s.purged_pages},
                             {"madvise_calls", s.madvise_calls},
                             {"madvise_fail", s.madvise_fail}});
}

}  // namespace hz3
