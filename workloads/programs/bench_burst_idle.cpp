// bench_burst_idle: the five-argument form of the S59-2 program; see burst_idle.h for the shape.
// The idle window is `joined` (threads gone). Figure: RSS in it, sizes uniform 256–4096 bytes.

#include "common/args.h"
#include "programs/burst_idle.h"

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "objs idle_s cycles keep_pct threads\n"
            "  objs      objects per cycle, over all threads\n"
            "  idle_s    seconds of the idle window (decimals allowed)\n"
            "  keep_pct  share of the objects that stays allocated through it");
  BurstIdle plan;
  plan.objects = args.number("objs", 1, 1ull << 31);
  plan.idle_ns = args.seconds("idle_s");
  plan.cycles = static_cast<unsigned>(args.number("cycles", 1, 100000));
  plan.keep_pct = static_cast<unsigned>(args.number("keep_pct", 0, 100));
  plan.threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  args.finish();
  return run_burst_idle(plan);
}
