// producer_consumer: one thread allocates, another frees, all the time.
//
// Models pipelines and message passing: of each pair the producer allocates objects of one size, or
// of any up to `max`, and writes both ends, the consumer checks and frees them; a ring between them
// bounds how far the producer runs ahead. Every free is remote and no block ever comes back by
// itself to the thread that needs it. Usual sizes are 64 and 4096. One op is one object's malloc
// and free; the figure is ns_per_op of all pairs together.

#include <sched.h>

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/ring.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {
namespace {

// Waiting for the other end. Sleeping would leave the ring to run dry; giving the CPU away serves
// pairs that share one. Waiting counts as CPU time, so ops_per_cpu_s says less here than ns_per_op.
void wait_a_little() { ::sched_yield(); }

class ProducerConsumer {
 public:
  ProducerConsumer(std::uint64_t objects, Range sizes, unsigned pairs, std::size_t ring_slots)
      : objects_(objects), sizes_(sizes), rings_(pairs, ring_slots), tallies_(2 * pairs) {}

  void prepare(unsigned) {}
  void work(unsigned index) {
    if (index % 2 == 0) {
      produce(index, rings_[index / 2], tallies_[index]);
    } else {
      consume(rings_[index / 2], tallies_[index]);
    }
  }
  void clean(unsigned) {}

  Tally tally() const { return sum(tallies_); }

 private:
  void produce(unsigned index, Ring& ring, Tally& into) {
    Random random(0x9e3779b9, index);
    const UniformSizes sizes(sizes_);
    const bool one_size = sizes_.low == sizes_.high;
    Tally tally;
    for (std::uint64_t i = 0; i < objects_; ++i) {
      const std::size_t size = one_size ? sizes_.low : sizes(random);
      void* object = take(size, tally);
      mark_ends(object, size);
      while (!ring.push(object)) wait_a_little();
    }
    into.add(tally);
  }
  void consume(Ring& ring, Tally& into) {
    Tally tally;
    while (tally.frees < objects_) {
      void* object = ring.pop();
      if (object == nullptr) {
        wait_a_little();
        continue;
      }
      check(object);
      give(object, tally);
    }
    into.add(tally);
  }

  const std::uint64_t objects_;
  const Range sizes_;
  Rings rings_;
  Table<Tally> tallies_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "objects size [pairs ring_slots max]\n"
            "  objects     of each pair\n"
            "  size        of every object, or the smallest, in bytes, at least 16\n"
            "  pairs       of a producer and a consumer thread (1)\n"
            "  ring_slots  between the two, at most this many objects are under way (4096)\n"
            "  max         sizes are uniform up to here (size)");
  const std::uint64_t objects = args.number("objects", 1, 1ull << 40);
  Range sizes;
  sizes.low = static_cast<std::uint32_t>(args.number("size", kLeastFilled, 1u << 30));
  const auto pairs = static_cast<unsigned>(args.number_or("pairs", 1, 512, 1));
  const std::size_t ring_slots = args.number_or("ring_slots", 1, 1u << 28, 4096);
  sizes.high = static_cast<std::uint32_t>(args.number_or("max", kLeastFilled, 1u << 30, sizes.low));
  args.finish();
  if (sizes.low > sizes.high) args.fail("max", "below size");
  Phases phases;
  Team team(2 * pairs);
  ProducerConsumer shape(objects, sizes, pairs, ring_slots);
  Stopwatch measured;
  run_bounded(team, shape, phases, measured);
  Result result;
  report(result, objects * pairs, "objects", measured, shape.tally());
  result.write();
  return 0;
}
