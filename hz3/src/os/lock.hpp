// A lock of four bytes for the cold paths, zero-initialised, usable before any constructor has run
// and in a forked child. Three states after Drepper, "Futexes Are Tricky" (2011): 0 free, 1 held,
// 2 held and somebody may sleep. It spins briefly and then sleeps, because on a machine with few
// cores the holder is likely to be preempted rather than busy.
//
// Lock order, outermost first: thread registry, the store's, shards (never two at once), large
// cache, arenas, tables. The hot path takes no lock. While a thread holds one it calls nothing that
// could wait for another library's lock, and fork takes none (api/process.hpp).
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "os/fork_mark.hpp"

namespace hz3 {

void repair_child();  // api/process.hpp

namespace os {

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Lock {
 public:
  void lock() {
    if (is_fresh_child()) [[unlikely]]
      repair_child();
    std::uint32_t expected = kFree;
    if (!state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire)) lock_slow();
  }
  void unlock() {
    if (state_.exchange(kFree, std::memory_order_release) == kContended)
      futex(FUTEX_WAKE_PRIVATE, 1);
  }
  // Takes the lock if it is free; never waits, so a signal handler may ask. False also in a forked
  // child that has not set itself right yet.
  bool try_lock() {
    if (is_fresh_child()) return false;
    std::uint32_t expected = kFree;
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire);
  }
  // In a forked child only: the threads that held or awaited the lock do not exist there. Returns
  // whether one held it, so that what it guards may be half changed.
  bool reset() { return state_.exchange(kFree, std::memory_order_relaxed) != kFree; }

 private:
  static constexpr std::uint32_t kFree = 0, kHeld = 1, kContended = 2;
  static constexpr int kSpins = 256;

  [[gnu::noinline, gnu::cold]] void lock_slow() {
    for (int i = 0; i < kSpins; ++i) {
      std::uint32_t expected = kFree;
      if (state_.load(std::memory_order_relaxed) == kFree &&
          state_.compare_exchange_weak(expected, kHeld, std::memory_order_acquire)) {
        return;
      }
      pause();
    }
    while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
      futex(FUTEX_WAIT_PRIVATE, kContended);
    }
  }
  void futex(int operation, std::uint32_t value) {
    ::syscall(SYS_futex, &state_, operation, value, nullptr, nullptr, 0);
  }

  std::atomic<std::uint32_t> state_{kFree};
};

class LockGuard {
 public:
  explicit LockGuard(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace os
}  // namespace hz3
