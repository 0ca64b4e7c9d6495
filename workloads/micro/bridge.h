// What the micro-benchmarks share: the sizes they step through, and a main.
//
// bridge.cpp holds main(). It runs the benchmarks with the usual console output, and when
// HZ_RESULT_FD is set also writes the flat result: one key a benchmark, its value nanoseconds an
// item (an item is one object; with repetitions, the median of them).
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <iterator>

namespace micro {

// Powers of two and the halves between: one or two in each doubling, whatever an allocator's size
// classes are.
inline constexpr std::int64_t kSizes[] = {16,   24,   32,   48,    64,    96,    128,    192,
                                          256,  384,  512,  768,   1024,  1536,  2048,   3072,
                                          4096, 6144, 8192, 16384, 32768, 65536, 262144, 1048576};

// Registers sizes up to `largest`.
inline void sizes_up_to(benchmark::internal::Benchmark* b, std::int64_t largest) {
  for (const std::int64_t size : kSizes) {
    if (size <= largest) b->Arg(size);
  }
}
inline void all_sizes(benchmark::internal::Benchmark* b) { sizes_up_to(b, INT64_MAX); }
inline void small_sizes(benchmark::internal::Benchmark* b) { sizes_up_to(b, 32768); }

}  // namespace micro
