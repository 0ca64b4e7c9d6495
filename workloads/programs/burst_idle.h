// A burst of allocation, then idleness: what does the process still hold?
//
// Models a server after a peak, as in phase S59-2: per cycle, threads are created, allocate objects
// of mixed sizes and write them, free all but a kept share, and then nothing happens. The figure is
// RSS in the idle window. Four phases a cycle, so that the state at the end of each can be read at
// the next mark, while the program is parked:
//
//   burst   threads are created; kept objects of the cycle before are freed; everything allocated
//   free    every thread frees its own objects but the kept ones, or those of the next thread
//   held    threads alive and blocked, their caches full
//   joined  threads end and are joined; their stacks and this program's tables are given back
//
// Either `held` or `joined` lasts idle_s, the other 100 ms. Kept objects live on through both, and
// belong to the thread's number: the next cycle's thread of that number frees them first, so with
// fresh threads they are memory whose owner has gone.
#pragma once

#include <cstdint>

#include "common/sizes.h"

namespace workload {

struct BurstIdle {
  enum class Dump : std::uint8_t { kNone, kSmapsRollup, kSmaps };
  enum class Order : std::uint8_t { kAllocation, kRandom };

  std::uint64_t objects = 0;  // per cycle, over all threads
  std::uint64_t idle_ns = 0;
  unsigned cycles = 1;
  unsigned keep_pct = 0;
  unsigned threads = 1;
  Range sizes{256, 4096};
  bool idle_while_held = false;
  std::uint64_t tick_ns = 0;  // while idle, every thread calls hz3_epoch_force this often; 0: never
  Dump dump = Dump::kNone;    // at the end of the idle window, to S59_2_DUMP_PATH or stderr
  Order free_order = Order::kAllocation;
  bool freed_by_next = false;  // a thread frees what the next one allocated
  std::uint64_t seed = 20260109;
};

// Runs all cycles, prints and writes the result; returns the exit status.
int run_burst_idle(const BurstIdle& plan);

}  // namespace workload
