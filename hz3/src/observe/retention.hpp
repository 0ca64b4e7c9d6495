// Box S55. Retention observe: which level holds what, at the moment when most of the arena was in
// use: bins, store, free blocks of medium runs, whole slots, free pages with memory. It only looks,
// at most every kEvery epochs. The numbers are the books', under the names of the original.
#pragma once

#include "observe/census.hpp"

namespace hz3 {

struct Retention {
  std::uint64_t tls_small = 0;       // in bins, small and sub4k classes
  std::uint64_t tls_medium = 0;      // in bins, medium classes
  std::uint64_t owner_stash = 0;     // in the store
  std::uint64_t central_medium = 0;  // of medium runs, not out of them
  std::uint64_t arena_used = 0;      // slots in use, whole
  std::uint64_t pack_pool_free = 0;  // free pages of segments that hold memory
};

namespace detail {

struct RetentionMost {
  os::Lock lock;
  std::uint64_t calls = 0;
  Retention most;
};
inline constinit RetentionMost g_retention_most;
inline constinit std::atomic<std::uint64_t> g_retention_next{0};
inline constexpr std::uint64_t kRetentionEvery = 8;

inline void observe_retention_now() {
  Breakdown more{};
  const Books books = take_census(&more);
  Retention now;
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const ClassBooks& of_class = more.classes[c];
    (is_medium(c) ? now.tls_medium : now.tls_small) += of_class.cached;
    if (is_medium(c)) now.central_medium += of_class.pages - of_class.out;
  }
  now.owner_stash = books.stored;
  now.arena_used = books.segments + books.live - books.run_live + books.waiting;
  for (const ShardBooks& shard : more.shards) now.pack_pool_free += shard.free_dirty;
  RetentionMost& most = g_retention_most;
  os::LockGuard guard(most.lock);
  ++most.calls;
  if (most.calls == 1 || now.arena_used > most.most.arena_used) most.most = now;
}

}  // namespace detail

// At on_epoch. No lock is held.
inline void observe_retention(std::uint64_t epoch) {
  if constexpr (!flag::S55_RETENTION_OBSERVE) return;
  std::uint64_t next = detail::g_retention_next.load(std::memory_order_relaxed);
  if (epoch < next) return;
  if (detail::g_retention_next.compare_exchange_strong(next, epoch + detail::kRetentionEvery))
    detail::observe_retention_now();
}

inline void repair_retention_in_child() { (void)detail::g_retention_most.lock.reset(); }

inline void print_retention_stats() {
  if constexpr (!flag::S55_RETENTION_OBSERVE) return;
  detail::observe_retention_now();
  const Retention& most = detail::g_retention_most.most;
  LineWriter line;
  line.text("[HZ3_RETENTION_OBS] calls=").decimal(detail::g_retention_most.calls);
  line.text(" tls_small_bytes=").decimal(most.tls_small);
  line.text(" tls_medium_bytes=").decimal(most.tls_medium);
  line.text(" owner_stash_bytes=").decimal(most.owner_stash);
  line.text(" central_medium_bytes=").decimal(most.central_medium);
  line.text(" arena_used_bytes=").decimal(most.arena_used);
  line.text(" pack_pool_free_bytes=").decimal(most.pack_pool_free);
  line.write_to(2);
}

}  // namespace hz3
