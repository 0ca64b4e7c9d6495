// The central store: how blocks move between the runs of the shards and the threads, in batches.
//
// Blocks have no owner. A thread that frees a block of another shard keeps it in its own cache;
// what overflows goes back to the run the block came from. So a remote free costs the thread
// nothing by itself, and a shard's lock is taken once a batch. A thread that finds its own shard
// empty takes from shards whose threads have all ended before it opens a new segment; that is how
// the pages of dead threads are adopted.
//
// Invariant: a pointer handed to give_back is live, so its run, segment and owner are stable.
//
// Rule for speed: under a lock blocks are named, not touched. Touching one may miss the cache,
// because another processor freed it, or fault, because it never existed.
#pragma once

#include <cstring>

#include "heap/delivery.hpp"
#include "heap/populate.hpp"
#include "heap/sort_by_run.hpp"

namespace hz3 {

namespace detail {

// Moves blocks from a run to a delivery that holds fewer than wanted: blocks that came back first,
// then blocks that never existed.
inline void take_from_run(Segment& segment, Run& run, Wish wish, Delivery& delivery) {
  if (run.carved > run.live) {
    const std::uint32_t n = RunBlocks::take(segment, run, wish, delivery);
    run.live = static_cast<std::uint16_t>(run.live + n);
    count_outside(*segment.owner, run.size_class, static_cast<std::int32_t>(n));
  }
  const SizeClass& info = kSizeClasses[run.size_class];
  if (delivery.count() >= wish.wanted || run.carved == info.objects) return;
  const std::uint32_t left = info.objects - run.carved;
  const std::uint32_t missing = wish.wanted - delivery.count();
  const std::uint32_t fresh = missing < left ? missing : left;
  delivery.fresh = page_address(segment, first_page(segment, run)) +
                   static_cast<std::size_t>(run.carved) * info.size;
  delivery.fresh_count = fresh;
  note_carved(segment, run, fresh);
  run.carved = static_cast<std::uint16_t>(run.carved + fresh);
  run.live = static_cast<std::uint16_t>(run.live + fresh);
  count_outside(*segment.owner, run.size_class, static_cast<std::int32_t>(fresh));
}

inline void take_from_lists(Shard& shard, std::uint32_t c, Wish wish, Delivery& delivery) {
  while (delivery.wants_more(wish)) {
    Run* run = !shard.partial[c].empty() ? shard.partial[c].front() : shard.empty[c].front();
    if (run == nullptr) return;
    take_from_run(segment_of(run), *run, wish, delivery);
    file_run(shard, *run);
  }
}

inline void take_from_fresh_run(Shard& shard, Run& run, Wish wish, Delivery& delivery) {
  take_from_run(segment_of(&run), run, wish, delivery);
  file_run(shard, run);
}

inline void take_from_dead_shards(Shard& home, std::uint32_t c, Wish wish, Delivery& delivery) {
  for (Shard& shard : g_shards) {
    if (delivery.count() > 0) return;
    if (&shard == &home || shard.threads.load(std::memory_order_relaxed) != 0) continue;
    if (!shard.may_offer(c)) continue;
    os::LockGuard guard(shard.lock);
    take_from_lists(shard, c, wish, delivery);
  }
}

inline void take_pages(Shard& shard, std::uint32_t c, Wish wish, Delivery& delivery,
                       std::uint32_t alignment = 1) {
  Run* run = run_from_free_pages(shard, c, alignment, delivery.stale);
  if (run == nullptr) return;
  delivery.populate = plan_populate(shard, segment_of(run), *run);
  take_from_fresh_run(shard, *run, wish, delivery);
}

// The last resort of a heap that cannot grow: what shards with threads have left over.
inline void take_from_living_shards(Shard& home, std::uint32_t c, Wish wish, Delivery& delivery) {
  const int kind = static_cast<int>(kind_of_class(c));
  for (Shard& shard : g_shards) {
    if (delivery.count() > 0) return;
    if (&shard == &home) continue;
    if (!shard.may_offer(c) &&
        shard.free_pages[kind].load(std::memory_order_relaxed) < kSizeClasses[c].pages)
      continue;
    os::LockGuard guard(shard.lock);
    take_from_lists(shard, c, wish, delivery);
    if (delivery.count() == 0) take_pages(shard, c, wish, delivery);
  }
}

inline void take_pages_of_dead_shards(Shard& home, std::uint32_t c, Wish wish, Delivery& delivery) {
  const int kind = static_cast<int>(kind_of_class(c));
  for (Shard& shard : g_shards) {
    if (delivery.count() > 0) return;
    if (&shard == &home || shard.threads.load(std::memory_order_relaxed) != 0) continue;
    if (shard.free_pages[kind].load(std::memory_order_relaxed) < kSizeClasses[c].pages) continue;
    os::LockGuard guard(shard.lock);
    take_pages(shard, c, wish, delivery);
  }
}

// Before the heap grows: empty runs of other classes become free pages, which may save a segment.
inline void release_empties_of_kind(Shard& shard, SegmentKind kind) {
  const std::uint32_t from = kind == SegmentKind::kMedium ? kFirstMedium : 1;
  const std::uint32_t to = kind == SegmentKind::kMedium ? kClasses : kFirstMedium;
  for (std::uint32_t c = from; c < to; ++c) release_empty_runs(shard, c, reason_of_class(c));
}

inline void grow_and_take(Shard& home, std::uint32_t c, Wish wish, Delivery& delivery,
                          std::uint32_t alignment = 1) {
  os::LockGuard guard(home.lock);
  take_pages(home, c, wish, delivery, alignment);
  if (delivery.count() > 0) return;
  release_empties_of_kind(home, kind_of_class(c));
  take_pages(home, c, wish, delivery, alignment);
  if (delivery.count() > 0 || !open_segment(home, kind_of_class(c))) return;
  take_pages(home, c, wish, delivery, alignment);
}

// Where blocks come from, nearest first; a later source is asked only if the earlier ones had none.
inline Delivery take_delivery(Shard& home, std::uint32_t c, Wish wish) {
  Delivery delivery;
  {
    os::LockGuard guard(home.lock);
    take_from_lists(home, c, wish, delivery);
  }
  if (delivery.count() == 0) take_from_dead_shards(home, c, wish, delivery);
  if (delivery.count() == 0) {
    os::LockGuard guard(home.lock);
    take_pages(home, c, wish, delivery);
  }
  if (delivery.count() == 0) take_pages_of_dead_shards(home, c, wish, delivery);
  if (delivery.count() == 0) {
    const bool others_first = on_growth();
    if (others_first) take_from_living_shards(home, c, wish, delivery);
    if (delivery.count() == 0) grow_and_take(home, c, wish, delivery);
    if (delivery.count() == 0) take_from_living_shards(home, c, wish, delivery);
  }
  return delivery;
}

inline void clear_stale_pages(const Delivery& delivery, std::size_t bytes) {
  const std::uint32_t first = page_in_segment(delivery.fresh);
  const auto pages = static_cast<std::uint32_t>((bytes + os::kPageSize - 1) >> os::kPageShift);
  const std::uint32_t end = first + pages;
  for (std::uint32_t page = delivery.stale.next_set(first); page < end;) {
    const std::uint32_t clean = delivery.stale.next_clear(page);
    const std::uint32_t stop = clean < end ? clean : end;
    std::memset(delivery.fresh + (page - first) * os::kPageSize, 0, (stop - page) * os::kPageSize);
    page = delivery.stale.next_set(stop);
  }
}

// Faults in what plan_populate chose. No lock is held for that, so another thread of the shard may
// have purged the free part before the call brings it back; it is noted again, else no purge would
// find it. The caller's fresh blocks keep the segment, and its owner, as they are.
inline void fault_in_ahead(const AheadRange& range) {
  os::populate(range.start, range.bytes);
  Segment& segment = segment_of(range.start);
  const std::uint32_t first = page_in_segment(range.start);
  const auto end = first + static_cast<std::uint32_t>(range.bytes >> os::kPageShift);
  Shard& owner = *segment.owner;
  os::LockGuard guard(owner.lock);
  for (std::uint32_t page = first; page < end; ++page) {
    if (segment.dirty_bits.test(page)) continue;
    segment.dirty_bits.set(page, 1);
    if (!segment.free_bits.test(page)) continue;
    count_purgeable(owner, 1);
    add_footprint(os::kPageSize);
  }
}

// Makes one batch of a delivery: fresh blocks first, lowest address first, then the pieces.
inline Batch batch_of(const Delivery& delivery, std::uint32_t c) {
  if (delivery.populate.bytes != 0) fault_in_ahead(delivery.populate);
  const std::size_t size = kSizeClasses[c].size;
  Batch batch;
  for (std::uint32_t i = delivery.piece_count; i > 0; --i)
    RunBlocks::add_to(batch, delivery.pieces[i - 1], size);
  for (std::uint32_t i = delivery.fresh_count; i > 0; --i)
    batch.push(delivery.fresh + static_cast<std::size_t>(i - 1) * size);
  return batch;
}

}  // namespace detail

// Takes blocks of a class out of the central store, for a thread of shard `home`: at least one,
// about as many as wanted, and no more than it can take. They count as live from here on. An empty
// batch means the system has no more memory.
inline Batch take_blocks(Shard& home, std::uint32_t c, Wish wish) {
  return detail::batch_of(detail::take_delivery(home, c, wish), c);
}

// One block of a medium class, the first `bytes` of which read as zero; nullptr when the system has
// no more memory. What is known to be zero is not touched.
inline void* take_zeroed_run(Shard& home, std::uint32_t c, std::size_t bytes) {
  const Delivery delivery = detail::take_delivery(home, c, {1, 1});
  if (delivery.returned > 0) {
    void* block = RunBlocks::first(delivery.pieces[0], kSizeClasses[c].size);
    return std::memset(block, 0, bytes);
  }
  if (delivery.fresh != nullptr) detail::clear_stale_pages(delivery, bytes);
  return delivery.fresh;
}

// One block of a medium class whose address is a multiple of `alignment` (a power of two from the
// page size to 1 MiB); nullptr when the system has no more memory.
inline void* take_aligned_run(Shard& home, std::uint32_t c, std::size_t alignment) {
  Delivery delivery;
  on_growth();
  detail::grow_and_take(home, c, {1, 1}, delivery,
                        static_cast<std::uint32_t>(alignment / os::kPageSize));
  return delivery.fresh;
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
  if constexpr (RunBlocks::kHoldsIsCheap) {
    if (RunBlocks::holds(segment, run, static_cast<std::uint32_t>(index)))
      fatal("double free: the block is in its run", block);
  }
  RunBlocks::put(segment, run, block, static_cast<std::uint32_t>(index));
  --run.live;
  file_run(shard, run);
  if (run.live == 0) on_run_empty(shard, run);
}

}  // namespace detail

// Returns a batch of live blocks of one class, of any shards, to their runs. Goes over the batch
// once for every shard it meets, so each shard is locked once however the blocks are mixed.
inline void give_back(Batch batch) {
  if (flag::S317_SORT_BY_RUN && batch.count() > 1) return give_back_sorted(batch);
  while (!batch.empty()) {
    Shard* owner = nullptr;
    std::uint32_t size_class = 0;
    std::int32_t blocks = 0;
    Batch others;  // blocks of further shards, for the next round
    while (!batch.empty()) {
      void* block = batch.pop();
      Segment& segment = segment_of(block);
      if (segment.magic != kSegmentMagic) fatal("corrupted free list: block in no segment", block);
      if (owner == nullptr) {
        owner = segment.owner;
        owner->lock.lock();
        size_class = run_of(segment, block).size_class;
      }
      if (segment.owner == owner) {
        detail::give_back_one(*owner, segment, block);
        ++blocks;
      } else {
        others.push(block);
      }
    }
    detail::count_outside(*owner, size_class, -blocks);
    owner->lock.unlock();
    batch = others;
  }
}

}  // namespace hz3
