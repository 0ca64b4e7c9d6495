// malloc, calloc and free on their own: what a block is. Distinct, 16-aligned, writable to its last
// byte, zero when promised, disjoint from every other.
#include <malloc.h>

#include <cstdlib>

#include "../support/check.h"
#include "../support/mapped.h"
#include "../support/pattern.h"
#include "../support/symbols.h"
#include "conformance.h"

namespace hz3_test {

namespace {

struct Held {
  void* block = nullptr;
  size_t size = 0;
};

void check_zero_size() {
  void* first = malloc(opaque<size_t>(0));
  void* second = malloc(opaque<size_t>(0));
  CHECK(first != nullptr && second != nullptr, "malloc(0) returned null");
  CHECK(first != second, "malloc(0) returned %p twice", first);
  CHECK(aligned_to(first, alignment_of(0)), "malloc(0) returned %p, not 16-aligned", first);
  free(first);
  free(second);
}

// Keeps a window of blocks alive while going through all sizes, so that an overlap of neighbours
// in size or in time is seen.
void check_sizes() {
  constexpr size_t kWindow = 64;
  auto* held = map_array<Held>(kWindow);
  size_t nth = 0;
  for_each_size([&](size_t size) {
    Held& oldest = held[nth % kWindow];
    if (oldest.block != nullptr) {
      const Pattern pattern{nth - kWindow, false};
      const Mismatch wrong = verify(oldest.block, oldest.size, pattern);
      CHECK(!wrong.found, "malloc(%zu) at %p lost its content at offset %zu while alive",
            oldest.size, oldest.block, wrong.offset);
      free(oldest.block);
    }
    void* block = malloc(size);
    CHECK(block != nullptr, "malloc(%zu) returned null", size);
    CHECK(aligned_to(block, alignment_of(size)), "malloc(%zu) returned %p, not 16-aligned", size,
          block);
    if (block != nullptr) fill(block, size, Pattern{nth, false});
    oldest = {block, size};
    ++nth;
  });
  for (size_t i = 0; i < kWindow; ++i) free(held[i].block);
}

// Many live blocks of one small size: a class must not hand out the same place twice, also when it
// has to start new runs in between.
void check_many_of_one_size() {
  constexpr size_t kCount = 20000;
  auto* blocks = map_array<void*>(kCount);
  for (const size_t size : {size_t{1}, size_t{16}, size_t{48}, size_t{500}, size_t{2048}}) {
    for (size_t i = 0; i < kCount; ++i) {
      blocks[i] = malloc(size);
      CHECK(blocks[i] != nullptr, "malloc(%zu) returned null as block number %zu", size, i);
      if (blocks[i] != nullptr) fill(blocks[i], size, Pattern{i, false});
    }
    for (size_t i = 0; i < kCount; ++i) {
      const Mismatch wrong = verify(blocks[i], size, Pattern{i, false});
      CHECK(!wrong.found, "block %zu of %zu of malloc(%zu), at %p, was overwritten", i, kCount,
            size, blocks[i]);
      free(blocks[i]);
    }
  }
}

void check_calloc_zeroes(size_t size) {
  // Twice with dirt in between: the second block is the likeliest to be a re-used one.
  for (int round = 0; round < 2; ++round) {
    auto* block = static_cast<unsigned char*>(round == 0 ? calloc(1, size) : calloc(size, 1));
    CHECK(block != nullptr, "calloc of %zu bytes returned null", size);
    if (block == nullptr) return;
    CHECK(aligned_to(block, alignment_of(size)), "calloc(%zu) returned %p, not 16-aligned", size,
          static_cast<void*>(block));
    const size_t dirty = first_nonzero(block, size);
    CHECK(dirty == size, "calloc of %zu bytes: byte %zu is %#x, not 0", size, dirty, block[dirty]);
    memset(block, 0xa5, size);
    free(block);
  }
}

// calloc after a great release: what was given back to the system and what was kept must both
// read as zero.
void check_calloc_after_burst() {
  constexpr size_t kCount = 4000;
  auto* blocks = map_array<void*>(kCount);
  for (const size_t size : {size_t{64}, size_t{1000}, size_t{5000}, size_t{40000}}) {
    for (size_t i = 0; i < kCount; ++i) {
      blocks[i] = malloc(size);
      if (blocks[i] != nullptr) memset(blocks[i], 0xff, size);
    }
    for (size_t i = 0; i < kCount; ++i) free(blocks[i]);
    malloc_trim(0);
    for (size_t i = 0; i < kCount; i += 3) {
      blocks[i] = calloc(size, 1);
      CHECK(blocks[i] != nullptr && first_nonzero(blocks[i], size) == size,
            "calloc of %zu bytes after a burst was freed and trimmed is not zero", size);
    }
    for (size_t i = 0; i < kCount; i += 3) free(blocks[i]);
  }
}

}  // namespace

void check_malloc() {
  check_zero_size();
  check_sizes();
  check_many_of_one_size();
}

void check_calloc() {
  for_each_size(check_calloc_zeroes);
  check_calloc_after_burst();
  void* none = calloc(opaque<size_t>(0), 8);
  void* nothing = calloc(8, opaque<size_t>(0));
  CHECK(none != nullptr && nothing != nullptr && none != nothing,
        "calloc of no bytes returned %p and %p, want two distinct blocks", none, nothing);
  free(none);
  free(nothing);
}

void check_free() {
  free(nullptr);
  // Sizes from every kind of memory; the last ones are given back to the system by the free itself.
  for (const size_t size : {size_t{0}, size_t{24}, size_t{3000}, size_t{20000}, size_t{300000},
                            size_t{3} << 20, size_t{40} << 20, size_t{600} << 20}) {
    for (const int value : {0, EINVAL, 12345}) {
      void* block = malloc(size);
      void* aligned = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
      CHECK(block != nullptr && aligned != nullptr, "allocation of %zu bytes failed", size);
      errno = value;
      free(block);
      free(aligned);
      CHECK(errno == value, "free of %zu bytes changed errno from %d to %d", size, value, errno);
    }
  }
  constexpr size_t kCount = 30000;
  auto* blocks = map_array<void*>(kCount);
  for (size_t i = 0; i < kCount; ++i) blocks[i] = malloc(16 + i % 6000);
  errno = 4711;
  for (size_t i = 0; i < kCount; ++i) free(blocks[i]);
  CHECK(errno == 4711, "a long series of frees changed errno to %d", errno);

  // C23's sized frees: the size and alignment given are those of the request.
  using FreeSized = void(void*, size_t);
  using FreeAlignedSized = void(void*, size_t, size_t);
  auto* free_sized = provided_function<FreeSized>("free_sized");
  auto* free_aligned_sized = provided_function<FreeAlignedSized>("free_aligned_sized");
  for_each_size([&](size_t size) {
    if (free_sized != nullptr) {
      free_sized(malloc(size), size);
      free_sized(calloc(1, size), size);
      free_sized(realloc(malloc(size / 2), size == 0 ? 1 : size), size == 0 ? 1 : size);
    }
    if (free_aligned_sized != nullptr) {
      const size_t rounded = (size + 63) / 64 * 64;
      free_aligned_sized(aligned_alloc(64, rounded), 64, rounded);
    }
  });
  if (free_sized != nullptr) free_sized(nullptr, 0);
  if (free_aligned_sized != nullptr) free_aligned_sized(nullptr, 16, 0);
}

void check_usable_size() {
  CHECK(malloc_usable_size(nullptr) == 0, "malloc_usable_size(NULL) is not 0");
  for_each_size([](size_t size) {
    // Two neighbours filled to their usable end must not touch each other.
    void* left = malloc(size);
    void* right = malloc(size);
    const size_t left_usable = malloc_usable_size(left);
    const size_t right_usable = malloc_usable_size(right);
    CHECK(left_usable >= size && right_usable >= size,
          "malloc_usable_size of a block of %zu bytes is %zu / %zu", size, left_usable,
          right_usable);
    fill(left, left_usable, Pattern{1, false});
    fill(right, right_usable, Pattern{2, false});
    CHECK(!verify(left, left_usable, Pattern{1, false}).found &&
              !verify(right, right_usable, Pattern{2, false}).found,
          "two blocks of %zu bytes (%p, %p) share their usable bytes (%zu)", size, left, right,
          left_usable);
    free(left);
    free(right);
  });
}

}  // namespace hz3_test
