// Process-wide hooks: a consistent allocator in a forked child, and the stats lines at exit.
//
// fork. hz3 takes no lock for a fork and registers no handler that runs before one. A handler that
// held its locks would make them wait for others: those of the C library's streams, which fork
// takes after the handlers and which a thread may hold while it allocates, and that of the list of
// handlers, under which the C library allocates. So a fork finds other threads anywhere, and it is
// the child that sets things right, before it takes its first lock of ours:
//   - what a free lock guards is whole; every lock is set free;
//   - what a held lock guards is rebuilt or given up (child_repair.hpp and the structures' own
//     functions; a box's at on_fork_child);
//   - only the forking thread exists. Its cache is its own and whole. The shards of the others
//   count
//     as dead, so their pages are adopted; what lay in their caches, each bounded by
//     thread_cache_bytes, or was on its way between them and the runs, stays allocated for good.
//
// The child notices by itself (os/fork_mark.hpp), so handlers of other libraries may use the heap,
// whenever they were registered. Whoever adds a lock adds its repair here.
#pragma once

#include <pthread.h>

#include "heap/child_repair.hpp"
#include "heap/threads.hpp"

namespace hz3 {

namespace detail {

inline void repair_registry_in_child() {
  g_registry.lock.reset();
  g_registry.caches = {};
  ThreadCache* cache = t_cache;
  if (!is_real(cache)) return;
  cache->home->threads.store(1, std::memory_order_relaxed);
  g_registry.caches.push_front(*cache);
}

}  // namespace detail

// Runs once in a child, while it has one thread.
[[gnu::noinline, gnu::cold]] inline void repair_child() {
  os::acknowledge_child();  // what follows takes locks
  detail::repair_arenas_in_child();
  detail::repair_large_cache_in_child();
  detail::repair_shards_in_child();
  g_cache_pool.repair_child();
  g_place_pool.repair_child();
  detail::repair_registry_in_child();
  detail::recount_footprint();
  on_fork_child();
}

namespace detail {

// Before the child can have a second thread; the only notice on kernels without the page.
inline void handle_fork_in_child() {
  if (os::is_fresh_child() || !os::can_notice_fork()) repair_child();
}

}  // namespace detail

}  // namespace hz3

// Not at the first allocation: that may be one of pthread_atfork itself, under the lock of the list
// of handlers.
[[gnu::constructor]] static void hz3_register_fork_handler() {
  pthread_atfork(nullptr, nullptr, hz3::detail::handle_fork_in_child);
}

// Runs when the process exits in the ordinary way, after the program's own exit handlers.
[[gnu::destructor]] static void hz3_print_stats_at_exit() { hz3::print_stats(); }
