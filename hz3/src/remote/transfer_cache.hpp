// Box S42. The transfer cache, a store of slots by class: whole batches of free blocks on their way
// from threads that free to threads that allocate, without touching the runs they came from.
//
// A thread whose bin overflows leaves the batch here; a thread whose bin is empty takes one. Both
// cost a short lock of that class and no look at the blocks. What does not fit goes to the runs.
// Classes are bounded by slots and by bytes, so what lies here is small; it is handed to the runs
// whenever memory is to be given back (thread exit, trim).
//
// Small blocks may be left out (HZ3_S42_XFER_MIN_SIZE): a batch that travels mixes the blocks of
// several threads, so that later allocations of one thread share cache lines with another's.
//
// Invariants (per class, under its lock): slots [0, used) hold non-empty batches of blocks of that
// class; those blocks are live as far as their runs are concerned, and in no other list.
#pragma once

#include "heap/central.hpp"

namespace hz3 {

class TransferCache {
 public:
  void put(Shard&, std::uint32_t c, Batch batch) {
    if (!keep(c, batch)) give_back(batch);
  }

  // The batch that was left last, or blocks from the runs. A batch left by a thread with a larger
  // bin may be more than the taker can hold; then it goes to the runs first.
  Batch take(Shard& home, std::uint32_t c, Wish wish) {
    const Batch batch = last(c);
    if (!batch.empty() && batch.count() <= wish.most) return batch;
    give_back(batch);
    return take_blocks(home, c, wish);
  }

  void drain() {
    for (std::uint32_t c = 1; c < kClasses; ++c) {
      for (Batch batch = last(c); !batch.empty(); batch = last(c)) give_back(batch);
    }
  }

  std::uint64_t bytes() {
    std::uint64_t bytes = 0;
    for (std::uint32_t c = 1; c < kClasses; ++c) {
      os::LockGuard guard(classes_[c].lock);
      const std::uint32_t used = classes_[c].used.load(std::memory_order_relaxed);
      for (std::uint32_t i = 0; i < used; ++i)
        bytes += std::uint64_t{classes_[c].slots[i].count()} * kSizeClasses[c].size;
    }
    return bytes;
  }

  [[gnu::no_sanitize("thread")]] std::uint64_t bytes_of(std::uint32_t c) const {
    const Class& entry = classes_[c];
    const std::uint32_t used = entry.used.load(std::memory_order_relaxed);
    std::uint64_t blocks = 0;
    for (std::uint32_t i = 0; i < used; ++i) blocks += entry.slots[i].count();
    return blocks * kSizeClasses[c].size;
  }

  // Batches that are forgotten stay allocated, as blocks in a dead thread's cache do.
  void repair_child() {
    for (Class& entry : classes_) {
      if (entry.lock.reset()) entry.used.store(0, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr auto kSlots = static_cast<std::uint32_t>(flag::S42_SMALL_XFER_SLOTS);

  struct alignas(64) Class {
    os::Lock lock;
    std::atomic<std::uint32_t> used{0};  // written under the lock, read without it as a hint
    Batch slots[kSlots];
  };

  // Slots a class may use: its share of bytes, counted in full batches, but at least one slot.
  static constexpr std::uint32_t slots_of(std::uint32_t c) {
    const auto batch = static_cast<std::uint64_t>(flag::REFILL_BATCH) * kSizeClasses[c].size;
    const auto fit = static_cast<std::uint64_t>(flag::S42_SMALL_XFER_BYTES) / batch;
    if (fit == 0) return 1;
    return fit < kSlots ? static_cast<std::uint32_t>(fit) : kSlots;
  }

  // Whether the batch found a slot.
  bool keep(std::uint32_t c, Batch batch) {
    if (kSizeClasses[c].size < flag::S42_XFER_MIN_SIZE) return false;
    Class& entry = classes_[c];
    const std::uint32_t slots = slots_of(c);
    if (entry.used.load(std::memory_order_relaxed) >= slots) return false;
    os::LockGuard guard(entry.lock);
    const std::uint32_t used = entry.used.load(std::memory_order_relaxed);
    if (used >= slots) return false;
    entry.slots[used] = batch;
    entry.used.store(used + 1, std::memory_order_relaxed);
    return true;
  }

  // Takes the batch that was left last, whatever its length; an empty one if there is none.
  Batch last(std::uint32_t c) {
    Class& entry = classes_[c];
    if (entry.used.load(std::memory_order_relaxed) == 0) return {};
    os::LockGuard guard(entry.lock);
    const std::uint32_t used = entry.used.load(std::memory_order_relaxed);
    if (used == 0) return {};
    entry.used.store(used - 1, std::memory_order_relaxed);
    return entry.slots[used - 1];
  }

  Class classes_[kClasses];
};

}  // namespace hz3
