// page_size [--strict]: the program starts itself again on what looks like a system with larger
// pages: its own getauxval, mmap, munmap, mprotect, madvise and mremap stand before the C library's
// and keep to the rules of such a kernel, which refuses an address that is not at a page and rounds
// a length up, whoever owns the rest. No live block may lose its content, and free memory must
// still go back. --strict: also what hz3 says of a page size it cannot work with.
#undef _FILE_OFFSET_BITS  // both names of a function are defined here
#include <malloc.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/pattern.h"
#include "../support/rng.h"

namespace {

constexpr const char* kPageSizeName = "TEST_PAGE_SIZE";

// The environment is there before the first allocation; nothing here may allocate.
size_t page_size() {
  static size_t size = 0;
  if (size == 0) {
    const char* text = getenv(kPageSizeName);
    size = text != nullptr ? strtoul(text, nullptr, 10) : 4096;
  }
  return size;
}

bool at_page(const void* p) { return reinterpret_cast<uintptr_t>(p) % page_size() == 0; }
size_t up(size_t bytes) { return (bytes + page_size() - 1) / page_size() * page_size(); }

int refuse() {
  errno = EINVAL;
  return -1;
}

void* map(void* near, size_t bytes, int protection, int flags, int fd, long offset) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, near, bytes, protection, flags, fd, offset));
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

unsigned long getauxval(unsigned long type) noexcept { return type == AT_PAGESZ ? page_size() : 0; }

void* mmap(void* near, size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  if (page_size() == 4096 || fd >= 0) return map(near, bytes, protection, flags, fd, offset);
  bytes = up(bytes);
  void* p = map(near, bytes, protection, flags, fd, offset);
  if (p == MAP_FAILED || at_page(p)) return p;
  syscall(SYS_munmap, p, bytes);
  auto* wide = static_cast<char*>(map(nullptr, bytes + page_size(), protection, flags, fd, offset));
  if (wide == MAP_FAILED) return wide;
  const size_t head = up(reinterpret_cast<uintptr_t>(wide)) - reinterpret_cast<uintptr_t>(wide);
  if (head > 0) syscall(SYS_munmap, wide, head);
  if (head < page_size()) syscall(SYS_munmap, wide + head + bytes, page_size() - head);
  return wide + head;
}
void* mmap64(void*, size_t, int, int, int, off64_t) noexcept __attribute__((alias("mmap")));

int munmap(void* p, size_t bytes) noexcept {
  return at_page(p) ? static_cast<int>(syscall(SYS_munmap, p, up(bytes))) : refuse();
}
int mprotect(void* p, size_t bytes, int protection) noexcept {
  return at_page(p) ? static_cast<int>(syscall(SYS_mprotect, p, up(bytes), protection)) : refuse();
}
int madvise(void* p, size_t bytes, int advice) noexcept {
  return at_page(p) ? static_cast<int>(syscall(SYS_madvise, p, up(bytes), advice)) : refuse();
}
void* mremap(void* p, size_t had, size_t bytes, int flags, ...) noexcept {
  va_list arguments;
  va_start(arguments, flags);
  void* to = (flags & MREMAP_FIXED) != 0 ? va_arg(arguments, void*) : nullptr;
  va_end(arguments);
  if (!at_page(p) || !at_page(to)) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(syscall(SYS_mremap, p, up(had), up(bytes), flags, to));
}
}
#pragma GCC visibility pop

namespace {

using namespace hz3_test;

bool g_strict = false;

struct Held {
  void* block;
  size_t size;
  Pattern pattern;
};

constexpr size_t kHeld = 3000;

size_t random_size(Rng& rng) {
  const size_t most[] = {100, 2000, 5000, 40000, 300000, 3000000};
  return 1 + rng.below(most[rng.below(6) * rng.below(6) / 5]);
}

void check(const Held& held) {
  CHECK(!verify(held.block, held.size, held.pattern).found,
        "a block of %zu bytes lost its content on pages of %zu", held.size, page_size());
}

// Fills a thread's heap, frees most of it in clusters and some at random, and leaves the rest to be
// checked after the thread's exit has purged what is free.
void* use_heap(void* argument) {
  auto* held = static_cast<Held*>(argument);
  Rng rng(reinterpret_cast<uintptr_t>(held) + page_size());
  uint64_t id = 0;
  for (size_t i = 0; i < kHeld; ++i) {
    const size_t size = random_size(rng);
    void* block = rng.below(8) == 0 ? calloc(1, size) : malloc(size);
    held[i] = {block, size, Pattern{++id, size > 100000}};
    fill(block, size, held[i].pattern);
  }
  for (size_t i = 0; i < kHeld; ++i) {
    if (i / 40 % 3 != 0 || rng.below(2) == 0) {
      free(held[i].block);
      held[i].block = nullptr;
    } else if (rng.below(4) == 0) {
      check(held[i]);
      const size_t size = random_size(rng);
      held[i].block = realloc(held[i].block, size);
      held[i].size = size;
      fill(held[i].block, size, held[i].pattern);
    }
  }
  return nullptr;
}

size_t resident_bytes() {
  char text[64] = {};
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == nullptr || fgets(text, sizeof text, file) == nullptr) _exit(3);
  fclose(file);
  char* rest = nullptr;
  strtoul(text, &rest, 10);
  return strtoul(rest, nullptr, 10) * 4096;
}

int run_on_pages() {
  free(malloc(100));
  const size_t before = resident_bytes();
  auto* held = map_array<Held>(kHeld);
  for (int round = 0; round < 4; ++round) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, use_heap, held) != 0) return 3;
    pthread_join(thread, nullptr);
    malloc_trim(0);
    for (size_t i = 0; i < kHeld; ++i) {
      if (held[i].block == nullptr) continue;
      check(held[i]);
      free(held[i].block);
    }
    void* page = valloc(100);
    CHECK(!g_strict || at_page(page), "valloc gave %p on pages of %zu", page, page_size());
    free(page);
    void* zeroed = calloc(1, 500000);
    CHECK(static_cast<char*>(zeroed)[0] == 0 &&
              memcmp(zeroed, static_cast<char*>(zeroed) + 1, 499999) == 0,
          "calloc is not zero on pages of %zu", page_size());
    free(zeroed);
  }
  malloc_trim(0);
  const size_t after = resident_bytes();
  CHECK(after < before + (size_t{12} << 20), "of freed memory %zu KiB stay on pages of %zu",
        (after - before) >> 10, page_size());
  return verdict();
}

int start_again(const char* size, bool strict) {
  setenv(kPageSizeName, size, 1);
  execl("/proc/self/exe", "page_size", strict ? "--strict" : nullptr, nullptr);
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  g_strict = argc == 2 && strcmp(argv[1], "--strict") == 0;
  if (getenv(kPageSizeName) != nullptr) return run_on_pages();
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const char* size : {"4096", "16384", "65536"}) {
    const ChildEnd end = run_child([&] { return start_again(size, g_strict); }, 60);
    CHECK(end.ok(), "pages of %s bytes: ended with %s %d", size, end.how(), end.status);
  }
  if (!g_strict) return verdict();
  for (const char* size : {"262144", "1024", "12288"}) {
    const ChildEnd end = run_child([&] { return start_again(size, true); }, 60, true);
    CHECK(!end.exited && end.status == SIGABRT && strncmp(end.output, "hz3: ", 5) == 0 &&
              strstr(end.output, size) != nullptr &&
              strchr(end.output, '\n') == end.output + strlen(end.output) - 1,
          "pages of %s bytes: ended with %s %d; said: %s", size, end.how(), end.status, end.output);
  }
  return verdict();
}
