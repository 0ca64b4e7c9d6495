// Shards: the central store. Each shard owns segments and lists their runs by class; threads are
// spread over the shards, the lowest free one first, and share when there are more threads.
//
// Blocks have no owner. A thread that frees a block of another shard keeps it in its own cache; what
// overflows goes back, in batches, to the run the block came from. So a remote free costs the thread
// nothing by itself, and a shard's lock is taken once a batch. A thread that finds its own shard
// empty takes from shards whose threads have all ended before it opens a new segment; that is how
// the pages of dead threads are adopted.
//
// Invariants (guarded by the shard's lock unless marked otherwise)
//   - A run is in `partial` if it has room and live blocks, in `empty` if it has none live, and in
//     no list if it is full.
//   - `offers` has the bit of a class set exactly when one of its two lists is non-empty. It is
//     written under the lock and read without it, as a hint where to look.
//   - `threads` counts the living threads of the shard; changed under the registry's lock, read
//     without it as a hint. Zero means: adopt from here.
//   - A pointer handed to give_back is live, so its run, segment and owner are stable.
#pragma once

#include <atomic>

#include "heap/segment.hpp"
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
    if (node.previous != nullptr) node.previous->next = node.next;
    else first_ = node.next;
    if (node.next != nullptr) node.next->previous = node.previous;
    node.previous = node.next = nullptr;
  }

 private:
  Node* first_ = nullptr;
};

// A chain of blocks linked through their first word; the last one points to nullptr.
struct Chain {
  void* first = nullptr;
  std::uint32_t count = 0;
};

inline void*& link_of(void* block) { return *static_cast<void**>(block); }

struct alignas(64) Shard {
  os::Lock lock;
  std::atomic<std::uint32_t> threads{0};
  std::atomic<std::uint64_t> offers[2]{};
  std::atomic<std::uint32_t> free_pages[kSegmentKinds]{};  // hint: free pages in the segments below
  List<Run> partial[kClasses];
  List<Run> empty[kClasses];
  List<Segment> segments[kSegmentKinds];

  bool may_offer(std::uint32_t size_class) const {
    return (offers[size_class / 64].load(std::memory_order_relaxed) >> (size_class % 64)) & 1;
  }
};

inline constexpr std::uint32_t kShards = static_cast<std::uint32_t>(flag::NUM_SHARDS);
inline constinit Shard g_shards[kShards];

inline SegmentKind kind_of_class(std::uint32_t size_class) {
  return is_medium(size_class) ? SegmentKind::kMedium : SegmentKind::kSmall;
}

namespace detail {

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
  const RunState wanted = run.live == 0       ? RunState::kEmpty
                          : run.has_room()    ? RunState::kPartial
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

// Moves up to `wanted` blocks from a run to the front of a chain.
inline void take_from_run(Segment& segment, Run& run, std::uint32_t wanted, Chain& chain) {
  const SizeClass& info = kSizeClasses[run.size_class];
  std::uint32_t n = 0;
  for (; n < wanted && run.free_blocks != nullptr; ++n) {
    void* block = run.free_blocks;
    run.free_blocks = link_of(block);
    link_of(block) = chain.first;
    chain.first = block;
  }
  char* start = page_address(segment, first_page(segment, run));
  for (; n < wanted && run.carved < info.objects; ++n) {
    void* block = start + static_cast<std::size_t>(run.carved++) * info.size;
    link_of(block) = chain.first;
    chain.first = block;
  }
  run.live = static_cast<std::uint16_t>(run.live + n);
  chain.count += n;
}

// A fresh run from the free pages of the shard's segments; nullptr if no range is long enough.
inline Run* run_from_free_pages(Shard& shard, std::uint32_t c, std::uint32_t alignment = 1) {
  const SegmentKind kind = kind_of_class(c);
  const std::uint32_t pages = kSizeClasses[c].pages;
  if (shard.free_pages[static_cast<int>(kind)].load(std::memory_order_relaxed) < pages) return nullptr;
  List<Segment>& list = shard.segments[static_cast<int>(kind)];
  for (Segment* segment = list.front(); segment != nullptr; segment = segment->next) {
    if (segment->free_pages < pages) continue;
    const std::uint32_t page = find_free_pages(*segment, pages, alignment);
    if (page == 0) continue;
    if (segment != list.front()) {  // what had room this time is likely to have it next time
      list.remove(*segment);
      list.push_front(*segment);
    }
    count_free_pages(shard, kind, -static_cast<std::int32_t>(pages));
    return &bind_run(*segment, page, c);
  }
  return nullptr;
}

inline void take_from_lists(Shard& shard, std::uint32_t c, std::uint32_t wanted, Chain& chain) {
  while (chain.count < wanted) {
    Run* run = !shard.partial[c].empty() ? shard.partial[c].front() : shard.empty[c].front();
    if (run == nullptr) return;
    take_from_run(segment_of(run), *run, wanted - chain.count, chain);
    file_run(shard, *run);
  }
}

inline void take_from_fresh_run(Shard& shard, Run& run, std::uint32_t wanted, Chain& chain) {
  take_from_run(segment_of(&run), run, wanted - chain.count, chain);
  file_run(shard, run);
}

}  // namespace detail

// Gives the pages of an empty run back to its segment. The caller holds the shard's lock.
inline void release_run(Shard& shard, Run& run, ReleaseReason reason) {
  Segment& segment = segment_of(&run);
  const std::uint32_t pages = kSizeClasses[run.size_class].pages;
  detail::unfile_run(shard, run);
  detail::count_free_pages(shard, segment.kind, static_cast<std::int32_t>(pages));
  release_range_definitely_free(segment, first_page(segment, run), pages, reason);
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
  const SlotRange slot = allocate_slots(1, SlotKind::kSegment);
  if (slot.arena == nullptr) return false;
  Segment& segment = create_segment(slot, &shard, kind);
  shard.segments[static_cast<int>(kind)].push_front(segment);
  detail::count_free_pages(shard, kind, static_cast<std::int32_t>(kUsablePages));
  return true;
}

// Gives a wholly free segment back to the arena and its memory to the system. The caller holds the
// lock of the owner. Returns whether the purge worked.
inline bool close_segment(Shard& shard, Segment& segment) {
  shard.segments[static_cast<int>(segment.kind)].remove(segment);
  detail::count_free_pages(shard, segment.kind, -static_cast<std::int32_t>(kUsablePages));
  Arena& arena = *segment.arena;
  segment.magic = 0;
  return release_slots(arena, arena.slot_of(reinterpret_cast<std::uintptr_t>(&segment)), 1);
}

namespace detail {

inline void take_from_dead_shards(Shard& home, std::uint32_t c, std::uint32_t wanted, Chain& chain) {
  for (Shard& shard : g_shards) {
    if (chain.count >= wanted) return;
    if (&shard == &home || shard.threads.load(std::memory_order_relaxed) != 0) continue;
    if (!shard.may_offer(c)) continue;
    os::LockGuard guard(shard.lock);
    take_from_lists(shard, c, wanted, chain);
  }
}

inline bool take_pages_of_dead_shards(Shard& home, std::uint32_t c, std::uint32_t wanted,
                                      Chain& chain) {
  const int kind = static_cast<int>(kind_of_class(c));
  for (Shard& shard : g_shards) {
    if (&shard == &home || shard.threads.load(std::memory_order_relaxed) != 0) continue;
    if (shard.free_pages[kind].load(std::memory_order_relaxed) < kSizeClasses[c].pages) continue;
    os::LockGuard guard(shard.lock);
    Run* run = run_from_free_pages(shard, c);
    if (run == nullptr) continue;
    take_from_fresh_run(shard, *run, wanted, chain);
    return true;
  }
  return false;
}

// Before the heap grows: empty runs of other classes become free pages, which may save a segment.
inline void release_empties_of_kind(Shard& shard, SegmentKind kind) {
  const std::uint32_t from = kind == SegmentKind::kMedium ? kFirstMedium : 1;
  const std::uint32_t to = kind == SegmentKind::kMedium ? kClasses : kFirstMedium;
  for (std::uint32_t c = from; c < to; ++c) release_empty_runs(shard, c, reason_of_class(c));
}

inline void grow_and_take(Shard& home, std::uint32_t c, std::uint32_t wanted, Chain& chain,
                          std::uint32_t alignment) {
  os::LockGuard guard(home.lock);
  Run* run = run_from_free_pages(home, c, alignment);
  if (run == nullptr) {
    release_empties_of_kind(home, kind_of_class(c));
    run = run_from_free_pages(home, c, alignment);
  }
  if (run == nullptr && open_segment(home, kind_of_class(c))) run = run_from_free_pages(home, c, alignment);
  if (run != nullptr) take_from_fresh_run(home, *run, wanted, chain);
}

}  // namespace detail

// Takes between 1 and `wanted` blocks of a class out of the central store, for a thread of shard
// `home`. They count as live from here on. An empty chain means the system has no more memory.
inline Chain take_blocks(Shard& home, std::uint32_t c, std::uint32_t wanted) {
  Chain chain;
  {
    os::LockGuard guard(home.lock);
    detail::take_from_lists(home, c, wanted, chain);
  }
  if (chain.count > 0) return chain;
  detail::take_from_dead_shards(home, c, wanted, chain);
  if (chain.count > 0) return chain;
  {
    os::LockGuard guard(home.lock);
    Run* run = detail::run_from_free_pages(home, c);
    if (run != nullptr) detail::take_from_fresh_run(home, *run, wanted, chain);
  }
  if (chain.count > 0) return chain;
  if (!detail::take_pages_of_dead_shards(home, c, wanted, chain)) {
    detail::grow_and_take(home, c, wanted, chain, 1);
  }
  return chain;
}

// One block of a medium class whose address is a multiple of `alignment` (a power of two from the
// page size to 1 MiB); nullptr when the system has no more memory.
inline void* take_aligned_run(Shard& home, std::uint32_t c, std::size_t alignment) {
  Chain chain;
  detail::grow_and_take(home, c, 1, chain, static_cast<std::uint32_t>(alignment / os::kPageSize));
  return chain.first;
}

namespace detail {

// One block back into its run. The caller holds the lock of the run's shard.
inline void give_back_one(Shard& shard, Segment& segment, void* block) {
  Run& run = run_of(segment, block);
  const SizeClass& info = kSizeClasses[run.size_class];
  const char* start = page_address(segment, first_page(segment, run));
  const auto offset = static_cast<std::uint64_t>(static_cast<char*>(block) - start);
  const std::uint64_t index = (offset * info.reciprocal) >> 32;
  if (index * info.size != offset || index >= run.carved) {
    fatal("invalid free: pointer into the middle of a block", block);
  }
  if (run.live == 0) fatal("double free: the run has no live block", block);
  link_of(block) = run.free_blocks;
  run.free_blocks = block;
  --run.live;
  file_run(shard, run);
}

}  // namespace detail

// Returns a chain of live blocks, of any shards, to the central store.
inline void give_back(Chain chain) {
  Shard* locked = nullptr;
  void* next = nullptr;
  for (void* block = chain.first; block != nullptr; block = next) {
    next = link_of(block);
    Segment& segment = segment_of(block);
    if (segment.magic != kSegmentMagic) fatal("corrupted free list: block in no segment", block);
    Shard* owner = segment.owner;
    if (owner != locked) {
      if (locked != nullptr) locked->lock.unlock();
      locked = owner;
      locked->lock.lock();
    }
    detail::give_back_one(*owner, segment, block);
  }
  if (locked != nullptr) locked->lock.unlock();
}

}  // namespace hz3
