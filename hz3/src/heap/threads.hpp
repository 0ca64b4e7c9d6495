// Threads: how one gets a cache and a shard at its first slow path, and gives them up at its end.
//
// A new thread takes the lowest shard that has no thread, so it reuses what a dead thread left
// there and the number of shards in use follows the number of living threads; if all are taken it
// shares the one with the fewest. The registry's lock guards the choice.
//
// The exit hook is a pthread key, so it runs after C++ thread_local destructors. A program may have
// used up all keys; then the hook is a thread_local destructor itself, the last one as it is
// registered first. Later hooks of other libraries, and the C library when it frees the thread's
// own storage, may still allocate and free: from the hook on the thread uses kEndedCache, whose
// every operation goes straight to the central store of shard 0. No cache is ever made anew for
// such a thread, so nothing can leak.
#pragma once

#include <pthread.h>

#include "heap/free_key.hpp"
#include "heap/tables.hpp"
#include "heap/thread_cache.hpp"
#include "os/environment.hpp"
#include "release/epoch.hpp"

// The C library's part of C++ thread_local destructors; glibc has it, others may not.
extern "C" [[gnu::weak]] int __cxa_thread_atexit_impl(void (*)(void*), void*, void*);

namespace hz3 {

struct Registry {
  os::Lock lock;
  List<ThreadCache> caches;  // of the threads that have one
  bool is_set_up = false;
  bool has_key = false;
  pthread_key_t key = 0;
};

inline constinit Registry g_registry;
inline constinit TablePool<ThreadCache> g_cache_pool;

namespace detail {

inline void enter_registry(ThreadCache& cache) {
  os::LockGuard guard(g_registry.lock);
  Shard* best = &g_shards[0];
  for (Shard& shard : g_shards) {
    if (shard.threads.load(std::memory_order_relaxed) <
        best->threads.load(std::memory_order_relaxed)) {
      best = &shard;
    }
  }
  best->threads.fetch_add(1, std::memory_order_relaxed);
  cache.home = best;
  g_registry.caches.push_front(cache);
}

inline void leave_registry(ThreadCache& cache) {
  os::LockGuard guard(g_registry.lock);
  cache.home->threads.fetch_sub(1, std::memory_order_relaxed);
  g_registry.caches.remove(cache);
}

// The exit hook. The order is fixed: policies, medium blocks, small blocks, sub4k blocks, then the
// boxes of on_thread_exit; the shard is left last, so no new thread can take it while it is being
// emptied.
inline void end_thread(void* argument) {
  auto& cache = *static_cast<ThreadCache*>(argument);
  run_epoch(cache);
  flush_bins(cache, kFirstMedium, kClasses);
  flush_bins(cache, 1, kFirstSub4k);
  flush_bins(cache, kFirstSub4k, kFirstMedium);
  t_cache = const_cast<ThreadCache*>(&kEndedCache);
  on_thread_exit(*cache.home);
  on_thread_end(cache);
  leave_registry(cache);
  detail::end_places(cache);
  g_cache_pool.release(&cache);
}

// Once a process; the key at the first thread that finds one free. Nothing here allocates or waits.
inline bool install_hooks() {
  os::LockGuard guard(g_registry.lock);
  if (!g_registry.is_set_up) {
    choose_free_key();
    os::watch_for_fork();
    g_registry.is_set_up = true;
  }
  if (!g_registry.has_key)
    g_registry.has_key = pthread_key_create(&g_registry.key, end_thread) == 0;
  return g_registry.has_key;
}

// The C library stops the program if it gets no memory for the registration, so that is put within
// reach first.
inline bool end_thread_after_destructors(ThreadCache& cache) {
  if (__cxa_thread_atexit_impl == nullptr) return false;
  const std::uint32_t c = class_of(4 * sizeof(void*));
  if (top_of(cache.bins[c]) == nullptr) {
    void* block = refill_bin(cache, c);
    if (block == nullptr) return false;
    overflow_bin(cache, c, block);
  }
  return __cxa_thread_atexit_impl(end_thread, &cache, &g_registry) == 0;
}

}  // namespace detail

// Makes sure the thread's exit hook will run; without memory slow paths ask again until it is
// armed.
inline void arm_exit_hook(ThreadCache& cache) {
  if (cache.exit_hook_armed) [[likely]]
    return;
  cache.exit_hook_armed = true;  // before the calls, which may allocate and get here again
  cache.exit_hook_armed = detail::install_hooks() ? pthread_setspecific(g_registry.key, &cache) == 0
                                                  : detail::end_thread_after_destructors(cache);
}

// Gives the calling thread a cache; nullptr when the system has no memory for it. Afterwards
// t_cache is real and the exit hook is armed.
[[gnu::noinline, gnu::cold]] inline ThreadCache* attach_thread() {
  read_environment_once();
  void* memory = g_cache_pool.allocate();
  if (memory == nullptr) return nullptr;
  auto* cache = static_cast<ThreadCache*>(memory);
  detail::begin_places(*cache);
  detail::enter_registry(*cache);
  on_thread_begin(*cache);
  cache->epoch = current_epoch();
  t_cache = cache;
  arm_exit_hook(*cache);
  return cache;
}

}  // namespace hz3
