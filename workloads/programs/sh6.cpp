// sh6: groups of equal small blocks, freed partly in the order of allocation, partly against it.
//
// Models sh6bench of MicroQuill's SmartHeap, the usual stand-in for C++ programs with many small
// short-lived objects. A thread allocates groups of one size (1–1000 bytes, falling off as
// 1/size); when its table of 5000 is full, the older half is freed in order,
// three quarters of the rest in reverse order, and the remaining eighth lives on. First and last
// byte are written. One op is one malloc or free; ns_per_op is of all threads together.

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr std::uint32_t kTable = 5000;
constexpr std::uint32_t kMostInGroup = 64;

class Sh6 {
 public:
  Sh6(unsigned threads, std::uint64_t calls)
      : calls_(calls),
        sizes_(LogUniformSizes({1, 1000}), 6),
        blocks_(std::size_t{threads} * kTable),
        live_(threads),
        tallies_(threads),
        after_(threads) {}

  void prepare(unsigned) {}

  void work(unsigned index) {
    Random random(6, index);
    void** blocks = blocks_.data() + std::size_t{index} * kTable;
    std::uint32_t live = 0;
    Tally tally;
    while (tally.allocs < calls_) {
      const std::size_t bytes = sizes_(random);
      std::uint32_t group = 1 + random.below(kMostInGroup);
      for (; group > 0 && tally.allocs < calls_; --group) {
        if (live == kTable) live = thin_out(blocks, tally);
        blocks[live] = take(bytes, tally);
        touch_ends(blocks[live++], bytes);
      }
    }
    live_[index] = live;
    tallies_[index].add(tally);
  }

  void clean(unsigned index) {
    void** blocks = blocks_.data() + std::size_t{index} * kTable;
    for (std::uint32_t i = 0; i < live_[index]; ++i) give(blocks[i], after_[index]);
  }

  Tally measured() const { return sum(tallies_); }
  Tally after() const { return sum(after_); }

 private:
  static std::uint32_t thin_out(void** blocks, Tally& tally) {
    constexpr std::uint32_t kHalf = kTable / 2, kKeep = kTable / 8;
    for (std::uint32_t i = 0; i < kHalf; ++i) give(blocks[i], tally);
    for (std::uint32_t i = kTable; i > kHalf + kKeep; --i) give(blocks[i - 1], tally);
    for (std::uint32_t i = 0; i < kKeep; ++i) blocks[i] = blocks[kHalf + i];
    return kKeep;
  }

  const std::uint64_t calls_;
  const DrawnSizes sizes_;
  Table<void*> blocks_;
  Table<std::uint32_t> live_;
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
  Sh6 shape(threads, calls);
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
