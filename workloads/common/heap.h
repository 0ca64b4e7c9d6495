// The calls under test, counted.
//
// A Tally is kept in registers inside a loop and added up afterwards; it is what lets a test prove
// that a program does the operations it reports. A failed allocation ends the run with status 1 and
// a result saying alloc_fail: a rate measured on null pointers must never be reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace workload {

struct alignas(64) Tally {
  std::uint64_t allocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t requested_bytes = 0;

  void add(const Tally& other) {
    allocs += other.allocs;
    frees += other.frees;
    requested_bytes += other.requested_bytes;
  }
  std::uint64_t ops() const { return allocs + frees; }
};

// Says so on stderr, writes the result {"program":…,"alloc_fail":1} and exits with status 1; from
// several threads at once, the first one does.
[[noreturn]] void allocation_failed(std::size_t bytes);
// The same, with "damaged", for an object whose contents changed while it was live; `bytes` is 0
// when its size is lost.
[[noreturn]] void object_damaged(const void* object, std::size_t bytes);

inline void* take(std::size_t bytes, Tally& tally) {
  void* object = std::malloc(bytes);
  if (object == nullptr) [[unlikely]]
    allocation_failed(bytes);
  ++tally.allocs;
  tally.requested_bytes += bytes;
  return object;
}

inline void give(void* object, Tally& tally) {
  std::free(object);
  ++tally.frees;
}

// malloc and free as a type, for shapes that take their heap as one.
struct Malloc {
  static void* take(std::size_t bytes, Tally& tally) { return workload::take(bytes, tally); }
  static void give(void* object, std::size_t, Tally& tally) { workload::give(object, tally); }
};

}  // namespace workload
