// The rest of the family: malloc_trim, mallopt, mallinfo, malloc_stats, malloc_info, cfree, the
// __libc_ names; the completeness of an allocator that means to replace libc's; and libc functions
// that return blocks the caller frees.
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/pattern.h"
#include "../support/resources.h"
#include "../support/symbols.h"
#include "conformance.h"

namespace hz3_test {

namespace {

// A program may call any of these; one that is left to libc hands out libc's blocks.
constexpr const char* kFamily[] = {
    "malloc", "free", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc",
    "memalign", "valloc", "pvalloc", "malloc_usable_size", "free_sized", "free_aligned_sized",
    "cfree", "malloc_trim", "mallinfo", "mallinfo2", "malloc_stats", "malloc_info", "mallopt",
    "__libc_malloc", "__libc_free", "__libc_calloc", "__libc_realloc", "__libc_memalign",
    "__libc_valloc", "__libc_pvalloc", "__libc_cfree", "__posix_memalign",
    // operator new, new[]: plain, nothrow, aligned, aligned nothrow.
    "_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t", "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t", "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    // operator delete, delete[]: plain, sized, aligned, sized aligned, nothrow, aligned nothrow.
    "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "_ZdlPvSt11align_val_t", "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t", "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t", "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t"};

// malloc_stats writes to stderr, which belongs to the findings of this test.
template <typename Body>
void with_stderr_hidden(Body body) {
  const int saved = dup(STDERR_FILENO);
  const int null = open("/dev/null", O_WRONLY);
  dup2(null, STDERR_FILENO);
  body();
  dup2(saved, STDERR_FILENO);
  close(saved);
  close(null);
}

void check_trim_keeps_live_blocks() {
  constexpr size_t kCount = 2000;
  void* blocks[kCount];
  for (size_t i = 0; i < kCount; ++i) {
    blocks[i] = malloc(200 + i * 13);
    fill(blocks[i], 200 + i * 13, Pattern{i, false});
  }
  for (size_t i = 0; i < kCount; i += 2) free(blocks[i]);
  const long before_kb = resident_kb();
  const int released = malloc_trim(0);
  const long fell_kb = before_kb - resident_kb();
  CHECK(released == (fell_kb > 0 ? 1 : 0) || (fell_kb > -64 && fell_kb < 64),
        "malloc_trim returned %d, and %ld KiB went back", released, fell_kb);
  const int again = malloc_trim(0);
  // glibc purges the pages inside its free blocks anew at every call, and says that it did.
  CHECK(again == 0 || !g_strict, "malloc_trim with nothing left to give returned %d", again);
  for (size_t i = 1; i < kCount; i += 2) {
    CHECK(!verify(blocks[i], 200 + i * 13, Pattern{i, false}).found,
          "malloc_trim changed the live block %p", blocks[i]);
    free(blocks[i]);
  }
}

size_t bytes_in_use() {
  const struct mallinfo2 info = mallinfo2();
  CHECK(info.uordblks <= info.arena, "mallinfo2: %zu bytes in use of a heap of %zu", info.uordblks,
        info.arena);
  return info.uordblks + info.hblkhd;
}

// The figures follow the heap: up by what is allocated, small and large, and down again.
void check_mallinfo() {
  if (!provided("mallinfo2")) return;
  constexpr size_t kCount = 16000;
  constexpr size_t kSmall = 1000;
  constexpr size_t kLarge = 8 << 20;
  static void* blocks[kCount];
  const size_t before = bytes_in_use();
  for (void*& block : blocks) block = malloc(kSmall);
  void* large = malloc(kLarge);
  const size_t during = bytes_in_use();
  CHECK(during >= before + (kCount * kSmall + kLarge) / 10 * 9,
        "mallinfo2: %zu bytes in use, after allocating %zu more %zu", before,
        kCount * kSmall + kLarge, during);
  for (void* block : blocks) free(block);
  free(large);
  malloc_trim(0);
  const size_t after = bytes_in_use();
  CHECK(after <= before + (during - before) / 4,
        "mallinfo2: %zu bytes in use before, %zu at most, %zu after freeing all", before, during,
        after);
}

void check_malloc_info() {
  char text[4096] = {};
  FILE* stream = fmemopen(text, sizeof text, "w");
  CHECK(malloc_info(0, stream) == 0, "malloc_info(0, stream) failed");
  fclose(stream);
  CHECK(strncmp(text, "<malloc", 7) == 0, "malloc_info wrote: %.60s", text);
  CHECK(malloc_info(opaque(1), stderr) != 0, "malloc_info takes options it does not know");
}

void* return_block(void*) { return strdup("from another thread"); }

}  // namespace

void check_completeness() {
  // Each name is a finding of its own, so all are listed.
  char missing[1024] = {};
  size_t length = 0;
  for (const char* name : kFamily) {
    if (provided(name) || length + strlen(name) + 2 > sizeof missing) continue;
    length += static_cast<size_t>(snprintf(missing + length, sizeof missing - length, " %s", name));
  }
  CHECK(length == 0, "not provided by %s:%s", allocator_object(), missing);
}

void check_introspection() {
  check_trim_keeps_live_blocks();
  check_mallinfo();
  check_malloc_info();
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  with_stderr_hidden([] { malloc_stats(); });

  using Cfree = void(void*);
  if (auto* cfree = provided_function<Cfree>("cfree")) cfree(malloc(100));
  using LibcMalloc = void*(size_t);
  using LibcFree = void(void*);
  auto* libc_malloc = reinterpret_cast<LibcMalloc*>(dlsym(RTLD_DEFAULT, "__libc_malloc"));
  auto* libc_free = reinterpret_cast<LibcFree*>(dlsym(RTLD_DEFAULT, "__libc_free"));
  if (libc_malloc != nullptr && libc_free != nullptr) {
    void* block = libc_malloc(100);
    CHECK(block != nullptr, "__libc_malloc(100) returned null");
    memset(block, 1, 100);
    libc_free(block);
  }
}

void check_libc_callers() {
  char* copy = strdup("a string");
  CHECK(copy != nullptr && strcmp(copy, "a string") == 0, "strdup gave the wrong string");
  free(copy);
  char* printed = nullptr;
  CHECK(asprintf(&printed, "%0*d", 5000, 7) == 5000 && strlen(printed) == 5000,
        "asprintf of 5000 characters failed");
  free(printed);
  char* path = realpath("/proc/self/..", nullptr);
  CHECK(path != nullptr && strcmp(path, "/proc") == 0, "realpath gave %s", path);
  free(path);
  char* text = nullptr;
  size_t length = 0;
  FILE* stream = open_memstream(&text, &length);
  for (int i = 0; i < 3000; ++i) fprintf(stream, "%d ", i);
  fclose(stream);
  CHECK(length == strlen(text), "open_memstream lost text");
  free(text);
  FILE* status = fopen("/proc/self/status", "r");
  char* line = nullptr;
  size_t capacity = 0;
  CHECK(getline(&line, &capacity, status) > 0 && capacity <= malloc_usable_size(line),
        "getline failed or claims more than the block has");
  free(line);
  fclose(status);
  pthread_t thread;
  void* result = nullptr;
  CHECK(pthread_create(&thread, nullptr, return_block, nullptr) == 0, "pthread_create failed");
  pthread_join(thread, &result);
  free(result);
}

}  // namespace hz3_test
