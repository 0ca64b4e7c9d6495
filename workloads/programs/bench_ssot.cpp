// bench_ssot: one thread, slot toggle over a working set.
//
// Models steady allocation in random order, the phase documents' reference for speed: each step
// picks a slot of `ws`; an occupied one is freed, an empty one gets a block of uniform size. Half
// the set is live on average. Lanes: small 16–2048, medium 4096–32768, mixed 16–32768, with ws 400
// and 20 M steps. Memory is not touched: the figure, ops_per_s (one malloc or one free is one op),
// is the allocator's own cost and the cache misses it causes itself.

#include "common/args.h"
#include "common/phase.h"
#include "common/report.h"
#include "common/sizes.h"
#include "programs/slot_toggle.h"

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "iters ws min max [seed]\n"
            "  iters    steps: one malloc or one free each\n"
            "  ws       slots\n"
            "  min max  block sizes in bytes, uniform\n"
            "  seed     of the sizes and slots (0x12345678)");
  const std::uint64_t iters = args.number("iters", 1, 1ull << 40);
  const auto ws = static_cast<std::uint32_t>(args.number("ws", 1, 1u << 30));
  const auto low = static_cast<std::uint32_t>(args.number("min", 1, 1u << 30));
  const auto high = static_cast<std::uint32_t>(args.number("max", 1, 1u << 30));
  const std::uint64_t seed = args.number_or("seed", 0, UINT64_MAX, 0x12345678);
  args.finish();
  if (low > high) args.fail("max", "below min");
  return run_slot_toggle(iters, ws, UniformSizes({low, high}), seed);
}
