// posix_memalign, aligned_alloc, memalign, valloc and pvalloc: every alignment from 1 byte to 1
// GiB, and the errors POSIX names.
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

#include "../support/check.h"
#include "../support/pattern.h"
#include "conformance.h"

namespace hz3_test {

namespace {

constexpr size_t kGiB = size_t{1} << 30;

// A block of an aligned function must also be a block of the family: usable, re-allocatable,
// freeable. Blocks beyond 1 MiB are touched at both ends only.
void check_block(const char* function, void* block, size_t alignment, size_t size) {
  CHECK(block != nullptr, "%s(%zu, %zu) returned null, errno %d", function, alignment, size, errno);
  if (block == nullptr) return;
  CHECK(aligned_to(block, alignment), "%s(%zu, %zu) returned %p", function, alignment, size, block);
  const size_t usable = malloc_usable_size(block);
  CHECK(usable >= size, "%s(%zu, %zu): only %zu bytes are usable", function, alignment, size,
        usable);
  auto* bytes = static_cast<unsigned char*>(block);
  if (size > 0 && size <= (1 << 20)) memset(bytes, 0x5a, size);
  if (usable > 0) bytes[0] = bytes[usable - 1] = 0x5a;
}

void check_alignment(size_t alignment, size_t size) {
  void* blocks[6] = {};
  size_t count = 0;
  if (alignment >= sizeof(void*)) {
    errno = 77;
    void* block = nullptr;
    const int error = posix_memalign(&block, alignment, size);
    CHECK(error == 0, "posix_memalign(%zu, %zu) returned %d", alignment, size, error);
    CHECK(errno == 77, "posix_memalign(%zu, %zu) changed errno to %d", alignment, size, errno);
    // A size of 0 may give null, which is no block to check.
    if (block != nullptr) check_block("posix_memalign", block, alignment, size);
    CHECK(block != nullptr || size == 0, "posix_memalign(%zu, %zu) gave null", alignment, size);
    blocks[count++] = block;
  }
  if (size % alignment == 0) {
    blocks[count] = aligned_alloc(alignment, size);
    if (size > 0) check_block("aligned_alloc", blocks[count], alignment, size);
    ++count;
  }
  blocks[count] = memalign(alignment, size);
  if (size > 0) check_block("memalign", blocks[count], alignment, size);
  ++count;
  if (alignment <= 4096 && size > 0) {
    void* moved = realloc(memalign(alignment, size), size * 3);
    CHECK(moved != nullptr && aligned_to(moved, 16), "realloc of memalign(%zu, %zu) returned %p",
          alignment, size, moved);
    blocks[count++] = moved;
  }
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
}

void check_posix_memalign_errors() {
  for (const size_t alignment : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{12},
                                 size_t{24}, size_t{48}, size_t{4097}, SIZE_MAX}) {
    void* block = &block;
    errno = 77;
    const int error = posix_memalign(&block, opaque(alignment), 64);
    CHECK(error == EINVAL, "posix_memalign with alignment %zu returned %d, want EINVAL", alignment,
          error);
    CHECK(errno == 77, "posix_memalign with alignment %zu set errno to %d", alignment, errno);
    CHECK(block == &block || block == nullptr,
          "posix_memalign with alignment %zu failed but stored a pointer", alignment);
    if (error == 0) free(block);
  }
  for (const size_t size : kImpossibleSizes) {
    void* block = &block;
    errno = 77;
    const int error = posix_memalign(&block, 64, opaque(size));
    CHECK(error == ENOMEM, "posix_memalign(64, %#zx) returned %d, want ENOMEM", size, error);
    CHECK(errno == 77 || !g_strict, "posix_memalign(64, %#zx) set errno to %d", size, errno);
    CHECK(block == &block || block == nullptr, "posix_memalign(64, %#zx) stored a pointer", size);
  }
}

// C leaves an alignment that is no power of two to the implementation; it may be refused or
// rounded up, but it must not give a block that cannot be freed.
void check_odd_alignments() {
  for (const size_t alignment : {size_t{0}, size_t{3}, size_t{24}, size_t{100}}) {
    errno = 0;
    void* block = aligned_alloc(opaque(alignment), 4800);
    CHECK(block != nullptr || errno == EINVAL,
          "aligned_alloc(%zu, 4800) returned null with errno %d, want EINVAL", alignment, errno);
    CHECK(block == nullptr || aligned_to(block, 16), "aligned_alloc(%zu, 4800) returned %p",
          alignment, block);
    free(block);
  }
}

void check_page_functions() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const size_t size : {size_t{1}, size_t{100}, page, page + 1, 10 * page, 700 * page}) {
    void* by_page = valloc(size);
    check_block("valloc", by_page, page, size);
    void* whole_pages = pvalloc(size);
    check_block("pvalloc", whole_pages, page, (size + page - 1) / page * page);
    free(by_page);
    free(whole_pages);
  }
  void* nothing = pvalloc(opaque<size_t>(0));
  CHECK(aligned_to(nothing, page), "pvalloc(0) returned %p", nothing);
  free(nothing);
}

// Aligned blocks side by side with plain ones: over-allocation for alignment must not let them
// share bytes.
void check_no_overlap() {
  constexpr size_t kCount = 300;
  void* blocks[kCount];
  const auto size_of = [](size_t i) { return 1 + i * 37 % 5000; };
  for (size_t i = 0; i < kCount; ++i) {
    const size_t alignment = size_t{8} << (i % 12);
    blocks[i] = i % 3 == 0 ? malloc(size_of(i)) : memalign(alignment, size_of(i));
    CHECK(blocks[i] != nullptr, "allocation of %zu bytes at alignment %zu failed", size_of(i),
          alignment);
    if (blocks[i] != nullptr) fill(blocks[i], malloc_usable_size(blocks[i]), Pattern{i, false});
  }
  for (size_t i = 0; i < kCount; ++i) {
    CHECK(!verify(blocks[i], malloc_usable_size(blocks[i]), Pattern{i, false}).found,
          "block %zu of %zu bytes at %p was overwritten", i, size_of(i), blocks[i]);
    free(blocks[i]);
  }
}

}  // namespace

void check_aligned() {
  for (size_t alignment = 1; alignment <= kGiB; alignment *= 2) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{15}, size_t{64}, size_t{100},
                              size_t{4096}, size_t{5000}, size_t{100000}, size_t{3} << 20}) {
      check_alignment(alignment, size);
    }
    if (alignment <= kGiB / 4) check_alignment(alignment, alignment);
    if (alignment <= kGiB / 16) check_alignment(alignment, alignment * 3);
  }
  check_posix_memalign_errors();
  check_odd_alignments();
  check_page_functions();
  check_no_overlap();
}

}  // namespace hz3_test
