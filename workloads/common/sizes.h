// Size distributions: what a program asks malloc for.
//
// Each is a small value with `std::size_t operator()(Random&)`, so that loops are templates over it
// and the draw is inlined. Ranges include both ends, in bytes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "common/memory.h"
#include "common/random.h"

namespace workload {

struct Range {
  std::uint32_t low;
  std::uint32_t high;
};

class UniformSizes {
 public:
  explicit UniformSizes(Range range) : range_(range) {}
  std::size_t operator()(Random& random) const { return random.between(range_.low, range_.high); }

 private:
  Range range_;
};

// Up to four ranges with weights; inside a range uniform.
class WeightedRanges {
 public:
  static constexpr int kMost = 4;

  // Weight 0 and empty ranges (low above high) are left out.
  void add(Range range, std::uint32_t weight) {
    if (weight == 0 || range.low > range.high || count_ == kMost) return;
    total_ += weight;
    part_[count_++] = {range, total_};
  }
  bool empty() const { return total_ == 0; }

  std::size_t operator()(Random& random) const {
    const std::uint32_t at = random.below(total_);
    int i = 0;
    while (at >= part_[i].below) ++i;
    return random.between(part_[i].range.low, part_[i].range.high);
  }

 private:
  struct Part {
    Range range;
    std::uint32_t below;
  };
  Part part_[kMost] = {};
  int count_ = 0;
  std::uint32_t total_ = 0;
};

// The mix seen in applications: 80 % up to 256 bytes, 15 % up to 2 KiB, the rest above, cut to
// [low, high]; a part that the cut empties has no weight.
inline WeightedRanges application_sizes(Range cut) {
  WeightedRanges sizes;
  const auto add = [&](std::uint32_t low, std::uint32_t high, std::uint32_t weight) {
    sizes.add({std::max(low, cut.low), std::min(high, cut.high)}, weight);
  };
  add(16, 256, 80);
  add(257, 2048, 15);
  add(2049, cut.high, 5);
  return sizes;
}

// Log-uniform: each doubling of size is as likely as any other, so density falls as 1/size.
class LogUniformSizes {
 public:
  explicit LogUniformSizes(Range range)
      : low_(range.low), log_ratio_(std::log((range.high + 1.0) / range.low)) {}
  std::size_t operator()(Random& random) const {
    return static_cast<std::size_t>(low_ * std::exp(random.unit() * log_ratio_));
  }

 private:
  double low_;
  double log_ratio_;
};

// Pareto cut to [low, high], by inversion. Shape 1.16 is the "80 % of bytes in 20 % of objects"
// one.
class ParetoSizes {
 public:
  explicit ParetoSizes(Range range, double shape = 1.16)
      : low_(range.low),
        span_(1.0 - std::pow(range.low / (range.high + 1.0), shape)),
        power_(-1.0 / shape) {}
  std::size_t operator()(Random& random) const {
    return static_cast<std::size_t>(low_ * std::pow(1.0 - random.unit() * span_, power_));
  }

 private:
  double low_;
  double span_;
  double power_;
};

// Draws of a costly distribution made beforehand: the logarithms of a log-uniform or Pareto draw
// take longer than a malloc, and would hide it.
class DrawnSizes {
 public:
  template <class Sizes>
  DrawnSizes(const Sizes& sizes, std::uint64_t seed) : draws_(kDraws) {
    Random random(seed, 0x512e5);
    for (std::size_t i = 0; i < kDraws; ++i) draws_[i] = static_cast<std::uint32_t>(sizes(random));
  }
  std::size_t operator()(Random& random) const { return draws_[random.next() >> 19]; }

 private:
  static constexpr std::size_t kDraws = 8192;
  Table<std::uint32_t> draws_;
};

}  // namespace workload
