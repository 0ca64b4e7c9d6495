// A bounded queue from one thread to one other, in bookkeeping memory.
//
// Each end keeps its own copy of the other end's index on its own cache line, and looks at the
// shared one only when the copy says full or empty.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "common/memory.h"

namespace workload {

class Ring {
 public:
  // `count` slots at `slots`, a power of two.
  Ring(void** slots, std::size_t count) : slots_(slots), mask_(count - 1) {}

  // Sender only. False when full.
  bool push(void* object) {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - seen_head_ > mask_) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (tail - seen_head_ > mask_) return false;
    }
    slots_[tail & mask_] = object;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Receiver only. Null when empty.
  void* pop() {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head == seen_tail_) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (head == seen_tail_) return nullptr;
    }
    void* object = slots_[head & mask_];
    head_.store(head + 1, std::memory_order_release);
    return object;
  }

 private:
  void** const slots_;
  const std::uint64_t mask_;
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t seen_head_ = 0;  // sender's
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::uint64_t seen_tail_ = 0;  // receiver's
};

// Several rings of one size.
class Rings {
 public:
  // `slots` each, rounded up to a power of two.
  Rings(std::size_t rings, std::size_t slots)
      : slots_(rings * std::bit_ceil(slots)), memory_(rings * sizeof(Ring)) {
    const std::size_t each = std::bit_ceil(slots);
    for (std::size_t i = 0; i < rings; ++i) new (at(i)) Ring(slots_.data() + i * each, each);
  }
  Ring& operator[](std::size_t i) { return *std::launder(static_cast<Ring*>(at(i))); }

 private:
  void* at(std::size_t i) { return memory_.data() + i * sizeof(Ring); }

  Table<void*> slots_;
  Table<std::byte> memory_;
};

}  // namespace workload
