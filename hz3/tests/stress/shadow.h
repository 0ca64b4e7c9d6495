// The shadow of the heap that the stress test keeps: for every live block its address, size, and
// what its bytes must be. A worker owns a table of such blocks and passes some to other workers
// through their mailboxes. All of it lives in mapped pages and outlasts the threads, so that blocks
// of a thread that ended are freed by its successor or by strangers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../support/pattern.h"
#include "../support/rng.h"

namespace hz3_test {

// How a block was made decides how it may be released and whether it may be re-allocated.
enum class Origin : uint8_t { kMalloc, kAligned, kNew, kNewAligned };

struct Block {
  void* address = nullptr;
  size_t size = 0;
  size_t alignment = 16;
  Pattern pattern;
  uint64_t born_op = 0;
  Origin origin = Origin::kMalloc;
};

// Many senders, one receiver; guarded by a spin lock because a mutex of libc's would order the
// workers' allocations more than the allocator itself does. A full mailbox refuses.
class Mailbox {
 public:
  bool put(const Block& block) {
    lock();
    const bool room = count_ < kCapacity;
    if (room) blocks_[count_++] = block;
    unlock();
    return room;
  }

  bool take(Block& block) {
    lock();
    const bool any = count_ > 0;
    if (any) block = blocks_[--count_];
    unlock();
    return any;
  }

 private:
  static constexpr size_t kCapacity = 128;

  void lock() {
    while (busy_.exchange(true, std::memory_order_acquire)) {
    }
  }
  void unlock() { busy_.store(false, std::memory_order_release); }

  std::atomic<bool> busy_{false};
  size_t count_ = 0;
  Block blocks_[kCapacity];
};

inline constexpr size_t kSlots = 512;

struct Worker {
  uint32_t index = 0;
  uint64_t ops_per_generation = 0;
  size_t max_size = 0;
  size_t byte_budget = 0;
  Rng rng{0};

  uint64_t op = 0;           // operations done, over all generations
  uint64_t blocks_made = 0;  // gives every block of every worker an id of its own
  size_t live_bytes = 0;
  Block slots[kSlots];
  Mailbox mailbox;
};

}  // namespace hz3_test
