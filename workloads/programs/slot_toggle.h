// The slot toggle, shared by bench_ssot (uniform sizes) and bench_dist (shaped ones).
#pragma once

#include <cstdint>

#include "common/phase.h"
#include "common/random.h"
#include "common/report.h"

namespace workload {

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
  phases.mark("run", 1);
  measured.start();
  for (std::uint64_t i = 0; i < iters; ++i) {
    void*& slot = slots[random.below(ws)];
    if (slot != nullptr) {
      give(slot, tally);
      slot = nullptr;
    } else {
      slot = take(sizes(random), tally);
    }
  }
  measured.stop();
  phases.end();
  for (std::uint32_t i = 0; i < ws; ++i) {
    if (slots[i] != nullptr) give(slots[i], tally);
  }
  Result result;
  report(result, iters, "ops", measured, tally);
  result.write();
  return 0;
}

}  // namespace workload
