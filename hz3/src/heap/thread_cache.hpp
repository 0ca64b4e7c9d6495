// Thread caches: a bin of free blocks per size class and thread, so that malloc and free are a few
// instructions on memory nobody else touches.
//
// Every thread starts with a shared, read-only cache whose bins are empty and have no room, so the
// hot path needs no test for "is this thread set up": malloc finds no block, free finds no room,
// and both go to the slow path, which sets the thread up. The same trick serves a thread that is
// past its end (a second such cache): its blocks then bypass the cache.
//
// Bounds: a bin's limit starts small and grows while the bin proves too small, up to
// HZ3_TCACHE_CLASS_BYTES and _OBJS; the sum of limit times size over all bins never exceeds
// the knob thread_cache_bytes, a bin that wants more takes it from another. Only the owning thread
// touches a cache, except in a forked child.
#pragma once

#include "heap/bin_places.hpp"
#include "heap/points.hpp"
#include "policy/box_state.hpp"
#include "remote/store.hpp"

namespace hz3 {

struct ThreadCache {
  Bin bins[kClasses];
  std::int32_t taken[kClasses];  // blocks the thread took from the store less those it gave back
  std::int64_t taken_bytes;      // the same in bytes, over all classes
  ThreadCache* previous;         // neighbours in the registry's list
  ThreadCache* next;
  Shard* home;
  std::uint64_t budget;        // bytes of thread_cache_bytes not yet given to a bin
  std::uint64_t epoch;         // the last epoch this thread's policies ran in
  std::uint64_t visits;        // of slow paths
  std::uint32_t slow_ops;      // of them, since the thread looked at the clock
  std::uint32_t steal_cursor;  // where the search for a bin to take budget from goes on
  bool in_epoch;               // guards against a policy starting itself again
  bool exit_hook_armed;        // the thread's exit will run the hook of threads.hpp
  [[no_unique_address]] BinPlaces<flag::S314_ARRAY_BINS, detail::kFirstPlaces.at[kClasses]> places;
  BoxState boxes;
};

inline constinit const ThreadCache kUnsetCache{};  // the thread has not used the allocator yet
inline constinit const ThreadCache kEndedCache{};  // the thread has run its exit hook

// The only thread-local variable: one pointer, initial-exec, so it takes 8 bytes of static TLS.
inline constinit thread_local ThreadCache* t_cache [[gnu::tls_model("initial-exec")]] =
    const_cast<ThreadCache*>(&kUnsetCache);

inline bool is_real(const ThreadCache* cache) {
  return cache != &kUnsetCache && cache != &kEndedCache;
}

// Notes that the thread took blocks from the store, or gave some back (negative).
inline void count_taken(ThreadCache& cache, std::uint32_t c, std::int32_t blocks) {
  cache.taken[c] += blocks;
  cache.taken_bytes += std::int64_t{blocks} * kSizeClasses[c].size;
}

// Takes the `n` blocks that came last out of a bin, for somebody else.
inline Batch take_out(ThreadCache& cache, std::uint32_t c, std::uint32_t n) {
  count_taken(cache, c, -static_cast<std::int32_t>(n));
  return pop_batch(cache.bins[c], n);
}

// Returns `n` blocks of a bin to the runs they came from.
inline void flush_bin(ThreadCache& cache, std::uint32_t c, std::uint32_t n) {
  while (n > 0) {
    const std::uint32_t some = n < Batch::kMost ? n : Batch::kMost;
    give_back(take_out(cache, c, some));
    n -= some;
  }
}

// Lowers a bin's limit to `limit`, giving back what no longer fits, and returns its bytes to the
// thread's budget.
inline void shrink_bin(ThreadCache& cache, std::uint32_t c, std::uint32_t limit) {
  Bin& bin = cache.bins[c];
  if (limit >= bin.limit) return;
  const std::uint32_t held = count_of(bin);
  if (held > limit) flush_bin(cache, c, held - limit);
  cache.budget += static_cast<std::uint64_t>(bin.limit - limit) * kSizeClasses[c].size;
  set_limit(bin, limit);
  detail::fit_places(cache, c, limit);
}

namespace detail {

// Frees budget by halving the limit of other bins, in turn; looks at most once at each.
inline void steal_budget(ThreadCache& cache, std::uint32_t c, std::uint64_t bytes) {
  for (std::uint32_t i = 1; i < kClasses && cache.budget < bytes; ++i) {
    cache.steal_cursor = cache.steal_cursor + 1 < kClasses ? cache.steal_cursor + 1 : 1;
    const std::uint32_t victim = cache.steal_cursor;
    const std::uint32_t limit = cache.bins[victim].limit;
    if (victim == c || limit <= kLimits.smallest[victim]) continue;
    shrink_bin(cache, victim,
               limit / 2 > kLimits.smallest[victim] ? limit / 2 : kLimits.smallest[victim]);
  }
}

}  // namespace detail

// Lets a bin that proved too small hold more; false if it is at its largest or no budget is left.
inline bool grow_bin(ThreadCache& cache, std::uint32_t c) {
  Bin& bin = cache.bins[c];
  const std::uint32_t largest = detail::kLimits.largest[c];
  if (bin.limit >= largest) return false;
  std::uint32_t more =
      bin.limit < detail::kLimits.smallest[c] ? detail::kLimits.smallest[c] : bin.limit;
  if (flag::S316_LEAST_OBJS > 0 && more == 0) more = 1;
  if (bin.limit + more > largest) more = largest - bin.limit;
  const std::uint64_t bytes = static_cast<std::uint64_t>(more) * kSizeClasses[c].size;
  if (cache.budget < bytes) on_budget_short(cache);
  if (cache.budget < bytes) detail::steal_budget(cache, c, bytes);
  if (cache.budget < bytes) return false;
  if (!detail::fit_places(cache, c, bin.limit + more)) return false;
  cache.budget -= bytes;
  set_limit(bin, bin.limit + more);
  return true;
}

// Fills an empty bin from the store and returns one block more; nullptr without memory.
inline void* refill_bin(ThreadCache& cache, std::uint32_t c) {
  Bin& bin = cache.bins[c];
  const bool first = bin.limit == 0;
  grow_bin(cache, c);
  on_refill(cache, c);
  std::uint32_t wanted = bin.limit / 2 + 1;
  if (flag::S320_EARNED_BUDGET && first) wanted = first_wish(c) < wanted ? first_wish(c) : wanted;
  if (wanted > static_cast<std::uint32_t>(flag::REFILL_BATCH))
    wanted = static_cast<std::uint32_t>(flag::REFILL_BATCH);
  const std::uint32_t most = room_of(bin) + 1 < Batch::kMost ? room_of(bin) + 1 : Batch::kMost;
  Batch batch = g_store.take(*cache.home, c, {wanted, most});
  if (batch.empty()) return nullptr;
  count_taken(cache, c, static_cast<std::int32_t>(batch.count()));
  void* block = batch.pop();
  fill(bin, batch);
  return block;
}

// Gives a block straight to the run it came from.
inline void give_back_uncached(ThreadCache& cache, std::uint32_t c, void* block) {
  count_taken(cache, c, -1);
  give_back(batch_of_one(block));
}

// Lowers the limit of a full bin, leaves it half full, and puts a block there if there is room.
[[gnu::noinline, gnu::cold]] inline void lower_full_bin(ThreadCache& cache, std::uint32_t c,
                                                        std::uint32_t limit, void* block) {
  on_give_back(cache);
  Bin& bin = cache.bins[c];
  const std::int32_t before = cache.taken[c];
  shrink_bin(cache, c, limit);
  flush_bin(cache, c, (count_of(bin) + 1) / 2);
  if (is_full(bin))
    give_back_uncached(cache, c, block);
  else
    push(bin, block);
  on_gave_back(cache, c, static_cast<std::uint32_t>(before - cache.taken[c]));
}

// Puts a block into a bin that is full, after making it larger or giving half of it to the store;
// or, where a policy says so, after making it smaller.
inline void overflow_bin(ThreadCache& cache, std::uint32_t c, void* block) {
  Bin& bin = cache.bins[c];
  const std::uint32_t limit = limit_when_full(cache, c, block);
  if (limit != UINT32_MAX) return lower_full_bin(cache, c, limit, block);
  const bool begins = bin.limit == 0;
  if (!grow_bin(cache, c)) {
    on_overflow(cache, c);
    if (bin.limit == 0) return give_back_uncached(cache, c, block);  // a class that is not cached
    const std::uint32_t half = (count_of(bin) + 1) / 2;
    const auto batch = static_cast<std::uint32_t>(flag::REFILL_BATCH);
    for (std::uint32_t left = half; left > 0;) {
      const std::uint32_t n = left < batch ? left : batch;
      g_store.put(*cache.home, c, take_out(cache, c, n));
      left -= n;
    }
  }
  if (begins && stays_away(cache, c, block)) return give_back_uncached(cache, c, block);
  push(bin, block);
}

// Empties every bin of the classes [from, to).
inline void flush_bins(ThreadCache& cache, std::uint32_t from, std::uint32_t to) {
  for (std::uint32_t c = from; c < to; ++c) flush_bin(cache, c, count_of(cache.bins[c]));
}

}  // namespace hz3
