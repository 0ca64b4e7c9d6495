// survivors: after a burst all but a few scattered objects are freed, and then nothing happens.
//
// Models a program after its peak with a small live set spread over all its pages; the shape on
// which most allocators keep half of the peak, because a page with one survivor cannot go back. It
// is the burst-idle program (burst_idle.h has the phases) with frees in random order, threads held
// alive through the idle window. Figure: RSS at its end against `survivor_bytes`, the least it can
// be. Usual arguments: 200000 5 4 4.

#include "common/args.h"
#include "programs/burst_idle.h"

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "objs survive_pct idle_s threads [min max cycles]\n"
            "  objs         objects per cycle, over all threads\n"
            "  survive_pct  share that stays allocated, chosen at random\n"
            "  idle_s       seconds of the idle window (decimals allowed)\n"
            "  min max      object sizes in bytes, uniform (256 4096)\n"
            "  cycles       (1)");
  BurstIdle plan;
  plan.objects = args.number("objs", 1, 1ull << 31);
  plan.keep_pct = static_cast<unsigned>(args.number("survive_pct", 0, 100));
  plan.idle_ns = args.seconds("idle_s");
  plan.threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  plan.sizes.low = static_cast<std::uint32_t>(args.number_or("min", 16, 1u << 30, 256));
  plan.sizes.high = static_cast<std::uint32_t>(args.number_or("max", 16, 1u << 30, 4096));
  plan.cycles = static_cast<unsigned>(args.number_or("cycles", 1, 100000, 1));
  args.finish();
  if (plan.sizes.low > plan.sizes.high) args.fail("max", "below min");
  plan.idle_while_held = true;
  plan.free_order = BurstIdle::Order::kRandom;
  return run_burst_idle(plan);
}
