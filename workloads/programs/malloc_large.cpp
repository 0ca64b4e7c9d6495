// malloc_large: blocks of many megabytes, a few of them live.
//
// Models programs that work in big buffers (images, query results), as malloc-large of
// mimalloc-bench does: 20 live blocks of 5–25 MiB, a random one replaced each step. Shows whether
// an allocator goes to the kernel each time or keeps (how much?) memory for reuse; look at peak RSS
// and page faults beside ns_per_op. `touch` 0 writes the first and last byte only, 1 a byte a page:
// then the kernel's page faults are part of the figure. One op is one free and malloc.

#include "common/args.h"
#include "common/phase.h"
#include "common/random.h"
#include "common/report.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr std::size_t kKib = 1024;
constexpr std::size_t kPage = 4096;

void* fetch(Random& random, std::uint32_t low_kib, std::uint32_t high_kib, bool every_page,
            Tally& tally) {
  const std::size_t bytes = random.between(low_kib, high_kib) * kKib;
  void* block = take(bytes, tally);
  touch_ends(block, bytes);
  if (every_page) {
    volatile char* at = static_cast<char*>(block);
    for (std::size_t i = 0; i < bytes; i += kPage) at[i] = 1;
  }
  return block;
}

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "iters [live min_kib max_kib touch]\n"
            "  iters            replacements\n"
            "  live             blocks (20)\n"
            "  min_kib max_kib  block sizes in KiB, uniform (5120 25600)\n"
            "  touch            0: first and last byte; 1: every page (0)");
  const std::uint64_t iters = args.number("iters", 1, 1ull << 36);
  const auto live = static_cast<std::uint32_t>(args.number_or("live", 1, 1u << 20, 20));
  const auto low = static_cast<std::uint32_t>(args.number_or("min_kib", 1, 1u << 24, 5120));
  const auto high = static_cast<std::uint32_t>(args.number_or("max_kib", 1, 1u << 24, 25600));
  const bool every_page = args.number_or("touch", 0, 1, 0) == 1;
  args.finish();
  if (low > high) args.fail("max_kib", "below min_kib");
  Phases phases;
  Table<void*> blocks(live);
  Random random(42);
  Tally tally;
  for (std::uint32_t i = 0; i < live; ++i) blocks[i] = fetch(random, low, high, every_page, tally);
  Stopwatch measured;
  phases.mark("run", 1);
  measured.start();
  for (std::uint64_t i = 0; i < iters; ++i) {
    void*& block = blocks[random.below(live)];
    give(block, tally);
    block = fetch(random, low, high, every_page, tally);
  }
  measured.stop();
  phases.end();
  for (std::uint32_t i = 0; i < live; ++i) give(blocks[i], tally);
  Result result;
  report(result, iters, "replacements", measured, tally);
  result.write();
  return 0;
}
