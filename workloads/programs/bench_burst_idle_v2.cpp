// bench_burst_idle_v2: the ten-argument form of the S59-2 program; see burst_idle.h for the shape.
// Figure: RSS in the idle window, which is `held` (threads alive) or `joined` (threads gone).

#include "common/args.h"
#include "common/touch.h"
#include "programs/burst_idle.h"

int main(int argc, char** argv) {
  using namespace workload;
  Args args(
      argc, argv,
      "objs idle_s cycles keep_pct threads [min max keep_hold idle_tick_ms dump_mode]\n"
      "  objs          objects per cycle, over all threads\n"
      "  idle_s        seconds of the idle window (decimals allowed)\n"
      "  keep_pct      share of the objects that stays allocated through it\n"
      "  min max       object sizes in bytes, uniform (256 4096)\n"
      "  keep_hold     1: threads stay alive through the idle window; 0: they are joined (0)\n"
      "  idle_tick_ms  while idle, each thread calls hz3_epoch_force this often; 0: never (0)\n"
      "  dump_mode     at the end of the idle window 0 nothing, 1 smaps_rollup, 2 smaps, to\n"
      "                the file named by S59_2_DUMP_PATH, else to stderr (0)");
  BurstIdle plan;
  plan.objects = args.number("objs", 1, 1ull << 31);
  plan.idle_ns = args.seconds("idle_s");
  plan.cycles = static_cast<unsigned>(args.number("cycles", 1, 100000));
  plan.keep_pct = static_cast<unsigned>(args.number("keep_pct", 0, 100));
  plan.threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  plan.sizes.low = static_cast<std::uint32_t>(args.number_or("min", kLeastFilled, 1u << 30, 256));
  plan.sizes.high = static_cast<std::uint32_t>(args.number_or("max", kLeastFilled, 1u << 30, 4096));
  plan.idle_while_held = args.number_or("keep_hold", 0, 1, 0) == 1;
  plan.tick_ns = args.number_or("idle_tick_ms", 0, 86400000, 0) * 1000000;
  plan.dump = static_cast<BurstIdle::Dump>(args.number_or("dump_mode", 0, 2, 0));
  args.finish();
  if (plan.sizes.low > plan.sizes.high) args.fail("max", "below min");
  return run_burst_idle(plan);
}
