// Box S42. The transfer cache: whole batches of free blocks on their way from threads that free to
// threads that allocate, without touching the runs they came from.
//
// A thread whose bin overflows leaves the batch here as one chain; a thread whose bin is empty
// takes one. Both cost a short lock of that class and no look at the blocks. What does not fit goes
// to the central store. Classes are bounded by slots and by bytes, so what lies here is small; it
// is handed to the central store whenever memory is to be given back (thread exit, trim).
//
// Small blocks may be left out (HZ3_S42_XFER_MIN_SIZE): a batch that travels mixes the blocks of
// several threads, so that later allocations of one thread share cache lines with another's.
//
// Invariants (per class, under its lock): slots [0, used) hold non-empty chains of blocks of that
// class; those blocks are live as far as their runs are concerned, and in no other list.
#pragma once

#include "heap/central.hpp"

namespace hz3 {

inline constexpr std::uint32_t kTransferSlots =
    static_cast<std::uint32_t>(flag::S42_SMALL_XFER_SLOTS);

struct alignas(64) TransferClass {
  os::Lock lock;
  std::atomic<std::uint32_t> used{0};  // written under the lock, read without it as a hint
  Chain slots[kTransferSlots];
};

inline constinit TransferClass g_transfer[flag::S42_SMALL_XFER ? kClasses : 1];

// Slots a class may use: its share of bytes, counted in full batches, but at least one slot.
constexpr std::uint32_t transfer_slots(std::uint32_t c) {
  const auto batch = static_cast<std::uint64_t>(flag::REFILL_BATCH) * kSizeClasses[c].size;
  const auto fit = static_cast<std::uint64_t>(flag::S42_SMALL_XFER_BYTES) / batch;
  if (fit == 0) return 1;
  return fit < kTransferSlots ? static_cast<std::uint32_t>(fit) : kTransferSlots;
}

// Leaves a chain of one class for others; false, with the chain untouched, when there is no slot.
inline bool put_transfer(std::uint32_t c, Chain chain) {
  if constexpr (!flag::S42_SMALL_XFER) return false;
  if (kSizeClasses[c].size < flag::S42_XFER_MIN_SIZE) return false;
  TransferClass& transfer = g_transfer[c];
  const std::uint32_t slots = transfer_slots(c);
  if (transfer.used.load(std::memory_order_relaxed) >= slots) return false;
  os::LockGuard guard(transfer.lock);
  const std::uint32_t used = transfer.used.load(std::memory_order_relaxed);
  if (used >= slots) return false;
  transfer.slots[used] = chain;
  transfer.used.store(used + 1, std::memory_order_relaxed);
  return true;
}

// Takes the chain that was left last, whatever its length; an empty chain if there is none.
inline Chain take_transfer(std::uint32_t c) {
  if constexpr (!flag::S42_SMALL_XFER) return {};
  TransferClass& transfer = g_transfer[c];
  if (transfer.used.load(std::memory_order_relaxed) == 0) return {};
  os::LockGuard guard(transfer.lock);
  const std::uint32_t used = transfer.used.load(std::memory_order_relaxed);
  if (used == 0) return {};
  transfer.used.store(used - 1, std::memory_order_relaxed);
  return transfer.slots[used - 1];
}

// Hands everything to the central store, so that runs can be found empty.
inline void drain_transfers() {
  if constexpr (!flag::S42_SMALL_XFER) return;
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    for (Chain chain = take_transfer(c); chain.count > 0; chain = take_transfer(c))
      give_back(chain);
  }
}

}  // namespace hz3
