// realloc and reallocarray: the content survives every move, shrink and growth, a failure leaves
// the block as it was, and the corner cases of null and zero behave.
#include <malloc.h>

#include <cstdlib>

#include "../support/check.h"
#include "../support/pattern.h"
#include "../support/rng.h"
#include "conformance.h"

namespace hz3_test {

namespace {

constexpr size_t kSteps[] = {1,     15,     16,     17,      100,           128,     1000,
                             2048,  2049,   4096,   5000,    16384,         32768,   32769,
                             65536, 100000, 262144, 1 << 20, (1 << 20) + 1, 3 << 20, 9 << 20};

// From every size to every other, from malloc, calloc and aligned_alloc.
void check_all_pairs() {
  uint64_t id = 100;
  for (const size_t from : kSteps) {
    for (const size_t to : kSteps) {
      for (int origin = 0; origin < 3; ++origin) {
        const Pattern pattern{++id, from > 200000 || to > 200000};
        void* old = origin == 0   ? malloc(from)
                    : origin == 1 ? calloc(from, 1)
                                  : aligned_alloc(256, (from + 255) / 256 * 256);
        CHECK(old != nullptr, "allocation of %zu bytes failed", from);
        if (old == nullptr) continue;
        fill(old, from, pattern);
        void* block = realloc(old, to);
        CHECK(block != nullptr, "realloc from %zu to %zu bytes returned null", from, to);
        if (block == nullptr) continue;
        CHECK(aligned_to(block, alignment_of(to)), "realloc to %zu returned %p, not 16-aligned", to,
              block);
        const Mismatch wrong = verify(block, from < to ? from : to, pattern);
        CHECK(!wrong.found, "realloc from %zu to %zu lost the content at offset %zu", from, to,
              wrong.offset);
        CHECK(malloc_usable_size(block) >= to, "after realloc to %zu only %zu bytes are usable", to,
              malloc_usable_size(block));
        fill(block, to, pattern, from);
        CHECK(!verify(block, to, pattern).found, "the block realloc grew to %zu cannot be filled",
              to);
        free(block);
      }
    }
  }
}

// A buffer that grows as vectors do, with other blocks laid in its way, and shrinks back.
void check_growth() {
  const Pattern pattern{7, false};
  size_t size = 1;
  void* block = malloc(size);
  fill(block, size, pattern);
  while (size < (size_t{24} << 20)) {
    const size_t bigger = size + size / 2 + 1;
    void* obstacle = malloc(size);
    void* moved = realloc(block, bigger);
    CHECK(moved != nullptr, "growth from %zu to %zu returned null", size, bigger);
    if (moved == nullptr) break;
    block = moved;
    fill(block, bigger, pattern, size);
    size = bigger;
    free(obstacle);
  }
  CHECK(!verify(block, size, pattern).found, "growth to %zu bytes lost content", size);
  while (size > 1) {
    size = size * 2 / 3;
    void* moved = realloc(block, size);
    CHECK(moved != nullptr, "shrinking to %zu bytes returned null", size);
    if (moved == nullptr) break;
    block = moved;
    const Mismatch wrong = verify(block, size, pattern);
    CHECK(!wrong.found, "shrinking to %zu bytes lost the content at offset %zu", size,
          wrong.offset);
  }
  free(block);
}

void check_null_and_zero() {
  for_each_size([](size_t size) {
    if (size == 0) return;
    void* block = realloc(nullptr, size);
    CHECK(block != nullptr && malloc_usable_size(block) >= size, "realloc(NULL, %zu) is unusable",
          size);
    if (block != nullptr) memset(block, 1, size);
    free(block);
  });
  void* fresh = realloc(nullptr, opaque<size_t>(0));
  CHECK(fresh != nullptr, "realloc(NULL, 0) returned null, want what malloc(0) gives");
  free(fresh);
  for (const size_t size : {size_t{1}, size_t{100}, size_t{5000}, size_t{5} << 20}) {
    // Either null, the block being freed, or a block of no bytes; both are freeable.
    void* rest = realloc(malloc(size), opaque<size_t>(0));
    free(rest);
  }
}

void check_failure_keeps_block() {
  for (const size_t size : {size_t{40}, size_t{3000}, size_t{70000}, size_t{3} << 20}) {
    const Pattern pattern{size, false};
    void* block = malloc(size);
    fill(block, size, pattern);
    for (const size_t impossible : kImpossibleSizes) {
      errno = 0;
      void* none = realloc(block, opaque(impossible));
      CHECK(none == nullptr && errno == ENOMEM,
            "realloc of %zu bytes to %#zx returned %p with errno %d, want null and ENOMEM", size,
            impossible, none, errno);
    }
    CHECK(!verify(block, size, pattern).found, "a failed realloc changed the block of %zu bytes",
          size);
    free(block);
  }
}

void check_reallocarray() {
  const Pattern pattern{3, false};
  void* block = reallocarray(nullptr, 30, 5);
  CHECK(block != nullptr, "reallocarray(NULL, 30, 5) returned null");
  fill(block, 150, pattern);
  block = reallocarray(block, 4000, 17);
  CHECK(block != nullptr && !verify(block, 150, pattern).found,
        "reallocarray to 4000 x 17 bytes lost the content");
  const size_t overflowing[][2] = {{SIZE_MAX / 2, 3},
                                   {size_t{1} << 33, size_t{1} << 33},
                                   {SIZE_MAX, SIZE_MAX},
                                   {static_cast<size_t>(PTRDIFF_MAX) / 4 + 1, 4}};
  for (const auto& pair : overflowing) {
    errno = 0;
    void* none = reallocarray(block, opaque(pair[0]), opaque(pair[1]));
    CHECK(none == nullptr && errno == ENOMEM,
          "reallocarray(p, %#zx, %#zx) returned %p with errno %d, want null and ENOMEM", pair[0],
          pair[1], none, errno);
    if (none != nullptr) return;
  }
  CHECK(!verify(block, 150, pattern).found, "a failed reallocarray changed the block");
  free(block);
}

}  // namespace

void check_realloc() {
  check_all_pairs();
  check_growth();
  check_null_and_zero();
  check_failure_keeps_block();
  check_reallocarray();
}

}  // namespace hz3_test
