// handed_over: a burst, freed by other threads than those that allocated it, and then nothing.
//
// Models a program whose workers pass their results on: every thread frees what the next one
// allocated, in random order. It is the burst-idle program (burst_idle.h has the phases), threads
// held alive through the idle window. An allocator that gives memory back to its owner finds the
// owner asleep. Figure: RSS in the idle window. Usual arguments: 200000 1 4.

#include "common/args.h"
#include "common/touch.h"
#include "programs/burst_idle.h"

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "objs idle_s threads [min max cycles]\n"
            "  objs     objects per cycle, over all threads\n"
            "  idle_s   seconds of the idle window (decimals allowed)\n"
            "  min max  object sizes in bytes, uniform (256 4096)\n"
            "  cycles   (1)");
  BurstIdle plan;
  plan.objects = args.number("objs", 1, 1ull << 31);
  plan.idle_ns = args.seconds("idle_s");
  plan.threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  plan.sizes.low = static_cast<std::uint32_t>(args.number_or("min", kLeastFilled, 1u << 30, 256));
  plan.sizes.high = static_cast<std::uint32_t>(args.number_or("max", kLeastFilled, 1u << 30, 4096));
  plan.cycles = static_cast<unsigned>(args.number_or("cycles", 1, 100000, 1));
  args.finish();
  if (plan.sizes.low > plan.sizes.high) args.fail("max", "below min");
  plan.idle_while_held = true;
  plan.freed_by_next = true;
  plan.free_order = BurstIdle::Order::kRandom;
  return run_burst_idle(plan);
}
