// Deterministic random numbers.
//
// A 64-bit linear congruential generator of which only the high half is used: the low bits of an
// LCG repeat after a few steps, and `r % working_set` with a power of two in it would then visit
// slots in a fixed order. One multiply and one add, so that it weighs little beside a malloc.
#pragma once

#include <cstdint>

namespace workload {

class Random {
 public:
  // Streams of one seed with different `stream` numbers (thread, cycle) are unrelated.
  explicit constexpr Random(std::uint64_t seed, std::uint64_t stream = 0)
      : state_(mix(mix(seed) + stream * 0x9e3779b97f4a7c15ull)) {}

  // 32 uniform bits.
  constexpr std::uint32_t next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::uint32_t>(state_ >> 32);
  }
  // Uniform in [0, bound), bound > 0; the bias of multiply-and-shift is below bound / 2^32.
  constexpr std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * bound) >> 32);
  }
  // Uniform in [low, high], both included.
  constexpr std::uint32_t between(std::uint32_t low, std::uint32_t high) {
    const std::uint64_t width = std::uint64_t{high} - low + 1;
    return low + static_cast<std::uint32_t>((next() * width) >> 32);
  }
  // Uniform in [0, 1).
  constexpr double unit() { return next() * (1.0 / 4294967296.0); }

 private:
  // The finaliser of splitmix64: neighbouring seeds must not give neighbouring first numbers.
  static constexpr std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
  }

  std::uint64_t state_;
};

}  // namespace workload
