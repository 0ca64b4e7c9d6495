// ring_replace: many live blocks of one size, a random one replaced by a fresh one, over and over.
//
// Models caches and connection tables at their full size. Pages stay nearly full all the time, and
// each free puts one block back into a random one of them: allocators that keep their free lists
// per page then search or requeue a page per malloc (1024 blocks of 1 KiB cost some of them twenty
// times what others pay). First and last byte are written. One op is one free and malloc; the
// figure is ns_per_op.

#include "common/args.h"
#include "common/phase.h"
#include "common/random.h"
#include "common/report.h"
#include "common/touch.h"

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "iters [live size]\n"
            "  iters  replacements\n"
            "  live   blocks (1024)\n"
            "  size   of each, in bytes (1024)");
  const std::uint64_t iters = args.number("iters", 1, 1ull << 40);
  const auto live = static_cast<std::uint32_t>(args.number_or("live", 1, 1u << 30, 1024));
  const std::size_t size = args.number_or("size", 1, 1u << 30, 1024);
  args.finish();
  Phases phases;
  Table<void*> blocks(live);
  Tally tally;
  for (std::uint32_t i = 0; i < live; ++i) {
    blocks[i] = take(size, tally);
    touch_ends(blocks[i], size);
  }
  Random random(1024);
  Stopwatch measured;
  phases.mark("run", 1);
  measured.start();
  for (std::uint64_t i = 0; i < iters; ++i) {
    void*& block = blocks[random.below(live)];
    give(block, tally);
    block = take(size, tally);
    touch_ends(block, size);
  }
  measured.stop();
  phases.end();
  for (std::uint32_t i = 0; i < live; ++i) give(blocks[i], tally);
  Result result;
  report(result, iters, "replacements", measured, tally);
  result.write();
  return 0;
}
