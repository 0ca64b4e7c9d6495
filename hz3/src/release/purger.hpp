// Box S302. A thread that returns what lies free and unused while the program's own threads sleep.
//
// Off unless asked for (the knob purger_ms: milliseconds between its looks). What release on
// collapse returns at once does not need it. What does: memory that no thread's visit will find
// again, such as large blocks in their cache when every thread blocks, and free pages of a program
// that freed a part of what it has and goes on without allocating.
//
// *What it returns.* A shard of which nothing became free between two looks is at rest: its empty
// runs and free pages go, at most kMostPages a look. A busy shard is left alone, its pages are
// about to be used again. Large blocks go by their age, as everywhere.
//
// *Sleep.* When every shard at rest has given all, and no large block is cached, the purger sleeps
// without a time limit until something becomes free (os/bell.hpp). An idle program is never woken.
//
// *Where it starts.* In hz3_knob_set and in the library's constructor, never inside malloc, whose
// caller may hold the locks of the dynamic linker that a new thread needs. *fork.* A child has no
// purger until it asks: most children exec at once, and some need to be the only thread.
//
// The thread blocks all signals, allocates nothing, and holds one shard's lock at a time.
#pragma once

#include <pthread.h>
#include <sys/prctl.h>

#include <climits>
#include <csignal>

#include "heap/large_cache.hpp"
#include "os/bell.hpp"
#include "release/trim.hpp"

namespace hz3 {

struct PurgerStats {
  Counter looks, sleeps, pages_purged, segs_closed, madvise_calls, madvise_fail;
};
inline constinit PurgerStats g_purger_stats;

namespace detail {

inline constexpr std::uint32_t kMostPages = 4096;  // of a shard in one look, 16 MiB
inline constexpr std::uint64_t kLongestNap = 200;  // ms, after which the knob is looked at again
inline constexpr std::size_t kPurgerStack = 65536;

inline constinit os::Bell g_purger_bell;
inline constinit std::atomic<bool> g_purger_runs{false};

inline std::uint64_t purger_period() {
  if constexpr (!flag::S302_PURGER) return 0;
  return knob::value(knob::Name::purger_ms);
}

// Whether the shard needs another look: it is busy, or had more than one look may return.
inline bool look_at(Shard& shard) {
  os::LockGuard guard(shard.lock);
  ShardPurger& state = shard.purger;
  if (state.clean_at == state.events) return false;
  if (state.seen_at != state.events) {
    state.seen_at = state.events;
    return true;
  }
  PurgeBudget budget{.pages = kMostPages};
  const PurgeCount count = trim_shard(shard, budget);
  PurgerStats& stats = g_purger_stats;
  stats.pages_purged.add(count.pages);
  stats.segs_closed.add(count.segments);
  stats.madvise_calls.add(count.calls);
  stats.madvise_fail.add(count.refused);
  state.seen_at = state.events;  // the releases were its own doing
  if (budget.spent()) return true;
  state.clean_at = state.events;
  return false;
}

// Whether all is done until something new becomes free.
inline bool all_clean() {
  bool clean = true;
  for (Shard& shard : g_shards) clean &= !look_at(shard);
  expire_large_cache(os::now_ms());
  return clean && g_large_cache.is_empty();
}

inline void nap(std::uint64_t ms) {
  while (ms > 0 && purger_period() > 0) {
    const std::uint64_t some = ms < kLongestNap ? ms : kLongestNap;
    const timespec time{static_cast<time_t>(some / 1000),
                        static_cast<long>(some % 1000) * 1'000'000};
    ::nanosleep(&time, nullptr);
    ms -= some;
  }
}

inline void purge_until_told_not_to() {
  while (const std::uint64_t period = purger_period()) {
    g_purger_stats.looks.add(1);
    g_purger_bell.get_ready_to_sleep();
    if (all_clean() && purger_period() > 0) {
      g_purger_stats.sleeps.add(1);
      g_purger_bell.sleep();
    }
    g_purger_bell.stay_up();
    nap(period);
  }
}

inline bool may_run() { return purger_period() > 0 && !g_purger_runs.exchange(true); }

inline void* run_purger(void*) {
  ::prctl(PR_SET_NAME, "hz3-purger");
  do {
    purge_until_told_not_to();
    g_purger_runs.store(false);
  } while (may_run());  // asked for again meanwhile, by somebody who saw it running
  return nullptr;
}

// As pthread_create, with every signal blocked in the new thread.
inline bool create_purger() {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  const auto least = static_cast<std::size_t>(PTHREAD_STACK_MIN);
  pthread_attr_setstacksize(&attributes, kPurgerStack > least ? kPurgerStack : least);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool created = pthread_create(&thread, &attributes, run_purger, nullptr) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return created;
}

}  // namespace detail

// Starts the purger if the knob asks for one and none runs, and wakes it to look at the knob. Not
// under a lock of ours, and not from malloc. Without a thread to be had nothing is purged until the
// next call.
inline void heed_purger_knob() {
  if constexpr (!flag::S302_PURGER) return;
  detail::g_purger_bell.ring();
  if (detail::may_run() && !detail::create_purger()) detail::g_purger_runs.store(false);
}

// At on_run_empty and on_pages_free, under the shard's lock.
inline void note_for_purger(Shard& shard) {
  if constexpr (!flag::S302_PURGER) return;
  ++shard.purger.events;
  detail::g_purger_bell.ring();
}

// At on_large_freed.
inline void note_large_for_purger() {
  if constexpr (flag::S302_PURGER) detail::g_purger_bell.ring();
}

// At on_fork_child: the thread does not exist here.
inline void forget_purger() {
  if constexpr (!flag::S302_PURGER) return;
  detail::g_purger_runs.store(false);
  detail::g_purger_bell.stay_up();
}

inline void print_purger_stats() {
  if constexpr (!flag::S302_PURGER) return;
  const auto& s = g_purger_stats;
  print_line("HZ3_S302_PURGER", {{"looks", s.looks},
                                 {"sleeps", s.sleeps},
                                 {"pages_purged", s.pages_purged},
                                 {"segs_closed", s.segs_closed},
                                 {"madvise_calls", s.madvise_calls},
                                 {"madvise_fail", s.madvise_fail}});
}

}  // namespace hz3
