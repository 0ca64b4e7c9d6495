// sleepers: threads that each did a little work once, and then sleep.
//
// Models the pools of a server whose threads were each busy for a moment. They start one after the
// other: a thread allocates `kib` KiB of objects and writes them, frees them all, and waits; only
// then the next one starts. What a thread cache hoards is multiplied here, though the program has
// never had more than one thread's part. Figures: RSS in `held`, all threads asleep, and in
// `joined`. Usual arguments: 1000 16 1, and 300 8192 1.

#include "common/args.h"
#include "common/futex.h"
#include "common/phase.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/team.h"
#include "common/touch.h"

namespace workload {
namespace {

class Sleepers {
 public:
  Sleepers(unsigned threads, std::uint64_t bytes, Range sizes)
      : bytes_(bytes), sizes_(sizes), objects_(bytes / sizes.low + 1), tallies_(threads) {}

  void operator()(unsigned index) {
    Random random(20261124, index);
    Tally tally;
    std::uint64_t count = 0;
    while (tally.requested_bytes < bytes_) {
      const std::size_t bytes = sizes_(random);
      objects_[count] = take(bytes, tally);
      fill(objects_[count++], bytes);
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      check(objects_[i]);
      give(objects_[i], tally);
    }
    tallies_[index] = tally;
    done_.wait();
    sleep_.wait();
  }

  void wait_for_one() { done_.wait(); }
  void wake_all() { sleep_.open(); }
  void release_table() { objects_.release(0, objects_.size()); }

  Tally tally() const {
    Tally all;
    for (std::size_t i = 0; i < tallies_.size(); ++i) all.add(tallies_[i]);
    return all;
  }

 private:
  const std::uint64_t bytes_;
  const UniformSizes sizes_;
  Table<void*> objects_;  // of the one thread that is awake
  Table<Tally> tallies_;
  Barrier done_{2};
  Gate sleep_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "threads kib idle_s [min max]\n"
            "  kib      KiB each thread allocates and frees\n"
            "  idle_s   seconds for which all sleep (decimals allowed)\n"
            "  min max  object sizes in bytes, uniform (16 1024)");
  const auto threads = static_cast<unsigned>(args.number("threads", 1, 10000));
  const std::uint64_t bytes = args.number("kib", 1, 1ull << 30) << 10;
  const std::uint64_t idle_ns = args.seconds("idle_s");
  const auto low = static_cast<std::uint32_t>(args.number_or("min", kLeastFilled, 1u << 30, 16));
  const auto high = static_cast<std::uint32_t>(args.number_or("max", kLeastFilled, 1u << 30, 1024));
  args.finish();
  if (low > high) args.fail("max", "below min");
  Phases phases;
  Team team(threads);
  Sleepers shape(threads, bytes, {low, high});
  Stopwatch measured;
  phases.mark("burst", 1);
  measured.start();
  for (unsigned i = 0; i < threads; ++i) {
    team.start_one(i, shape);
    shape.wait_for_one();
  }
  measured.stop();
  shape.release_table();
  phases.mark("held", 1);
  sleep_until_ns(wall_ns() + idle_ns);
  phases.mark("joined", 1);
  shape.wake_all();
  team.join();
  phases.end();
  const Tally tally = shape.tally();
  Result result;
  result.text("idle_phase", "held");
  report(result, tally.ops(), "mallocs and frees", measured, tally);
  result.write();
  return 0;
}
