// The slot toggle, shared by bench_ssot (uniform sizes) and bench_dist (shaped ones).
#pragma once

#include <cstdint>

#include "common/latency.h"
#include "common/phase.h"
#include "common/random.h"
#include "common/report.h"

namespace workload {

template <class Sizes, class Calls>
void toggle(std::uint64_t iters, Table<void*>& slots, std::uint32_t ws, Random random,
            const Sizes& sizes, Calls calls, Tally& tally) {
  for (std::uint64_t i = 0; i < iters; ++i) {
    void*& slot = slots[random.below(ws)];
    if (slot != nullptr) {
      calls.give(slot, 0, tally);
      slot = nullptr;
    } else {
      slot = calls.take(sizes(random), tally);
    }
  }
}

// Runs `iters` steps and reports; phases: `run`, then `end` with the working set still live. The
// blocks left over are freed after that and are not part of the figure; "allocs" and "frees" count
// them too.
template <class Sizes>
int run_slot_toggle(std::uint64_t iters, std::uint32_t ws, const Sizes& sizes, std::uint64_t seed) {
  Phases phases;
  Table<void*> slots(ws);
  Random random(seed);
  Tally tally;
  Stopwatch measured;
  const std::uint32_t every = latency_every();
  Table<Latencies> found(1);
  phases.mark("run", 1);
  measured.start();
  if (every == 0) {
    toggle(iters, slots, ws, random, sizes, Untimed<Malloc>(), tally);
  } else {
    toggle(iters, slots, ws, random, sizes, Timed<Malloc>(every, found[0], seed), tally);
  }
  measured.stop();
  phases.end();
  for (std::uint32_t i = 0; i < ws; ++i) {
    if (slots[i] != nullptr) give(slots[i], tally);
  }
  Result result;
  report(result, iters, "ops", measured, tally);
  if (every != 0) report_latencies(result, found[0]);
  result.write();
  return 0;
}

}  // namespace workload
