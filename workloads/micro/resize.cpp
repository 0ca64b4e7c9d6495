// micro_resize: calloc, and growth by realloc.
//
// `calloc` and its free, an object a time: where an allocator knows that pages are fresh it need
// not clear them. `grow_steps` appends to a buffer 64 bytes at a time up to the size (ns per
// realloc, the last free included), `grow_doubling` doubles it from 16 bytes. The last written byte
// is read back, so that the contents must have come along.

#include <algorithm>
#include <cstdlib>

#include "common/heap.h"
#include "micro/bridge.h"

namespace {

void* checked(void* object, std::size_t bytes) {
  if (object == nullptr) workload::allocation_failed(bytes);
  return object;
}

void zeroed(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    void* object = checked(std::calloc(1, bytes), bytes);
    benchmark::DoNotOptimize(object);
    std::free(object);
  }
  state.SetItemsProcessed(state.iterations());
}

template <class Next>
void grow(benchmark::State& state, Next next) {
  const auto largest = static_cast<std::size_t>(state.range(0));
  std::int64_t calls = 0;
  for (auto _ : state) {
    std::size_t bytes = 16;
    char* buffer = static_cast<char*>(checked(std::malloc(bytes), bytes));
    buffer[bytes - 1] = 7;
    while (bytes < largest) {
      const std::size_t last = bytes - 1;
      bytes = std::min(largest, next(bytes));
      buffer = static_cast<char*>(checked(std::realloc(buffer, bytes), bytes));
      if (buffer[last] != 7) workload::object_damaged(buffer, bytes);
      buffer[bytes - 1] = 7;
      ++calls;
    }
    std::free(buffer);
  }
  state.SetItemsProcessed(calls);
}

void grow_steps(benchmark::State& state) {
  grow(state, [](std::size_t bytes) { return bytes + 64; });
}
void grow_doubling(benchmark::State& state) {
  grow(state, [](std::size_t bytes) { return bytes * 2; });
}

BENCHMARK(zeroed)->Name("calloc")->Apply(micro::all_sizes);
BENCHMARK(grow_steps)->Arg(1024)->Arg(16384)->Arg(262144);
BENCHMARK(grow_doubling)->Arg(1024)->Arg(16384)->Arg(262144)->Arg(4 << 20);

}  // namespace
