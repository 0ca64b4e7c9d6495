// Waiting without malloc: a futex word, and on it a barrier and a gate.
//
// The standard's and libc's primitives mostly do not allocate either, but none offers the timed
// wait on a gate that a held thread needs in order to tick while it idles.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace workload {

using FutexWord = std::atomic<std::uint32_t>;

// Blocks while the word holds `expected`, at most `timeout_ns` (0: for ever). May return early.
inline void futex_wait(FutexWord& word, std::uint32_t expected, std::uint64_t timeout_ns = 0) {
  timespec limit{static_cast<time_t>(timeout_ns / 1000000000ull),
                 static_cast<long>(timeout_ns % 1000000000ull)};
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, timeout_ns ? &limit : nullptr, nullptr,
            0);
}
inline void futex_wake_all(FutexWord& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// All of `members` threads meet; reusable at once.
class Barrier {
 public:
  explicit Barrier(std::uint32_t members) : members_(members) {}

  void wait() {
    const std::uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      futex_wake_all(round_);
      return;
    }
    while (round_.load(std::memory_order_acquire) == round) futex_wait(round_, round);
  }

 private:
  const std::uint32_t members_;
  FutexWord arrived_{0};
  FutexWord round_{0};
};

// Opened once by one thread, waited for by many.
class Gate {
 public:
  void open() {
    word_.store(1, std::memory_order_release);
    futex_wake_all(word_);
  }
  void close() { word_.store(0, std::memory_order_release); }
  bool is_open() const { return word_.load(std::memory_order_acquire) != 0; }
  void wait() {
    while (!is_open()) futex_wait(word_, 0);
  }
  // Waits at most `ns` (> 0); true when the gate is open.
  bool wait_for(std::uint64_t ns) {
    if (!is_open()) futex_wait(word_, 0, ns);
    return is_open();
  }

 private:
  FutexWord word_{0};
};

}  // namespace workload
