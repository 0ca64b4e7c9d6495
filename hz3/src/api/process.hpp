// Process-wide hooks: a consistent allocator in a forked child, and the stats lines at exit.
//
// fork: the parent's thread takes every lock in lock order before the fork and lets them go after,
// so the child sees no half-done change. In the child only the forking thread exists; the shards of
// the others count as dead there, so their pages are adopted. What lay in the other threads' caches
// stays allocated in the child for good; it is bounded by their HZ3_TCACHE_BYTES.
#pragma once

#include <pthread.h>

#include "heap/threads.hpp"

namespace hz3 {

namespace detail {

inline void before_fork() {
  g_registry.lock.lock();
  each_box_lock([](os::Lock& lock) { lock.lock(); });
  for (Shard& shard : g_shards) shard.lock.lock();
  g_large_cache.lock().lock();
  g_arenas.lock.lock();
  g_cache_pool.lock().lock();
}

inline void after_fork_in_parent() {
  g_cache_pool.lock().unlock();
  g_arenas.lock.unlock();
  g_large_cache.lock().unlock();
  for (Shard& shard : g_shards) shard.lock.unlock();
  each_box_lock([](os::Lock& lock) { lock.unlock(); });
  g_registry.lock.unlock();
}

inline void after_fork_in_child() {
  g_cache_pool.lock().reset();
  g_arenas.lock.reset();
  g_large_cache.lock().reset();
  for (Shard& shard : g_shards) {
    shard.lock.reset();
    shard.threads.store(0, std::memory_order_relaxed);
  }
  each_box_lock([](os::Lock& lock) { lock.reset(); });
  g_registry.lock.reset();
  if (ThreadCache* cache = t_cache; is_real(cache))
    cache->home->threads.store(1, std::memory_order_relaxed);
  on_fork_child();
}

}  // namespace detail

inline void install_process_hooks() {
  pthread_atfork(detail::before_fork, detail::after_fork_in_parent, detail::after_fork_in_child);
}

}  // namespace hz3

// Runs when the process exits in the ordinary way, after the program's own exit handlers.
[[gnu::destructor]] static void hz3_print_stats_at_exit() { hz3::print_stats(); }
