// A bell: one thread sleeps until others ring it. To ring costs one load while nobody sleeps.
//
// Invariant: a ring is not lost if the sleeper looks at what the ringers change after
// get_ready_to_sleep, under the lock under which they change it; a ringer rings under that lock or
// after it. Then either the sleeper sees the change or the ringer sees the sleeper.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace hz3::os {

class Bell {
 public:
  void get_ready_to_sleep() { asleep_.store(1, std::memory_order_seq_cst); }
  void stay_up() { asleep_.store(0, std::memory_order_relaxed); }
  // Returns after a ring since get_ready_to_sleep.
  void sleep() {
    while (asleep_.load(std::memory_order_acquire) != 0)
      ::syscall(SYS_futex, &asleep_, FUTEX_WAIT_PRIVATE, 1, nullptr, nullptr, 0);
  }
  void ring() {
    if (asleep_.load(std::memory_order_relaxed) == 0) [[likely]]
      return;
    if (asleep_.exchange(0, std::memory_order_release) != 0)
      ::syscall(SYS_futex, &asleep_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }

 private:
  std::atomic<std::uint32_t> asleep_{0};
};

}  // namespace hz3::os
