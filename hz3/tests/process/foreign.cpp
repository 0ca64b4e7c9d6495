// foreign: blocks of the allocator behind the one under test (libc's own), handed to it. They exist
// in every program: made before the allocator was there, or by a library bound to libc directly.
// free, realloc and malloc_usable_size must pass them on and touch nothing of theirs.
#include <malloc.h>
#include <pthread.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/check.h"
#include "../support/pattern.h"
#include "../support/symbols.h"

namespace {

using namespace hz3_test;

using Malloc = void*(size_t);
using Memalign = void*(size_t, size_t);
using UsableSize = size_t(void*);

struct Libc {
  Malloc* allocate = libc_function<Malloc>("malloc");
  Memalign* align = libc_function<Memalign>("memalign");
  UsableSize* usable = libc_function<UsableSize>("malloc_usable_size");
};

// From the smallest to those libc maps one by one.
constexpr size_t kSizes[] = {1, 24, 100, 1000, 4096, 30000, 200000, 3 << 20, 40 << 20};

void check_free(const Libc& libc) {
  for (const size_t size : kSizes) {
    for (int i = 0; i < 50; ++i) {
      void* block = libc.allocate(size);
      if (size < 100000) memset(block, 1, size);
      errno = 55;
      i % 2 == 0 ? free(block) : ::operator delete(block);
      CHECK(errno == 55, "free of libc's block of %zu bytes changed errno to %d", size, errno);
    }
    free(libc.align(4096, size));
    free(libc.align(1 << 20, size));
  }
}

void check_usable_size(const Libc& libc) {
  for (const size_t size : kSizes) {
    void* block = libc.allocate(size);
    const size_t expected = libc.usable(block);
    CHECK(malloc_usable_size(block) == expected,
          "malloc_usable_size of libc's block of %zu bytes is %zu, libc says %zu", size,
          malloc_usable_size(block), expected);
    free(block);
  }
}

void check_realloc(const Libc& libc) {
  uint64_t id = 0;
  for (const size_t from : kSizes) {
    for (const size_t to : kSizes) {
      const Pattern pattern{++id, from > 100000 || to > 100000};
      void* old = libc.allocate(from);
      fill(old, from, pattern);
      void* block = realloc(old, to);
      CHECK(block != nullptr, "realloc of libc's block from %zu to %zu returned null", from, to);
      if (block == nullptr) continue;
      CHECK(!verify(block, from < to ? from : to, pattern).found,
            "realloc of libc's block from %zu to %zu lost its content", from, to);
      CHECK(malloc_usable_size(block) >= to, "after realloc of libc's block only %zu are usable",
            malloc_usable_size(block));
      fill(block, to, pattern, from);
      free(block);
    }
    void* rest = realloc(libc.allocate(from), 0);
    free(rest);
  }
}

// Mixed with blocks of the allocator under test, freed in turn by another thread.
void* free_all(void* blocks) {
  for (size_t i = 0; i < 2000; ++i) free(static_cast<void**>(blocks)[i]);
  return nullptr;
}

void check_mixed(const Libc& libc) {
  static void* blocks[2000];
  for (size_t i = 0; i < 2000; ++i) blocks[i] = i % 2 == 0 ? libc.allocate(i * 7) : malloc(i * 7);
  pthread_t thread;
  CHECK(pthread_create(&thread, nullptr, free_all, blocks) == 0, "pthread_create failed");
  pthread_join(thread, nullptr);
}

}  // namespace

int main() {
  const Libc libc;
  if (libc.allocate == nullptr || libc.align == nullptr || libc.usable == nullptr) {
    say("foreign: libc.so.6 does not export its malloc here");
    return 3;
  }
  check_free(libc);
  check_usable_size(libc);
  check_realloc(libc);
  check_mixed(libc);
  return verdict();
}
