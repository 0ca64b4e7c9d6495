// micro_pairs: malloc and free of one size, as single pairs and in batches.
//
// `pair` is the shortest way through an allocator: the block just freed comes back. A batch
// allocates 64 (or 1024) objects and then frees them, in the order of allocation (`queue`) or
// against it (`stack`); the larger batch outgrows thread caches, so its cost is that of refilling
// and flushing them. ns per object: one malloc and one free.

#include "common/heap.h"
#include "micro/bridge.h"

namespace {

void pair(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  workload::Tally tally;
  for (auto _ : state) {
    void* object = workload::take(bytes, tally);
    benchmark::DoNotOptimize(object);
    workload::give(object, tally);
  }
  state.SetItemsProcessed(state.iterations());
}

template <int kCount, bool kStack>
void batch(benchmark::State& state) {
  static void* objects[kCount];
  const auto bytes = static_cast<std::size_t>(state.range(0));
  workload::Tally tally;
  for (auto _ : state) {
    for (void*& object : objects) object = workload::take(bytes, tally);
    for (int i = 0; i < kCount; ++i) workload::give(objects[kStack ? kCount - 1 - i : i], tally);
  }
  state.SetItemsProcessed(state.iterations() * kCount);
}

BENCHMARK(pair)->Name("pair")->Apply(micro::all_sizes);
BENCHMARK(batch<64, false>)->Name("queue64")->Apply(micro::small_sizes);
BENCHMARK(batch<64, true>)->Name("stack64")->Apply(micro::small_sizes);
BENCHMARK(batch<1024, false>)->Name("queue1024")->Apply(micro::small_sizes);
BENCHMARK(batch<1024, true>)->Name("stack1024")->Apply(micro::small_sizes);

}  // namespace
