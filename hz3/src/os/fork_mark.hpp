// How a process notices that it is a forked child, without a handler, a system call or a look at
// the clock: one word in a page that the kernel zeroes in every child (MADV_WIPEONFORK,
// Linux 4.14).
//
// A handler of pthread_atfork would be too late: those of other libraries may run before it and use
// the heap. A child made by vfork, and a thread, share the memory and are rightly not noticed.
// Where the kernel cannot do it, the word is an ordinary one and the handler has to do.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/pages.hpp"

namespace hz3::os {

namespace detail {

inline constinit std::uint32_t g_ordinary_mark = 1;
inline constinit std::uint32_t* g_fork_mark = &g_ordinary_mark;

}  // namespace detail

// True in a child of fork until it acknowledges.
inline bool is_fresh_child() {
  return __atomic_load_n(__atomic_load_n(&detail::g_fork_mark, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELAXED) == 0;
}

// Whether is_fresh_child() can ever say so.
inline bool can_notice_fork() { return detail::g_fork_mark != &detail::g_ordinary_mark; }

inline void acknowledge_child() {
  __atomic_store_n(detail::g_fork_mark, std::uint32_t{1}, __ATOMIC_RELAXED);
}

// A forked child that finds something stored after this by a thread that it does not have finds
// what that thread stored before as well. Only the compiler has to be told; fork stops the stores
// of all threads at one moment, between two instructions of each.
inline void order_stores() { std::atomic_signal_fence(std::memory_order_seq_cst); }

// Once a process; children inherit it.
inline void watch_for_fork() {
#ifdef MADV_WIPEONFORK
  void* page = map_tables(kPageSize);
  if (page == nullptr) return;
  if (::madvise(page, kPageSize, MADV_WIPEONFORK) != 0) {
    unreserve(page, kPageSize);
    return;
  }
  auto* mark = static_cast<std::uint32_t*>(page);
  *mark = 1;
  __atomic_store_n(&detail::g_fork_mark, mark, __ATOMIC_RELEASE);
#endif
}

}  // namespace hz3::os
