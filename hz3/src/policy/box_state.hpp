// What boxes remember. About a thread, in the thread's cache: zero when the thread begins, touched
// by the thread itself only, on slow paths, and apart from the bins, to keep those dense. About a
// shard, in the shard, under its lock.
#pragma once

#include <atomic>
#include <cstdint>

#include "heap/size_class.hpp"

namespace hz3 {

// Of S58, about a bin.
struct BinHistory {
  std::uint8_t overflows;    // times the bin was full at its largest limit, since the last epoch
  bool refilled;             // the bin ran dry since the last epoch
  std::uint16_t last_count;  // blocks it held at the last epoch
};

// Of S301, about a bin.
struct BinCollapse {
  std::uint32_t peak;      // the highest level seen since the last refill
  std::uint32_t epoch;     // of the last taper, its low bits
  std::uint8_t overflows;  // since the last refill, to two
  std::uint8_t patience;   // collapses to let pass after a regret
  std::uint8_t skip;       // of them, still to come
  bool tapered;            // since the last refill
};

struct BoxState {
  BinHistory history[kClasses];        // S58
  BinCollapse bin_collapse[kClasses];  // S301
  std::uint64_t granted;               // S320: bytes of the pool that the thread holds
  bool collapsing;                     // S301: the thread is giving back blocks of a tapered bin
};

// What boxes remember about a shard, in the shard, guarded by its lock.

// Of S301.
struct ShardCollapse {
  std::atomic<std::uint32_t> freed_pages;  // since the last sweep; read without the lock, as a hint
  std::uint32_t segments;                  // that the last sweep saw
  std::uint32_t kept;                      // wholly free segments' worth of pages that may stay
  std::uint32_t closed_epoch;              // of the last segment closed, its low bits
  bool closed;                             // a segment was closed and none opened since
};

}  // namespace hz3
