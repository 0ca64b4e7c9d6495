// Requests that cannot be met: null and ENOMEM from every function, nothing half done, and the
// allocator as good as before.
#include <malloc.h>

#include <cstdlib>

#include "../support/check.h"
#include "conformance.h"

namespace hz3_test {

namespace {

void expect_enomem(const char* function, size_t size, void* result) {
  CHECK(result == nullptr && errno == ENOMEM,
        "%s of %#zx bytes returned %p with errno %d, want null and ENOMEM", function, size, result,
        errno);
  errno = 0;
}

void check_size(size_t size) {
  errno = 0;
  expect_enomem("malloc", size, malloc(opaque(size)));
  expect_enomem("calloc(1, n)", size, calloc(1, opaque(size)));
  expect_enomem("calloc(n, 1)", size, calloc(opaque(size), 1));
  expect_enomem("realloc(NULL, n)", size, realloc(nullptr, opaque(size)));
  expect_enomem("reallocarray(NULL, n, 1)", size, reallocarray(nullptr, opaque(size), 1));
  for (const size_t alignment :
       {size_t{8}, size_t{16}, size_t{64}, size_t{4096}, size_t{2} << 20, size_t{1} << 30}) {
    expect_enomem("memalign", size, memalign(alignment, opaque(size)));
    // C asks for a multiple of the alignment; a size that is none may be refused as invalid.
    void* block = aligned_alloc(alignment, opaque(size));
    CHECK(block == nullptr && (errno == ENOMEM || (errno == EINVAL && size % alignment != 0)),
          "aligned_alloc(%zu, %#zx) returned %p with errno %d", alignment, size, block, errno);
    errno = 0;
  }
  expect_enomem("valloc", size, valloc(opaque(size)));
  expect_enomem("pvalloc", size, pvalloc(opaque(size)));
}

}  // namespace

void check_impossible_sizes() {
  for (const size_t size : kImpossibleSizes) check_size(size);
  // Below PTRDIFF_MAX but beyond what the machine can map.
  for (const size_t size : {static_cast<size_t>(PTRDIFF_MAX), size_t{1} << 60, size_t{1} << 50}) {
    errno = 0;
    void* block = malloc(opaque(size));
    CHECK(block == nullptr && errno == ENOMEM,
          "malloc(%#zx) returned %p with errno %d, want null and ENOMEM", size, block, errno);
    free(block);
  }
  const size_t overflowing[][2] = {{SIZE_MAX / 2, 3},
                                   {size_t{1} << 33, size_t{1} << 33},
                                   {size_t{1} << 32, size_t{1} << 32},
                                   {SIZE_MAX, 2},
                                   {SIZE_MAX, SIZE_MAX},
                                   {SIZE_MAX / 16 + 2, 16}};
  for (const auto& pair : overflowing) {
    errno = 0;
    void* none = calloc(opaque(pair[0]), opaque(pair[1]));
    CHECK(none == nullptr && errno == ENOMEM,
          "calloc(%#zx, %#zx) returned %p with errno %d, want null and ENOMEM", pair[0], pair[1],
          none, errno);
  }
  void* block = malloc(100);
  CHECK(block != nullptr, "malloc(100) fails after impossible requests");
  free(block);
}

}  // namespace hz3_test
