// glibc_thread: every thread toggles a working set of its own, nothing is shared.
//
// Models glibc's bench-malloc-thread: 1024 slots a thread, sizes 4–32768 bytes falling off as
// 1/size, random lifetimes; a step frees what is in a random slot and allocates anew into it. How
// the rate grows with threads shows whether threads get in each other's way in the allocator.
// Memory is not touched. One op is one free and malloc; the figure is ops_per_s.

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/sizes.h"

namespace workload {
namespace {

constexpr std::uint32_t kSlots = 1024;

class GlibcThread {
 public:
  explicit GlibcThread(unsigned threads)
      : sizes_(LogUniformSizes({4, 32768}), 1),
        slots_(std::size_t{threads} * kSlots),
        steps_(threads),
        tallies_(threads) {}

  void prepare(unsigned) {}

  void work(unsigned index) {
    Random random(1, index);
    void** slots = slots_.data() + std::size_t{index} * kSlots;
    Tally tally;
    while (!stop.raised()) {
      void*& slot = slots[random.below(kSlots)];
      if (slot != nullptr) give(slot, tally);
      slot = take(sizes_(random), tally);
    }
    steps_[index] = tally.allocs;
    tallies_[index].add(tally);
  }

  void clean(unsigned index) {
    Tally tally;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      void* block = slots_[std::size_t{index} * kSlots + i];
      if (block != nullptr) give(block, tally);
    }
    tallies_[index].add(tally);
  }

  std::uint64_t steps() const {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < steps_.size(); ++i) all += steps_[i];
    return all;
  }
  Tally tally() const { return sum(tallies_); }
  StopFlag stop;

 private:
  const DrawnSizes sizes_;
  Table<void*> slots_;
  Table<std::uint64_t> steps_;
  Table<Tally> tallies_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv, "seconds threads");
  const std::uint64_t run_ns = args.seconds("seconds");
  const auto threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  args.finish();
  Phases phases;
  Team team(threads);
  GlibcThread shape(threads);
  Stopwatch measured;
  run_for(run_ns, shape.stop, team, shape, phases, measured);
  Result result;
  report(result, shape.steps(), "free and malloc", measured, shape.tally());
  result.write();
  return 0;
}
