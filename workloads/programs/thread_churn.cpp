// thread_churn: short threads, one wave after the other, each leaving blocks to the next.
//
// Models programs that start a thread per request or per connection. A thread frees the blocks its
// predecessor in the same place left behind, allocates `ops` objects and writes both ends, frees a
// random half, and ends. What a thread costs an allocator - making a heap, flushing it, giving it
// up, adopting its blocks - dominates here. One op is one malloc or free, and the time includes the
// creation of threads: the figure to compare between arms is threads_per_s.

#include "common/args.h"
#include "common/phase.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/team.h"
#include "common/touch.h"

namespace workload {
namespace {

struct alignas(64) Lane {
  std::uint64_t left;
  std::uint64_t generation;
  Tally tally;
};

class ThreadChurn {
 public:
  ThreadChurn(unsigned at_once, std::uint64_t ops, Range sizes)
      : ops_(ops), sizes_(sizes), objects_(at_once * ops), lanes_(at_once) {}

  void operator()(unsigned index) {
    Lane& lane = lanes_[index];
    Tally tally;
    free_left(index, tally);
    void** objects = objects_of(index);
    Random random(++lane.generation, index);
    for (std::uint64_t i = 0; i < ops_; ++i) {
      const std::size_t bytes = sizes_(random);
      objects[i] = take(bytes, tally);
      mark_ends(objects[i], bytes);
    }
    for (std::uint64_t i = 0; i < ops_; ++i) {
      if (random.below(2) == 0) {
        objects[lane.left++] = objects[i];
      } else {
        check(objects[i]);
        give(objects[i], tally);
      }
    }
    lane.tally.add(tally);
  }

  void free_left(unsigned index, Tally& tally) {
    Lane& lane = lanes_[index];
    for (void** object = objects_of(index); lane.left > 0; --lane.left, ++object) {
      check(*object);
      give(*object, tally);
    }
  }

  Tally tally() const {
    Tally all;
    for (std::size_t i = 0; i < lanes_.size(); ++i) all.add(lanes_[i].tally);
    return all;
  }

 private:
  void** objects_of(unsigned index) { return objects_.data() + index * ops_; }

  const std::uint64_t ops_;
  const UniformSizes sizes_;
  Table<void*> objects_;
  Table<Lane> lanes_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "waves at_once ops min max\n"
            "  waves    of threads, one after the other\n"
            "  at_once  threads in a wave\n"
            "  ops      objects each thread allocates\n"
            "  min max  object sizes in bytes, uniform, at least 16");
  const std::uint64_t waves = args.number("waves", 1, 1ull << 32);
  const auto at_once = static_cast<unsigned>(args.number("at_once", 1, 1024));
  const std::uint64_t ops = args.number("ops", 1, 1u << 28);
  const auto low = static_cast<std::uint32_t>(args.number("min", kLeastFilled, 1u << 30));
  const auto high = static_cast<std::uint32_t>(args.number("max", kLeastFilled, 1u << 30));
  args.finish();
  if (low > high) args.fail("max", "below min");
  Phases phases;
  Team team(at_once);
  ThreadChurn shape(at_once, ops, {low, high});
  Stopwatch measured;
  phases.mark("run", 1);
  measured.start();
  for (std::uint64_t wave = 0; wave < waves; ++wave) run_team(team, shape);
  measured.stop();
  phases.end();
  Tally tally = shape.tally();
  const std::uint64_t measured_ops = tally.ops();
  for (unsigned i = 0; i < at_once; ++i) shape.free_left(i, tally);
  const double threads = static_cast<double>(waves) * at_once;
  Result result;
  report(result, measured_ops, "mallocs and frees", measured, tally);
  result.number("threads_started", waves * at_once);
  result.number("threads_per_s", threads * 1e9 / static_cast<double>(measured.wall()));
  result.write();
  return 0;
}
