// How long single calls take: quantiles of malloc and free, sampled.
//
// HZ_LATENCY=N in the environment times one call in about N, at random distances so that no rhythm
// of the allocator's batches is met again and again. Without it the loop is compiled without any of
// this: a program has its loop twice. What the clock itself costs is in every figure;
// `timer_p50_ns` says how much. Figures of speed are those of a run that also reads the clock;
// compare them in lanes without.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/clocks.h"
#include "common/heap.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/result.h"

namespace workload {

// N of HZ_LATENCY, 0 when it is not set; exits with status 2 when it is no number from 1 to 1e9.
std::uint32_t latency_every();

// Counts of durations: exact below 64 ns, then 32 steps to each doubling (3 %), to 2^40 ns.
class Durations {
 public:
  void add(std::uint64_t ns) {
    ++counts_[index(ns)];
    if (ns > longest_) longest_ = ns;
  }
  void add(const Durations& other);
  std::uint64_t total() const;
  // The duration that `share` of all do not exceed, interpolated inside its step; 0 of none.
  double quantile(double share) const;
  std::uint64_t longest() const { return longest_; }

 private:
  static constexpr unsigned kStepBits = 5;
  static constexpr std::uint64_t kExact = std::uint64_t{2} << kStepBits;
  static constexpr unsigned kDoublings = 34;
  static constexpr unsigned kSteps = kExact + (kDoublings << kStepBits);

  static unsigned index(std::uint64_t ns) {
    if (ns < kExact) return static_cast<unsigned>(ns);
    const unsigned shift = 63 - static_cast<unsigned>(__builtin_clzll(ns)) - kStepBits;
    const std::uint64_t at =
        kExact + ((shift - 1) << kStepBits) + ((ns >> shift) & ((1u << kStepBits) - 1));
    return at < kSteps ? static_cast<unsigned>(at) : kSteps - 1;
  }
  static double lower_end(unsigned step);

  std::uint64_t counts_[kSteps];
  std::uint64_t longest_;
};

// What one thread measured. All zero is a valid empty one, as a Table gives it.
struct Latencies {
  Durations malloc, free, timer;

  void add(const Latencies& other) {
    malloc.add(other.malloc);
    free.add(other.free);
    timer.add(other.timer);
  }
};

// malloc_p50_ns, _p99_ns, _p999_ns, _max_ns, the same of free, timer_p50_ns and latency_samples.
void report_latencies(Result& result, const Latencies& found);

// The calls of `Heap` (static take(bytes, tally), give(object, bytes, tally)), as they are.
template <class Heap>
struct Untimed {
  void* take(std::size_t bytes, Tally& tally) { return Heap::take(bytes, tally); }
  void give(void* object, std::size_t bytes, Tally& tally) { Heap::give(object, bytes, tally); }
};

// The same, one in about `every` of them timed.
template <class Heap>
class Timed {
 public:
  Timed(std::uint32_t every, Latencies& found, std::uint64_t seed)
      : every_(every), found_(found), random_(seed, 0x1a7e) {
    next();
  }

  void* take(std::size_t bytes, Tally& tally) {
    if (--left_ != 0) [[likely]]
      return Heap::take(bytes, tally);
    const std::uint64_t before = begin();
    void* object = Heap::take(bytes, tally);
    found_.malloc.add(wall_ns() - before);
    return object;
  }
  void give(void* object, std::size_t bytes, Tally& tally) {
    if (--left_ != 0) [[likely]]
      return Heap::give(object, bytes, tally);
    const std::uint64_t before = begin();
    Heap::give(object, bytes, tally);
    found_.free.add(wall_ns() - before);
  }

 private:
  void next() { left_ = every_ == 1 ? 1 : random_.between(1, 2 * every_ - 1); }
  // Also warms the clock's own code and data, so that the call is not charged with their misses.
  std::uint64_t begin() {
    next();
    const std::uint64_t first = wall_ns();
    const std::uint64_t second = wall_ns();
    found_.timer.add(second - first);
    return wall_ns();
  }

  const std::uint32_t every_;
  Latencies& found_;
  Random random_;
  std::uint32_t left_;
};

}  // namespace workload
