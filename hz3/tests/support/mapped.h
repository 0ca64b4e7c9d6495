// Memory for the tests' own books. It comes from mmap, never from the allocator under test: books
// kept in the heap would hide its faults by moving with them, and would count as its memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#include "check.h"

namespace hz3_test {

// Zeroed pages, shared with children of fork when `shared`. Never returns null: a test whose own
// books cannot be had stops with status 3.
inline void* map_pages(size_t bytes, bool shared = false) {
  const int visibility = shared ? MAP_SHARED : MAP_PRIVATE;
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     visibility | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) {
    say("the test cannot map %zu bytes for its own books", bytes);
    _exit(3);
  }
  return pages;
}

// A fixed-size array of default-constructed T; lives as long as the process.
template <typename T>
T* map_array(size_t count, bool shared = false) {
  auto* array = static_cast<T*>(map_pages(count * sizeof(T), shared));
  for (size_t i = 0; i < count; ++i) new (&array[i]) T();
  return array;
}

}  // namespace hz3_test
