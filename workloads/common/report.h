// The end that most programs share: the readable line and the result with its usual keys.
#pragma once

#include "common/clocks.h"
#include "common/heap.h"
#include "common/memory.h"
#include "common/result.h"
#include "common/say.h"

namespace workload {

// Fills `result` with rates, calls and bookkeeping_kb, and prints the readable line; the caller
// adds its own keys and writes. `unit` names what one operation is.
inline void report(Result& result, std::uint64_t ops, const char* unit, const Stopwatch& measured,
                   const Tally& tally) {
  result.rates(ops, measured);
  result.calls(tally);
  result.number("bookkeeping_kb", bookkeeping_kb());
  const double seconds = static_cast<double>(measured.wall()) * 1e-9;
  const double cpu_seconds = static_cast<double>(measured.cpu()) * 1e-9;
  const double count = static_cast<double>(ops);
  say("%s: %llu %s in %.3f s (cpu %.3f s): %.0f ops/s, %.2f ns/op\n", program_name(),
      static_cast<unsigned long long>(ops), unit, seconds, cpu_seconds, count / seconds,
      seconds * 1e9 / count);
}

}  // namespace workload
