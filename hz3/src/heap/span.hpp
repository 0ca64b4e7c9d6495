// Spans: whole neighbouring slots, as a large block or the large cache holds them, and what happens
// to their mapping when a block's memory moves from one span to another.
//
// An arena is one mapping to the kernel. Memory that was moved into a span by mremap makes the span
// a mapping of its own, because the kernel lets anonymous mappings merge only if their memory was
// first touched at neighbouring addresses. A process may have 65,530 mappings by default, so moved
// spans are counted and bounded, and a span that is released is mapped anew and merges.
//
// Invariants
//   - A span is either part of its arena's mapping or, if its head's `moved` is set, exactly one
//     mapping. A moved span therefore never grows in place.
//   - No free slot is `moved`; g_moved_spans counts the heads that are.
//   - The head of a span belongs to who holds the span: the block's user, or the large cache.
#pragma once

#include "heap/arena.hpp"
#include "heap/footprint.hpp"
#include "heap/leave_tables.hpp"

namespace hz3 {

// With as many gaps between them these take a quarter of the mappings a process may have.
inline constexpr std::uint32_t kMostMovedSpans = 8192;

inline constinit std::atomic<std::uint32_t> g_moved_spans{0};

struct Span {
  Arena* arena = nullptr;
  std::size_t slot = 0;
  std::size_t slots = 0;

  char* address() const { return arena->address(slot); }
  std::size_t bytes() const { return slots << kSegmentShift; }
  Slot& head() const { return arena->table[slot]; }
};

// Bytes a span counts for in the footprint, by its head: none until its block is made.
inline std::uint64_t footprint_of(const Slot& head) {
  return (size_of(head) + os::kPageSize - 1) & ~(os::kPageSize - 1);
}

namespace detail {

inline bool release_mapped(const Span& span, bool moved) {
  // What is unmapped when it is released has nothing to merge with.
  if (moved && stays_mapped(*span.arena, span.slot) && !os::remap(span.address(), span.bytes())) {
    lose_slots(*span.arena, span.slot, span.slots);
    return true;
  }
  return release_slots(*span.arena, span.slot, span.slots,
                       flag::S316_KEEP_TABLES ? purge_leaving_tables : os::purge);
}

inline bool reserve_moved_span() {
  if (g_moved_spans.fetch_add(1, std::memory_order_relaxed) < kMostMovedSpans) return true;
  g_moved_spans.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace detail

// Gives a span back to its arena and its memory to the system. Returns whether the memory went.
inline bool release_span(const Span& span) {
  const bool moved = span.head().moved;
  const std::uint64_t counted = footprint_of(span.head());
  span.head().moved = false;
  if (moved) g_moved_spans.fetch_sub(1, std::memory_order_relaxed);
  const bool gone = detail::release_mapped(span, moved);
  shrink_footprint(counted);
  return gone;
}

// Gives all but the first `keep` slots of a span back.
inline void release_tail(const Span& span, std::size_t keep) {
  detail::release_mapped({span.arena, span.slot + keep, span.slots - keep}, span.head().moved);
}

// Whether it is worth asking move_span.
inline bool may_move_span() {
  return g_moved_spans.load(std::memory_order_relaxed) < kMostMovedSpans;
}

// Moves the first `bytes` of `from` to the larger span `to`, which must come fresh from the arena,
// without copying. Then `from` holds no memory, and `to` is a moved span. kNo: there are too many
// of those, the memory is locked, or the kernel refuses; nothing has changed. kTargetLost: as kNo,
// and the span `to` is no more.
inline os::Moved move_span(const Span& from, std::size_t bytes, const Span& to) {
  // Moving a part of a locked mapping would unlock the rest of it without a word.
  if (!os::purge(to.address(), kSegmentSize)) return os::Moved::kNo;
  if (!detail::reserve_moved_span()) return os::Moved::kNo;
  const std::size_t whole = (bytes + kSegmentSize - 1) & ~(kSegmentSize - 1);
  const os::Moved moved = os::move_pages(from.address(), whole, to.address(), to.bytes());
  if (moved == os::Moved::kYes) {
    to.head().moved = true;
    return moved;
  }
  g_moved_spans.fetch_sub(1, std::memory_order_relaxed);
  if (moved == os::Moved::kTargetLost) lose_slots(*to.arena, to.slot, to.slots);
  return moved;
}

}  // namespace hz3
