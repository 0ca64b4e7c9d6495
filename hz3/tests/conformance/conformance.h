// The parts of the conformance test. Each checks one group of functions and reports through CHECK;
// main runs them all in this order.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace hz3_test {

// Strict: also what glibc or libstdc++ themselves get wrong (posix_memalign sets errno on ENOMEM;
// aligned operator new wraps around for sizes near SIZE_MAX), and the family must be complete.
extern bool g_strict;

// Blocks below 16 bytes: what glibc gives, or, where a row of its own asks for that, what C and C++
// do.
inline size_t g_least_alignment = 16;
inline size_t alignment_of(size_t size) { return size >= 16 ? 16 : g_least_alignment; }

void check_completeness();
void check_malloc();
void check_calloc();
void check_realloc();
void check_aligned();
void check_impossible_sizes();
void check_usable_size();
void check_free();
void check_introspection();
void check_libc_callers();
void check_operator_new();
void check_operator_delete();
void check_new_handler();

// The sizes worth trying: every size up to a little over a page, then the neighbourhood of each
// power of two and of each 1.5 powers up to 8 MiB, where classes and kinds of run change over.
template <typename Body>
void for_each_size(Body body) {
  for (size_t size = 0; size <= 4200; size += size < 600 ? 1 : 7) body(size);
  for (size_t power = 4096; power <= (size_t{8} << 20); power *= 2) {
    for (const size_t centre : {power, power + power / 2}) {
      for (const size_t size : {centre - 1, centre, centre + 1, centre + 16}) body(size);
    }
  }
}

// Sizes no allocator can serve: beyond PTRDIFF_MAX, and those that wrap when rounded up.
inline constexpr size_t kImpossibleSizes[] = {
    static_cast<size_t>(PTRDIFF_MAX) + 1,
    static_cast<size_t>(PTRDIFF_MAX) + 4096,
    SIZE_MAX - (size_t{1} << 21),
    SIZE_MAX - 4096,
    SIZE_MAX - 16,
    SIZE_MAX - 1,
    SIZE_MAX,
};

// Hides a value from the optimiser, so that neither the size warnings nor folding see through it.
template <typename T>
inline T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

}  // namespace hz3_test
