// micro_aligned: the aligned forms, by alignment and size.
//
// Allocators often serve an alignment up to the block size from the ordinary classes and leave for
// a slow path above it; the steps lie on both sides. ns per object: one allocation and one free.
// The alignment of what comes back is checked.

#include <cstdint>
#include <cstdlib>
#include <new>

#include "common/heap.h"
#include "micro/bridge.h"

namespace {

void checked(void* object, std::size_t align, std::size_t bytes) {
  if (object == nullptr) workload::allocation_failed(bytes);
  if (reinterpret_cast<std::uintptr_t>(object) % align != 0) {
    workload::object_damaged(object, bytes);
  }
}

void aligned_form(benchmark::State& state) {
  const auto align = static_cast<std::size_t>(state.range(0));
  const auto bytes = static_cast<std::size_t>(state.range(1));
  for (auto _ : state) {
    void* object = std::aligned_alloc(align, bytes);
    checked(object, align, bytes);
    std::free(object);
  }
  state.SetItemsProcessed(state.iterations());
}

void posix_form(benchmark::State& state) {
  const auto align = static_cast<std::size_t>(state.range(0));
  const auto bytes = static_cast<std::size_t>(state.range(1));
  for (auto _ : state) {
    void* object = nullptr;
    if (::posix_memalign(&object, align, bytes) != 0) object = nullptr;
    checked(object, align, bytes);
    std::free(object);
  }
  state.SetItemsProcessed(state.iterations());
}

void operator_form(benchmark::State& state) {
  const auto align = static_cast<std::align_val_t>(state.range(0));
  const auto bytes = static_cast<std::size_t>(state.range(1));
  for (auto _ : state) {
    void* object = ::operator new(bytes, align, std::nothrow);
    checked(object, static_cast<std::size_t>(align), bytes);
    ::operator delete(object, bytes, align);
  }
  state.SetItemsProcessed(state.iterations());
}

void steps(benchmark::internal::Benchmark* b) {
  for (const std::int64_t align : {16, 64, 256, 4096, 65536}) {
    for (const std::int64_t bytes : {64, 1024, 4096, 65536}) b->Args({align, bytes});
  }
}

BENCHMARK(aligned_form)->Name("aligned_alloc")->Apply(steps);
BENCHMARK(posix_form)->Name("posix_memalign")->Apply(steps);
BENCHMARK(operator_form)->Name("operator_new_aligned")->Apply(steps);

}  // namespace
