// Box S316, last form. Spans that wait in the large cache are cut and joined: a span serves any
// request that fits it, what is left over waits on, and neighbours become one span again. So nearly
// every request finds memory that is there, though blocks of megabytes are seldom of one size.
//
// Only spans that are part of an arena's mapping can be cut (span.hpp). The functions are called
// with the large cache's lock held, by whom the spans belong to; a head's slots change so that a
// forked child, which goes over the heads in order, meets every slot once: the larger span is there
// first, and goes last.
#pragma once

#include "heap/span.hpp"
#include "observe/stats.hpp"

namespace hz3 {

struct PieceStats {
  Counter cuts, joins, trims;
};
inline constinit PieceStats g_piece_stats;

inline bool may_cut(const Span& span) {
  return flag::S316_PIECES && stays_mapped(*span.arena, span.slot) && !span.head().moved;
}

namespace detail {

// Slots of two reservations may be neighbours, but are given back to each by itself.
inline bool begins_reservation(std::size_t slot) {
  const ArenaSet& set = g_arenas;
  const int count = __atomic_load_n(&set.reservation_count, __ATOMIC_RELAXED);
  for (int i = 0; i < count; ++i) {
    if (set.reservations[i].first == slot) return true;
  }
  return false;
}

inline void set_waiting(const Span& span, std::size_t bytes) {
  set_slot(span.head(), SlotKind::kLargeCached, false, static_cast<std::uint32_t>(span.slots),
           bytes);
}

}  // namespace detail

// Cuts a waiting span, of which `bytes` may be resident, after its first `keep` slots; returns the
// rest, which waits too. `keep` is less than it has.
inline Span cut_span(Span& span, std::size_t& bytes, std::size_t keep, std::size_t& rest_bytes) {
  const std::size_t kept = keep << kSegmentShift;
  const Span rest{span.arena, span.slot + keep, span.slots - keep};
  rest_bytes = bytes > kept ? bytes - kept : 0;
  bytes = bytes < kept ? bytes : kept;
  detail::set_waiting(rest, rest_bytes);
  os::order_stores();
  span.slots = keep;
  detail::set_waiting(span, bytes);
  return rest;
}

// Joins two waiting spans if the second one lies directly behind the first.
inline bool join_spans(Span& span, std::size_t& bytes, const Span& behind, std::size_t more) {
  if (behind.arena != span.arena || behind.slot != span.slot + span.slots) return false;
  if (!may_cut(span) || !may_cut(behind) || detail::begins_reservation(behind.slot)) return false;
  if (more > 0) bytes = (span.slots << kSegmentShift) + more;
  span.slots += behind.slots;
  detail::set_waiting(span, bytes);
  os::order_stores();
  set_slot(behind.head(), SlotKind::kLargeTail, false, 0, 0);
  g_piece_stats.joins.add(1);
  return true;
}

inline void print_piece_stats() {
  if constexpr (!flag::S316_PIECES) return;
  const auto& s = g_piece_stats;
  print_line("HZ3_S316_PIECES", {{"cuts", s.cuts}, {"joins", s.joins}, {"trims", s.trims}});
}

}  // namespace hz3
