// Threads: how one gets a cache and a shard at its first slow path, and gives them up at its end.
//
// A new thread takes the lowest shard that has no thread, so it reuses what a dead thread left
// there and the number of shards in use follows the number of living threads; if all are taken it
// shares the one with the fewest. The registry's lock guards the choice.
//
// The exit hook is a pthread key, so it runs after C++ thread_local destructors. Later hooks of
// other libraries, and the C library when it frees the thread's own storage, may still allocate and
// free: from the hook on the thread uses kEndedCache, whose every operation goes straight to the
// central store of shard 0. No cache is ever made anew for such a thread, so nothing can leak.
#pragma once

#include <pthread.h>

#include "heap/tables.hpp"
#include "heap/thread_cache.hpp"
#include "os/environment.hpp"
#include "release/epoch.hpp"

namespace hz3 {

struct Registry {
  os::Lock lock;
  List<ThreadCache> caches;  // of the threads that have one
  bool hooks_installed = false;
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
  leave_registry(cache);
  g_cache_pool.release(&cache);
}

}  // namespace detail

void install_process_hooks();  // api/process.hpp: fork handlers and the line printed at exit

// Makes sure the thread's exit hook will run. The key may not exist yet when a thread attaches
// while the first one is still installing the hooks; slow paths therefore ask again until it is
// armed.
inline void arm_exit_hook(ThreadCache& cache) {
  if (cache.exit_hook_armed || !__atomic_load_n(&g_registry.has_key, __ATOMIC_ACQUIRE)) return;
  cache.exit_hook_armed = true;  // before the call, which may allocate and get here again
  if (pthread_setspecific(g_registry.key, &cache) != 0) cache.exit_hook_armed = false;
}

namespace detail {

// Once a process, after the first thread has its cache: the C library's functions allocate.
inline void install_hooks_once() {
  {
    os::LockGuard guard(g_registry.lock);
    if (g_registry.hooks_installed) return;
    g_registry.hooks_installed = true;
  }
  if (pthread_key_create(&g_registry.key, end_thread) == 0) {
    __atomic_store_n(&g_registry.has_key, true, __ATOMIC_RELEASE);
  }
  install_process_hooks();
}

}  // namespace detail

// Gives the calling thread a cache; nullptr when the system has no memory for it. Afterwards
// t_cache is real and the exit hook is armed.
[[gnu::noinline, gnu::cold]] inline ThreadCache* attach_thread() {
  read_environment_once();
  void* memory = g_cache_pool.allocate();
  if (memory == nullptr) return nullptr;
  auto* cache = static_cast<ThreadCache*>(memory);
  detail::enter_registry(*cache);
  cache->budget = knob::value(knob::Name::thread_cache_bytes);
  cache->epoch = current_epoch();
  t_cache = cache;
  detail::install_hooks_once();
  arm_exit_hook(*cache);
  return cache;
}

}  // namespace hz3
