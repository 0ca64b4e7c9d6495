// alloc_test: slots picked by a Pareto law, sizes by another, every block written.
//
// Models Ignatchenko's alloc-test ("Testing Memory Allocators", 2018), made to be nearer to
// programs than uniform toggling: few slots are replaced all the time and most hardly ever (80/20),
// sizes from 8 bytes fall off by the same law, and the program writes what it allocates. A step
// frees an occupied slot or fills an empty one. One op is one malloc or free; ns_per_op is of all
// threads together, and includes the writing. Usual arguments: 1 20000000 100000 10; then N
// threads.

#include <algorithm>
#include <cstring>

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/sizes.h"

namespace workload {
namespace {

// A Pareto-distributed slot of `count`: the first fifth is picked four times in five, and so on
// within it, five times over.
std::uint32_t pareto_slot(Random& random, std::uint32_t count) {
  std::uint32_t low = 0;
  for (int level = 0; level < 5; ++level) {
    const std::uint32_t fifth = count / 5;
    if (fifth == 0) break;
    if (random.below(5) == 0) {
      low += fifth;
      count -= fifth;
      break;
    }
    count = fifth;
  }
  return low + random.below(count);
}

class AllocTest {
 public:
  AllocTest(unsigned threads, std::uint64_t ops, std::uint32_t items, std::uint32_t largest)
      : ops_(ops),
        items_(std::max(1u, items / threads)),
        sizes_(ParetoSizes({8, largest}), 80),
        slots_(std::size_t{threads} * items_),
        tallies_(threads),
        after_(threads) {}

  void prepare(unsigned) {}

  void work(unsigned index) {
    Random random(20, index);
    void** slots = slots_.data() + std::size_t{index} * items_;
    Tally tally;
    for (std::uint64_t i = 0; i < ops_; ++i) {
      void*& slot = slots[pareto_slot(random, items_)];
      if (slot != nullptr) {
        give(slot, tally);
        slot = nullptr;
      } else {
        const std::size_t bytes = sizes_(random);
        slot = take(bytes, tally);
        std::memset(slot, static_cast<int>(bytes), bytes);
      }
    }
    tallies_[index].add(tally);
  }

  void clean(unsigned index) {
    Tally tally;
    for (std::uint32_t i = 0; i < items_; ++i) {
      void* block = slots_[std::size_t{index} * items_ + i];
      if (block != nullptr) give(block, tally);
    }
    after_[index].add(tally);
  }

  Tally measured() const { return sum(tallies_); }
  Tally after() const { return sum(after_); }

 private:
  const std::uint64_t ops_;
  const std::uint32_t items_;
  const DrawnSizes sizes_;
  Table<void*> slots_;
  Table<Tally> tallies_, after_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "threads ops items max_log2\n"
            "  ops       steps of each thread: one malloc or one free\n"
            "  items     slots, over all threads\n"
            "  max_log2  largest block is 2 to this many bytes");
  const auto threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  const std::uint64_t ops = args.number("ops", 1, 1ull << 40);
  const auto items = static_cast<std::uint32_t>(args.number("items", 1, 1u << 30));
  const std::uint32_t largest = 1u << args.number("max_log2", 3, 30);
  args.finish();
  Phases phases;
  Team team(threads);
  AllocTest shape(threads, ops, items, largest);
  Stopwatch measured;
  run_bounded(team, shape, phases, measured);
  Tally tally = shape.measured();
  const std::uint64_t measured_ops = tally.ops();
  tally.add(shape.after());
  Result result;
  report(result, measured_ops, "mallocs and frees", measured, tally);
  result.write();
  return 0;
}
