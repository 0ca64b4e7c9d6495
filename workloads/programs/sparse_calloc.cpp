// sparse_calloc: large zeroed tables of which almost nothing is used.
//
// Models hash tables and matrices that are made large and filled sparsely: `blocks` objects of
// `kib` KiB from calloc, of which the first and the last byte are written. Fresh memory reads as
// zero, so who clears it by hand makes all of it resident. Figure: RSS in `held`, all objects live.
// Usual arguments: 1000 1024 1.

#include "common/args.h"
#include "common/phase.h"
#include "common/report.h"
#include "common/touch.h"

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "blocks kib idle_s\n"
            "  kib     KiB of each block\n"
            "  idle_s  seconds for which nothing happens (decimals allowed)");
  const std::uint64_t blocks = args.number("blocks", 1, 1u << 24);
  const std::size_t bytes = args.number("kib", 1, 1u << 20) << 10;
  const std::uint64_t idle_ns = args.seconds("idle_s");
  args.finish();
  Phases phases;
  Table<void*> objects(blocks);
  Tally tally;
  Stopwatch measured;
  phases.mark("burst", 1);
  measured.start();
  for (std::uint64_t i = 0; i < blocks; ++i) {
    objects[i] = take_zeroed(bytes, tally);
    mark_ends(objects[i], bytes);
  }
  measured.stop();
  phases.mark("held", 1);
  sleep_until_ns(wall_ns() + idle_ns);
  phases.end();
  const std::uint64_t measured_ops = tally.ops();
  for (std::uint64_t i = 0; i < blocks; ++i) {
    check(objects[i]);
    give(objects[i], tally);
  }
  Result result;
  result.text("idle_phase", "held");
  report(result, measured_ops, "callocs", measured, tally);
  result.write();
  return 0;
}
