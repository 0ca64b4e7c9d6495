// The tests' random numbers: splitmix64, so that one 64-bit seed gives one stream and two different
// seeds give unrelated ones. No global state, nothing from the C library.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace hz3_test {

inline constexpr uint64_t mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  uint64_t next() { return mix64(state_ += 0x9e3779b97f4a7c15ull); }

  // Uniform in [0, bound); bound must not be 0.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

  bool one_in(uint64_t n) { return below(n) == 0; }

  // Log-uniform in [low, high]: every octave of sizes is equally likely, as in real programs small
  // sizes dominate the count while large ones dominate the bytes.
  size_t log_uniform(size_t low, size_t high) {
    const double unit = static_cast<double>(next() >> 11) * 0x1p-53;
    const double span =
        std::log(static_cast<double>(high) + 1.0) - std::log(static_cast<double>(low));
    const auto size = static_cast<size_t>(static_cast<double>(low) * std::exp(unit * span));
    return size > high ? high : size < low ? low : size;
  }

 private:
  uint64_t state_;
};

}  // namespace hz3_test
