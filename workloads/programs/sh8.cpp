// sh8: blocks of every size at once, part of them freed by other threads.
//
// Models sh8bench of MicroQuill's SmartHeap, made for multi-processor machines: unlike sh6 each
// block has a size of its own (8–8192 bytes, small ones far more often), blocks die in random
// order, and one in eight is swapped through a table shared by all threads, so that it is freed by
// whichever thread draws it. First and last byte are written. One op is one malloc or free;
// ns_per_op is of all threads together.

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr std::uint32_t kLocal = 4096;
constexpr std::uint32_t kShared = 1024;

class Sh8 {
 public:
  Sh8(unsigned threads, std::uint64_t calls)
      : calls_(calls),
        sizes_(ParetoSizes({8, 8192}, 0.8), 8),
        shared_(kShared),
        blocks_(std::size_t{threads} * kLocal),
        tallies_(threads),
        after_(threads) {}

  void prepare(unsigned) {}

  void work(unsigned index) {
    Random random(8, index);
    void** blocks = blocks_.data() + std::size_t{index} * kLocal;
    Tally tally;
    while (tally.allocs < calls_) {
      const std::size_t bytes = sizes_(random);
      void* fresh = take(bytes, tally);
      touch_ends(fresh, bytes);
      if (random.below(8) == 0) {
        fresh = shared_[random.below(kShared)].exchange(fresh, std::memory_order_acq_rel);
        if (fresh == nullptr) continue;
      }
      void*& slot = blocks[random.below(kLocal)];
      if (slot != nullptr) give(slot, tally);
      slot = fresh;
    }
    tallies_[index].add(tally);
  }

  void clean(unsigned index) {
    Tally tally;
    for (std::uint32_t i = 0; i < kLocal; ++i) {
      void* block = blocks_[std::size_t{index} * kLocal + i];
      if (block != nullptr) give(block, tally);
    }
    for (std::uint32_t i = 0; i < kShared && index == 0; ++i) {
      void* block = shared_[i].exchange(nullptr, std::memory_order_acq_rel);
      if (block != nullptr) give(block, tally);
    }
    after_[index].add(tally);
  }

  Tally measured() const { return sum(tallies_); }
  Tally after() const { return sum(after_); }

 private:
  const std::uint64_t calls_;
  const DrawnSizes sizes_;
  Table<std::atomic<void*>> shared_;
  Table<void*> blocks_;
  Table<Tally> tallies_, after_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv, "threads calls\n  calls  mallocs of each thread");
  const auto threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  const std::uint64_t calls = args.number("calls", 1, 1ull << 36);
  args.finish();
  Phases phases;
  Team team(threads);
  Sh8 shape(threads, calls);
  Stopwatch measured;
  run_bounded(team, shape, phases, measured);
  Tally tally = shape.measured();
  const std::uint64_t ops = tally.ops();
  tally.add(shape.after());
  Result result;
  report(result, ops, "mallocs and frees", measured, tally);
  result.write();
  return 0;
}
