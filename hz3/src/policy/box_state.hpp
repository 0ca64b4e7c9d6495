// What boxes remember. About a thread, in the thread's cache: zero when the thread begins, touched
// by the thread itself only, on slow paths, and apart from the bins, to keep those dense. About a
// shard, in the shard, under its lock.
#pragma once

#include <atomic>
#include <cstdint>

#include "heap/size_class.hpp"
#include "release/range_ring.hpp"

namespace hz3 {

// Of S58, about a bin.
struct BinHistory {
  std::uint8_t overflows;    // times the bin was full at its largest limit, since the last epoch
  bool refilled;             // the bin ran dry since the last epoch
  std::uint16_t last_count;  // blocks it held at the last epoch
};

// Of S301. Whose memory fell, as a bin that tapers remembers it.
enum class Fallen : std::uint8_t { kNobody, kThread, kProgram };

struct BinCollapse {
  std::uint32_t epoch;  // of the last taper, its low bits
  Fallen fallen;        // who tapered the bin since its last refill
};

// How the memory of a thread, or of the program, went up and down. Atomic, because that of the
// program is everybody's; each number is a hint by itself.
struct Watch {
  std::atomic<std::uint64_t> peak{0};       // bytes, the most since the last regret
  std::atomic<std::uint64_t> regretted{0};  // the peak of the last collapse that was regretted
  std::atomic<std::uint32_t> regret_epoch{0};
  std::atomic<std::uint32_t> pause{0};  // epochs for which collapses are let pass from then on
};

// What every visit looks at comes first, apart from the bins.
struct ThreadCollapse {
  Watch own;
  std::uint64_t peak;  // that the last taper started from
  bool now;            // the thread is giving back blocks of a tapered bin
  bool any_tapered;    // some bin has tapered and was not refilled since
  BinCollapse bins[kClasses];
};

// Of S60, S64 and S65-1: ranges that the thread made free. Those of a box that is off are of one
// entry.
struct ThreadRanges {
  template <bool kOn, std::int64_t kSize>
  using Ring = RangeRing<kOn ? static_cast<std::uint32_t>(kSize) : 1>;

  Ring<flag::S60_PURGE_RANGE_QUEUE, flag::S60_QUEUE_SIZE> queue;
  Ring<flag::S64_PURGE_DELAY, flag::S64_QUEUE_SIZE> delayed;
  Ring<flag::S65_RELEASE_LEDGER, flag::S65_LEDGER_SIZE> ledger;
  std::uint64_t forgotten;  // shards with ranges that found the ledger full, a bit each
};

// Of S65-3.
struct ThreadGate {
  std::uint64_t seen_refills;  // of all threads, when the gate was last asked
  std::uint64_t asked_epoch;   // in which that was; 0: never
  std::uint32_t refills;       // of this thread
  bool busy;                   // what the gate said then
};

struct BoxState {
  std::uint32_t pressure;        // the last call to empty its bins that the thread followed
  std::uint64_t granted;         // S320: bytes of the pool that the thread holds
  ThreadCollapse collapse;       // S301
  BinHistory history[kClasses];  // S58
  ThreadGate gate;               // S65-3
  ThreadRanges ranges;           // S60, S64, S65-1
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

// Of S302. Events: runs that became empty and pages that became free, counted.
struct ShardPurger {
  std::uint64_t events;    // so far
  std::uint64_t seen_at;   // their number at the purger's last look
  std::uint64_t clean_at;  // and when it had returned all there was
};

}  // namespace hz3
