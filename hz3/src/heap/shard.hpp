// Shards. Each shard owns segments and lists their runs by class; threads are spread over the
// shards, the lowest free one first, and share when there are more threads.
//
// Invariants (guarded by the shard's lock unless marked otherwise)
//   - A run is in `partial` if it has room and live blocks, in `empty` if it has none live, and in
//     no list if it is full.
//   - `offers` has the bit of a class set exactly when one of its two lists is non-empty. It is
//     written under the lock and read without it, as a hint where to look.
//   - `threads` counts the living threads of the shard; changed under the registry's lock, read
//     without it as a hint. Zero means: adopt from here.
#pragma once

#include <atomic>

#include "heap/points.hpp"
#include "heap/segment.hpp"
#include "policy/box_state.hpp"
#include "release/boundary.hpp"

namespace hz3 {

// Intrusive list of runs or segments through their members `previous` and `next`.
template <typename Node>
class List {
 public:
  Node* front() const { return first_; }
  bool empty() const { return first_ == nullptr; }
  void push_front(Node& node) {
    node.previous = nullptr;
    node.next = first_;
    if (first_ != nullptr) first_->previous = &node;
    first_ = &node;
  }
  void remove(Node& node) {
    if (node.previous != nullptr)
      node.previous->next = node.next;
    else
      first_ = node.next;
    if (node.next != nullptr) node.next->previous = node.previous;
    node.previous = node.next = nullptr;
  }

 private:
  Node* first_ = nullptr;
};

struct alignas(64) Shard {
  os::Lock lock;
  std::atomic<std::uint32_t> threads{0};
  std::atomic<std::uint64_t> offers[2]{};
  std::atomic<std::uint32_t> free_pages[kSegmentKinds]{};  // hint: free pages in the segments below
  List<Run> partial[kClasses];
  List<Run> empty[kClasses];
  List<Segment> segments[kSegmentKinds];
  std::atomic<std::uint32_t> outside[kClasses]{};  // blocks of its runs outside: the sum of `live`
  std::atomic<std::int64_t> outside_bytes{0};      // the same in bytes, over all classes
  std::int64_t unpublished_bytes = 0;              // of them, not in g_outside_bytes yet
  std::atomic<std::uint32_t> segment_count{0};     // read without the lock, as a hint
  ShardCollapse collapse{};
  ShardPurger purger{};

  bool may_offer(std::uint32_t size_class) const {
    return (offers[size_class / 64].load(std::memory_order_relaxed) >> (size_class % 64)) & 1;
  }
};

inline constexpr std::uint32_t kShards = static_cast<std::uint32_t>(flag::NUM_SHARDS);
inline constinit Shard g_shards[kShards];

inline SegmentKind kind_of_class(std::uint32_t size_class) {
  return is_medium(size_class) ? SegmentKind::kMedium : SegmentKind::kSmall;
}

// Bytes of blocks that the runs of all shards have outside, but for kUnpublished a shard: one
// number to look at for those who only ask whether it is much.
inline constinit std::atomic<std::int64_t> g_outside_bytes{0};
inline constexpr std::int64_t kUnpublished = 65536;

namespace detail {

// Under the shard's lock; read without it, as a hint.
inline void count_outside(Shard& shard, std::uint32_t c, std::int32_t change) {
  std::atomic<std::uint32_t>& n = shard.outside[c];
  n.store(n.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(change),
          std::memory_order_relaxed);
  const std::int64_t bytes = std::int64_t{change} * kSizeClasses[c].size;
  shard.outside_bytes.store(shard.outside_bytes.load(std::memory_order_relaxed) + bytes,
                            std::memory_order_relaxed);
  shard.unpublished_bytes += bytes;
  if (shard.unpublished_bytes > -kUnpublished && shard.unpublished_bytes < kUnpublished) return;
  g_outside_bytes.fetch_add(shard.unpublished_bytes, std::memory_order_relaxed);
  shard.unpublished_bytes = 0;
}

inline void update_offer(Shard& shard, std::uint32_t c) {
  const std::uint64_t bit = std::uint64_t{1} << (c % 64);
  std::atomic<std::uint64_t>& word = shard.offers[c / 64];
  const std::uint64_t old = word.load(std::memory_order_relaxed);
  const bool any = !shard.partial[c].empty() || !shard.empty[c].empty();
  word.store(any ? old | bit : old & ~bit, std::memory_order_relaxed);
}

inline void count_free_pages(Shard& shard, SegmentKind kind, std::int32_t change) {
  std::atomic<std::uint32_t>& n = shard.free_pages[static_cast<int>(kind)];
  n.store(n.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(change),
          std::memory_order_relaxed);
}

// Puts a run into the list that its live count asks for.
inline void file_run(Shard& shard, Run& run) {
  const RunState wanted = run.live == 0    ? RunState::kEmpty
                          : run.has_room() ? RunState::kPartial
                                           : RunState::kFull;
  if (run.state == wanted) return;
  const std::uint32_t c = run.size_class;
  if (run.state == RunState::kPartial) shard.partial[c].remove(run);
  if (run.state == RunState::kEmpty) shard.empty[c].remove(run);
  if (wanted == RunState::kPartial) shard.partial[c].push_front(run);
  if (wanted == RunState::kEmpty) shard.empty[c].push_front(run);
  run.state = wanted;
  update_offer(shard, c);
}

inline void unfile_run(Shard& shard, Run& run) {
  const std::uint32_t c = run.size_class;
  if (run.state == RunState::kPartial) shard.partial[c].remove(run);
  if (run.state == RunState::kEmpty) shard.empty[c].remove(run);
  run.state = RunState::kNone;
  update_offer(shard, c);
}

// A fresh run from the free pages of the shard's segments; nullptr if no range is long enough.
// `stale` tells which pages of its segment may hold old bytes.
inline Run* run_from_free_pages(Shard& shard, std::uint32_t c, std::uint32_t alignment,
                                PageBits& stale) {
  const SegmentKind kind = kind_of_class(c);
  const std::uint32_t pages = kSizeClasses[c].pages;
  if (shard.free_pages[static_cast<int>(kind)].load(std::memory_order_relaxed) < pages)
    return nullptr;
  List<Segment>& list = shard.segments[static_cast<int>(kind)];
  for (Segment* segment = list.front(); segment != nullptr; segment = segment->next) {
    if (segment->free_pages < pages) continue;
    const std::uint32_t page = find_free_pages(*segment, pages, alignment);
    if (page == 0) continue;
    if (segment != list.front()) {  // what had room this time is likely to have it next time
      list.remove(*segment);
      list.push_front(*segment);
    }
    const std::uint32_t fresh = pages - segment->dirty_bits.count(page, pages);
    if (!grow_footprint(std::uint64_t{fresh} * os::kPageSize)) return nullptr;
    count_free_pages(shard, kind, -static_cast<std::int32_t>(pages));
    stale = segment->dirty_bits;  // before the run's pages are populated
    return &bind_run(*segment, page, c);
  }
  return nullptr;
}

}  // namespace detail

// Gives the pages of an empty run back to its segment. The caller holds the shard's lock.
inline void release_run(Shard& shard, Run& run, ReleaseReason reason) {
  Segment& segment = segment_of(&run);
  const std::uint32_t pages = kSizeClasses[run.size_class].pages;
  detail::unfile_run(shard, run);
  detail::count_free_pages(shard, segment.kind, static_cast<std::int32_t>(pages));
  const std::uint32_t page = first_page(segment, run);
  if constexpr (!flag::S314_RUN_BITMAP) segment.dirty_bits.set(page, carved_pages(run));
  const std::uint32_t unused = pages - segment.dirty_bits.count(page, pages);
  shrink_footprint(std::uint64_t{unused} * os::kPageSize);
  os::order_stores();  // a page that a forked child finds free must not look clean
  release_range_definitely_free(segment, page, pages, reason);
  on_pages_free(shard, segment, page, pages);
  if (is_empty(segment)) on_segment_empty(shard, segment);
}

// Releases up to `budget` empty runs of one class; returns how many. The caller holds the lock.
inline std::uint32_t release_empty_runs(Shard& shard, std::uint32_t c, ReleaseReason reason,
                                        std::uint32_t budget = UINT32_MAX) {
  std::uint32_t released = 0;
  while (released < budget && !shard.empty[c].empty()) {
    release_run(shard, *shard.empty[c].front(), reason);
    ++released;
  }
  return released;
}

inline ReleaseReason reason_of_class(std::uint32_t c) {
  return is_medium(c)  ? ReleaseReason::kMediumRunReclaim
         : is_sub4k(c) ? ReleaseReason::kSub4kRunRetire
                       : ReleaseReason::kSmallPageRetire;
}

// Opens a new segment for the shard. False when the system has no more. The caller holds the lock.
inline bool open_segment(Shard& shard, SegmentKind kind) {
  if (!grow_footprint(kHeaderPages * os::kPageSize)) return false;
  const SlotRange slot = allocate_slots(1, SlotKind::kSegment, kSegmentSize, kSegmentSize);
  if (slot.arena == nullptr) {
    shrink_footprint(kHeaderPages * os::kPageSize);
    return false;
  }
  Segment& segment = create_segment(slot, &shard, kind);
  add_footprint(std::uint64_t{purgeable_pages(segment)} * os::kPageSize);
  shard.segments[static_cast<int>(kind)].push_front(segment);
  shard.segment_count.fetch_add(1, std::memory_order_relaxed);
  detail::count_free_pages(shard, kind, static_cast<std::int32_t>(kUsablePages));
  on_segment_opened(shard);
  return true;
}

// Gives a wholly free segment back to the arena and its memory to the system. The caller holds the
// lock of the owner. Returns whether the purge worked.
inline bool close_segment(Shard& shard, Segment& segment) {
  shard.segments[static_cast<int>(segment.kind)].remove(segment);
  shard.segment_count.fetch_sub(1, std::memory_order_relaxed);
  detail::count_free_pages(shard, segment.kind, -static_cast<std::int32_t>(kUsablePages));
  Arena& window = g_arenas.window;
  segment.magic = 0;
  const std::uint64_t counted = footprint_of(segment);
  const auto slot = window.slot_of(reinterpret_cast<std::uintptr_t>(&segment));
  const bool gone = release_slots(window, slot, 1);
  shrink_footprint(counted);
  return gone;
}

}  // namespace hz3
