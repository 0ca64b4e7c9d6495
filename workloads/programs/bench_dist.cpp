// bench_dist: the slot toggle of bench_ssot with shaped sizes.
//
// `app` is the mix of applications: 80 % of requests 16–256 bytes, 15 % 257–2048, 5 % 2049–max, cut
// to [min, max]. `uniform` is flat over [min, max]. `trimix` takes three ranges with weights;
// "tiny" is `trimix 16 256 100 16 256 0 16 256 0`. One malloc or one free is one op; memory is not
// touched.

#include "common/args.h"
#include "common/sizes.h"
#include "programs/slot_toggle.h"

namespace workload {
namespace {

constexpr std::uint64_t kLargest = 1u << 30;

WeightedRanges three_ranges(Args& args, Range cut) {
  WeightedRanges sizes;
  std::uint64_t total = 0;
  for (int i = 0; i < 3; ++i) {
    const auto low = static_cast<std::uint32_t>(args.number("lo", 1, kLargest));
    const auto high = static_cast<std::uint32_t>(args.number("hi", 1, kLargest));
    const auto weight = static_cast<std::uint32_t>(args.number("pct", 0, 100));
    if (weight > 0 && low > high) args.fail("hi", "below lo");
    sizes.add({std::max(low, cut.low), std::min(high, cut.high)}, weight);
    total += weight;
  }
  if (total != 100) args.fail("pct", "the three do not add up to 100");
  return sizes;
}

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "iters ws min max seed app|uniform|trimix [lo hi pct lo hi pct lo hi pct]\n"
            "  iters    steps: one malloc or one free each\n"
            "  ws       slots\n"
            "  min max  sizes are cut to these, in bytes\n"
            "  lo hi pct three times, with trimix only: ranges and their shares, 100 together");
  const std::uint64_t iters = args.number("iters", 1, 1ull << 40);
  const auto ws = static_cast<std::uint32_t>(args.number("ws", 1, 1u << 30));
  const auto low = static_cast<std::uint32_t>(args.number("min", 1, kLargest));
  const auto high = static_cast<std::uint32_t>(args.number("max", 1, kLargest));
  if (low > high) args.fail("max", "below min");
  const std::uint64_t seed = args.number("seed", 0, UINT64_MAX);
  const std::size_t shape = args.word("distribution", {"app", "uniform", "trimix"});
  const Range cut{low, high};
  WeightedRanges sizes;
  if (shape == 0) sizes = application_sizes(cut);
  if (shape == 1) sizes.add(cut, 1);
  if (shape == 2) sizes = three_ranges(args, cut);
  args.finish();
  if (sizes.empty()) args.fail("distribution", "no size is left between min and max");
  return run_slot_toggle(iters, ws, sizes, seed);
}
