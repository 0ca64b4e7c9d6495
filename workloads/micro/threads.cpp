// micro_threads: what crossing threads costs.
//
// `handover`: this thread allocates batches of 256 objects, another one frees them; the time ends
// when the batch is freed, so that it holds both sides and the way between (ns per object).
// `first_malloc`: the first malloc of a new thread, timed inside that thread: setting up its cache.
// `thread_life`: creating a thread that makes one malloc and free, and joining it: setting up and
// tearing down. `bare_thread` is the same without the malloc.

#include <sched.h>

#include <atomic>

#include "common/clocks.h"
#include "common/heap.h"
#include "common/team.h"
#include "micro/bridge.h"

namespace {

constexpr int kBatch = 256;

// One batch under way at a time. State: 0 empty, 1 full, 2 no more to come.
struct Handover {
  alignas(64) std::atomic<int> state{0};
  void* objects[kBatch];

  int wait_for_not(int value) {
    int seen;
    while ((seen = state.load(std::memory_order_acquire)) == value) ::sched_yield();
    return seen;
  }
};

void handover(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  Handover shared;
  workload::Team helper(1);
  auto release = [&shared](unsigned) {
    workload::Tally tally;
    while (shared.wait_for_not(0) == 1) {
      for (void* object : shared.objects) workload::give(object, tally);
      shared.state.store(0, std::memory_order_release);
    }
  };
  helper.start(release);
  workload::Tally tally;
  for (auto _ : state) {
    for (void*& object : shared.objects) object = workload::take(bytes, tally);
    shared.state.store(1, std::memory_order_release);
    shared.wait_for_not(1);
  }
  shared.state.store(2, std::memory_order_release);
  helper.join();
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void first_malloc(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  workload::Team team(1);
  std::uint64_t took_ns = 0;
  auto body = [&](unsigned) {
    workload::Tally tally;
    const std::uint64_t begin = workload::wall_ns();
    void* object = workload::take(bytes, tally);
    took_ns = workload::wall_ns() - begin;
    workload::give(object, tally);
  };
  for (auto _ : state) {
    workload::run_team(team, body);
    state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
  }
}

template <bool kMalloc>
void thread_life(benchmark::State& state) {
  workload::Team team(1);
  auto body = [](unsigned) {
    workload::Tally tally;
    if (kMalloc) workload::give(workload::take(64, tally), tally);
  };
  for (auto _ : state) workload::run_team(team, body);
}

BENCHMARK(handover)->UseRealTime()->Arg(16)->Arg(64)->Arg(512)->Arg(4096)->Arg(32768);
// A fixed number of threads: the time of the one malloc would call for tens of thousands of them.
BENCHMARK(first_malloc)->UseManualTime()->Iterations(300)->Arg(64)->Arg(4096);
BENCHMARK(thread_life<true>)->Name("thread_life")->UseRealTime()->Iterations(1000);
BENCHMARK(thread_life<false>)->Name("bare_thread")->UseRealTime()->Iterations(1000);

}  // namespace
