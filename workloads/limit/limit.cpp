// liblimit.so: the smallest malloc there can be for one thread. NOT FOR USE in programs.
//
// A yardstick for the single-thread lanes: what a malloc costs that does nothing but pop and push a
// list. Blocks of a size class come from 64 KiB regions, cut front to back from fresh pages; the
// class stands at the region's start, so that free needs one mask and one load. Nothing is ever
// given back, nothing is checked, and there are no threads: pthread_create ends the process.
// What an allocator takes longer than this is the price of what it does more.

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" void* malloc(size_t bytes);

namespace {

constexpr size_t kRegion = size_t{1} << 16;
constexpr size_t kChunk = size_t{1} << 26;  // asked from the kernel at once
constexpr size_t kHeader = 64;
constexpr size_t kFineLimit = 1024;  // up to here a class every 16 bytes, above 4 a doubling
constexpr unsigned kClasses = 64 + 4 * 40;
constexpr size_t kLargest = size_t{1} << 46;
constexpr size_t kMostAlign = kRegion / 2;

struct Free {
  Free* next;
};

struct Region {
  unsigned size_class;
  size_t block_bytes;
};

Free* g_free[kClasses];
char* g_bump[kClasses];
char* g_bump_end[kClasses];
char* g_fresh;
char* g_fresh_end;

unsigned class_of(size_t bytes) {
  if (bytes <= kFineLimit) return static_cast<unsigned>((bytes + 15) / 16 - (bytes != 0));
  const unsigned log = 63 - static_cast<unsigned>(__builtin_clzll(bytes - 1));
  return 64 + (log - 10) * 4 + static_cast<unsigned>(((bytes - 1) >> (log - 2)) & 3);
}

size_t bytes_of(unsigned size_class) {
  if (size_class < 64) return (size_class + 1) * 16;
  const unsigned step = size_class - 64;
  return (size_t{5} + step % 4) << (step / 4 + 8);
}

// Whole regions, aligned to their size.
char* fresh_regions(size_t bytes) {
  bytes = (bytes + kRegion - 1) & ~(kRegion - 1);
  if (static_cast<size_t>(g_fresh_end - g_fresh) < bytes) {
    const size_t ask = bytes + kRegion > kChunk ? bytes + kRegion : kChunk;
    void* got = mmap(nullptr, ask, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) return nullptr;
    const uintptr_t base = (reinterpret_cast<uintptr_t>(got) + kRegion - 1) & ~(kRegion - 1);
    g_fresh = reinterpret_cast<char*>(base);
    g_fresh_end = static_cast<char*>(got) + ask;
  }
  char* base = g_fresh;
  g_fresh += bytes;
  return base;
}

Region* region_of(void* block) {
  return reinterpret_cast<Region*>(reinterpret_cast<uintptr_t>(block) & ~(kRegion - 1));
}

__attribute__((noinline)) void* refill(unsigned size_class) {
  const size_t bytes = bytes_of(size_class);
  if (static_cast<size_t>(g_bump_end[size_class] - g_bump[size_class]) < bytes) {
    const bool whole = bytes > kRegion - kHeader;
    char* base = fresh_regions(whole ? bytes + kHeader : kRegion);
    if (base == nullptr) {
      errno = ENOMEM;
      return nullptr;
    }
    *reinterpret_cast<Region*>(base) = {size_class, bytes};
    g_bump[size_class] = base + kHeader;
    g_bump_end[size_class] = base + (whole ? bytes + kHeader : kRegion);
  }
  void* block = g_bump[size_class];
  g_bump[size_class] += bytes;
  return block;
}

void* aligned(size_t align, size_t bytes) {
  if (align <= 16) return malloc(bytes);
  if (align > kMostAlign || bytes > kLargest) return nullptr;
  char* base = fresh_regions(align + bytes);  // a region of its own, never used again
  if (base == nullptr) return nullptr;
  const size_t offset = align > kHeader ? align : kHeader;
  // Blocks of this kind go to no class: free() finds class kClasses - 1, whose list is not used.
  *reinterpret_cast<Region*>(base) = {kClasses - 1, bytes};
  return base + offset;
}

}  // namespace

extern "C" {

void* malloc(size_t bytes) {
  if (bytes > kLargest) [[unlikely]] {
    errno = ENOMEM;
    return nullptr;
  }
  const unsigned size_class = class_of(bytes);
  Free* block = g_free[size_class];
  if (block == nullptr) [[unlikely]]
    return refill(size_class);
  g_free[size_class] = block->next;
  return block;
}

void free(void* block) {
  if (block == nullptr) return;
  Free*& list = g_free[region_of(block)->size_class];
  static_cast<Free*>(block)->next = list;
  list = static_cast<Free*>(block);
}

void* calloc(size_t count, size_t each) {
  size_t bytes;
  if (__builtin_mul_overflow(count, each, &bytes)) {
    errno = ENOMEM;
    return nullptr;
  }
  void* block = malloc(bytes);
  return block == nullptr ? nullptr : memset(block, 0, bytes);
}

size_t malloc_usable_size(void* block) {
  return block == nullptr ? 0 : region_of(block)->block_bytes;
}

void* realloc(void* old, size_t bytes) {
  if (old == nullptr) return malloc(bytes);
  if (bytes == 0) {
    free(old);
    return nullptr;
  }
  const size_t had = malloc_usable_size(old);
  if (bytes <= had && bytes * 2 > had) return old;
  void* block = malloc(bytes);
  if (block == nullptr) return nullptr;
  memcpy(block, old, had < bytes ? had : bytes);
  free(old);
  return block;
}

int posix_memalign(void** block, size_t align, size_t bytes) {
  if (align < sizeof(void*) || (align & (align - 1)) != 0) return EINVAL;
  void* got = aligned(align, bytes);
  if (got == nullptr) return ENOMEM;
  *block = got;
  return 0;
}

void* memalign(size_t align, size_t bytes) {
  if (align == 0 || (align & (align - 1)) != 0) {
    errno = EINVAL;
    return nullptr;
  }
  void* got = aligned(align, bytes);
  if (got == nullptr) errno = ENOMEM;
  return got;
}

void* aligned_alloc(size_t align, size_t bytes) { return memalign(align, bytes); }

int pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) {
  static const char text[] = "liblimit.so is for programs with one thread only\n";
  (void)!write(2, text, sizeof text - 1);
  _exit(1);
}
}
