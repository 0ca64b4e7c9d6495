// Box S317. A batch on its way home, sorted by run before any lock is taken: each run is then
// visited once, with a chain of all the blocks that go to it, and a shard's lock is held for a
// splice a run instead of a walk over the blocks.
//
// A block that is live keeps its run, segment and shard, so they may be read without the lock. What
// the run's other fields say is read under it.
//
// Blocks are sorted by hashing the address of their run's descriptor into a table on the stack.
// What finds no place there, because the batch comes from more runs than the table has, waits for
// the next round.
#pragma once

#include "heap/batch.hpp"
#include "heap/run_list.hpp"
#include "heap/shard.hpp"
#include "observe/stats.hpp"

namespace hz3 {

struct SortStats {
  Counter batches, blocks, runs;
};
inline constinit SortStats g_sort_stats;

// Blocks of one run, linked from `first` to `last`.
struct RunChain {
  Run* run;
  Shard* owner;  // nullptr once they are home
  void* first;
  void* last;
  std::uint32_t count;
  std::uint32_t last_index;     // of `last` in the run
  std::uint32_t highest_index;  // of all of them
};

namespace detail {

inline constexpr std::uint32_t kSortPlaces = 128;  // of the table, a power of two
inline constexpr std::uint32_t kMostChains = 64;   // half of them, so that one is found at once

class SortedBatch {
 public:
  // Takes blocks off the batch until it is empty; those that found no place stay.
  void take(Batch& batch) {
    Batch others;
    while (!batch.empty()) {
      void* block = batch.pop();
      if (!add(block)) others.push(block);
    }
    batch = others;
  }

  // Calls `visit` for every chain of a shard, then `done` for the shard, under its lock.
  template <typename Visit, typename Done>
  void for_each_shard(Visit visit, Done done) {
    for (std::uint32_t i = 0; i < used_; ++i) {
      Shard* owner = chains_[i].owner;
      if (owner == nullptr) continue;  // visited with an earlier one
      os::LockGuard guard(owner->lock);
      std::uint32_t blocks = 0;
      for (std::uint32_t k = i; k < used_; ++k) {
        if (chains_[k].owner != owner) continue;
        chains_[k].owner = nullptr;
        blocks += chains_[k].count;
        visit(*owner, chains_[k]);
      }
      done(*owner, blocks);
    }
  }

  std::uint32_t runs() const { return used_; }

 private:
  // The place of a run in the table, or a free one.
  std::uint8_t& place_of(const Run* run) {
    // Runs of a segment differ in these bits of their descriptor's address, segments above them.
    const auto address = reinterpret_cast<std::uintptr_t>(run);
    auto at = static_cast<std::uint32_t>((address >> 5) ^ (address >> kSegmentShift)) % kSortPlaces;
    while (places_[at] != 0 && chains_[places_[at] - 1].run != run) at = (at + 1) % kSortPlaces;
    return places_[at];
  }

  bool add(void* block) {
    Segment& segment = segment_of(block);
    if (segment.magic != kSegmentMagic) fatal("corrupted free list: block in no segment", block);
    Run& run = run_of(segment, block);
    std::uint8_t& place = place_of(&run);
    if (place == 0) {
      if (used_ == kMostChains) return false;
      const std::uint32_t index = index_of(segment, run, block);
      link_of(block) = nullptr;
      chains_[used_++] = {&run, segment.owner, block, block, 1, index, index};
      place = static_cast<std::uint8_t>(used_);
      return true;
    }
    RunChain& chain = chains_[place - 1];
    const std::uint32_t index = index_of(segment, run, block);
    link_of(block) = chain.first;
    chain.first = block;
    ++chain.count;
    if (index > chain.highest_index) chain.highest_index = index;
    return true;
  }

  static std::uint32_t index_of(Segment& segment, const Run& run, const void* block) {
    const SizeClass& info = kSizeClasses[run.size_class];
    const char* start = page_address(segment, first_page(segment, run));
    const auto offset = static_cast<std::uint64_t>(static_cast<const char*>(block) - start);
    const std::uint64_t index = (offset * info.reciprocal) >> 32;
    if (index * info.size != offset) {
      fatal("invalid free: pointer into the middle of a block", block);
    }
    return static_cast<std::uint32_t>(index);
  }

  std::uint8_t places_[kSortPlaces] = {};  // 1 + index in chains_; 0: none
  RunChain chains_[kMostChains];
  std::uint32_t used_ = 0;
};

// All blocks of a chain back into their run. The caller holds the lock of the run's shard.
inline void splice_chain(Shard& shard, const RunChain& chain) {
  static_assert(!flag::S317_SORT_BY_RUN || !flag::S314_RUN_BITMAP,
                "the chain becomes part of the run's list");
  Run& run = *chain.run;
  if (chain.highest_index >= run.carved) {
    fatal("invalid free: pointer into the middle of a block", chain.first);
  }
  if (run.live < chain.count) fatal("double free: the run has no live block", chain.first);
  if (run.free_blocks == 0) run.last_free = static_cast<std::uint16_t>(chain.last_index);
  link_of(chain.last) = RunList::first_of(run);
  os::order_stores();  // a forked child goes over the list
  run.free_blocks = reinterpret_cast<std::uintptr_t>(chain.first);
  run.live = static_cast<std::uint16_t>(run.live - chain.count);
  file_run(shard, run);
  if (run.live == 0) on_run_empty(shard, run);
}

}  // namespace detail

// Returns a batch of live blocks of one class, of any shards, to their runs.
inline void give_back_sorted(Batch batch) {
  g_sort_stats.batches.add(1);
  g_sort_stats.blocks.add(batch.count());
  while (!batch.empty()) {
    detail::SortedBatch sorted;
    sorted.take(batch);
    g_sort_stats.runs.add(sorted.runs());
    std::uint32_t size_class = 0;
    sorted.for_each_shard(
        [&](Shard& shard, const RunChain& chain) {
          size_class = chain.run->size_class;  // before the run may go
          detail::splice_chain(shard, chain);
        },
        [&](Shard& shard, std::uint32_t blocks) {
          detail::count_outside(shard, size_class, -static_cast<std::int32_t>(blocks));
        });
  }
}

inline void print_sort_stats() {
  if constexpr (!flag::S317_SORT_BY_RUN) return;
  const auto& s = g_sort_stats;
  print_line("HZ3_S317_SORT_BY_RUN",
             {{"batches", s.batches}, {"blocks", s.blocks}, {"runs", s.runs}});
}

}  // namespace hz3
