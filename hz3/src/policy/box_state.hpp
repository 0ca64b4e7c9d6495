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
  std::uint64_t peak;       // that the last taper started from
  std::uint64_t at_refill;  // bytes that the thread held when a bin ran dry last
  std::uint64_t round;      // bytes that were left when all bins were lowered last
  bool pages_go;            // what the last taper said: not only blocks go back, but pages too
  bool now;                 // the thread is giving back blocks of a tapered bin
  bool any_tapered;         // some bin has tapered and was not refilled since
  BinCollapse bins[kClasses];
};

struct BoxState {
  std::uint32_t pressure;        // the last call to empty its bins that the thread followed
  std::uint64_t granted;         // S320: bytes of the pool that the thread holds
  ThreadCollapse collapse;       // S301
  BinHistory history[kClasses];  // S58
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

// Of S321, about threads that ended in the shard.
struct ShardExits {
  std::uint32_t last_epoch;  // of the last one, its low bits
  bool purged;               // it purged, and no segment was opened since
  bool keeps;                // a purge like that was regretted
  bool quick;                // the last two ended in quick succession
};

}  // namespace hz3
