#include "promises.h"

#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/pattern.h"
#include "../support/resources.h"
#include "../support/symbols.h"
#include "conformance.h"

namespace hz3_test {

namespace {

constexpr size_t kGiB = size_t{1} << 30;
constexpr size_t kBeyond = static_cast<size_t>(PTRDIFF_MAX) + 1;

// ISO C.

void zero_size() {
  void* first = malloc(opaque<size_t>(0));
  void* second = malloc(opaque<size_t>(0));
  CHECK(first != nullptr && second != nullptr && first != second, "malloc(0): %p and %p", first,
        second);
}

void alignment_of_every_size() {
  for (size_t size = 1; size < 5000; ++size) {
    void* block = malloc(size);
    CHECK(aligned_to(block, 16), "malloc(%zu) returned %p", size, block);
  }
}

void too_large() {
  for (const size_t size : kImpossibleSizes) {
    errno = 0;
    void* block = malloc(opaque(size));
    CHECK(block == nullptr && errno == ENOMEM, "malloc(%#zx) returned %p, errno %d", size, block,
          errno);
  }
}

void calloc_overflow() {
  errno = 0;
  void* block = calloc(opaque(size_t{1} << 33), opaque(size_t{1} << 33));
  CHECK(block == nullptr && errno == ENOMEM, "calloc(2^33, 2^33) returned %p, errno %d", block,
        errno);
}

void realloc_failure() {
  auto* block = static_cast<char*>(malloc(100));
  memset(block, 7, 100);
  errno = 0;
  void* none = realloc(block, opaque(kBeyond));
  CHECK(none == nullptr && errno == ENOMEM, "realloc beyond PTRDIFF_MAX returned %p, errno %d",
        none, errno);
  CHECK(block[0] == 7 && block[99] == 7, "a failed realloc changed the block");
}

void realloc_to_nothing() {
  for (const size_t size : {size_t{24}, size_t{5000}, size_t{5} << 20}) {
    void* rest = realloc(malloc(size), opaque<size_t>(0));
    CHECK(rest == nullptr, "realloc(p, 0) of %zu bytes returned %p", size, rest);
  }
}

template <typename Make>
void every_alignment(const char* function, size_t from, size_t to, Make make) {
  for (size_t alignment = from; alignment <= to; alignment *= 2) {
    for (const size_t size : {size_t{64}, size_t{1000}, size_t{70000}, alignment, 2 * alignment}) {
      if (size > to) continue;
      void* block = make(alignment, size);
      CHECK(block != nullptr && aligned_to(block, alignment), "%s(%zu, %zu) returned %p", function,
            alignment, size, block);
      if (block == nullptr) continue;
      CHECK(malloc_usable_size(block) >= size, "%s(%zu, %zu) has %zu usable bytes", function,
            alignment, size, malloc_usable_size(block));
      static_cast<char*>(block)[0] = static_cast<char*>(block)[size - 1] = 1;
      free(block);
    }
  }
}

void aligned_alloc_sizes() { every_alignment("aligned_alloc", 8, kGiB, aligned_alloc); }

void aligned_alloc_odd() {
  for (const size_t alignment : {size_t{0}, size_t{3}, size_t{24}, size_t{100}}) {
    errno = 0;
    void* block = aligned_alloc(opaque(alignment), 4800);
    CHECK(block == nullptr && errno == EINVAL, "aligned_alloc(%zu, 4800) returned %p, errno %d",
          alignment, block, errno);
  }
}

void sized_free() {
  auto* release = provided_function<void(void*, size_t)>("free_sized");
  for_each_size([&](size_t size) { release(malloc(size), size); });
  for (const size_t to : {size_t{60}, size_t{100}, size_t{3000}, size_t{70000}, size_t{3} << 20})
    release(realloc(malloc(100), to), to);
  release(nullptr, 0);
}

void sized_aligned_free() {
  auto* release = provided_function<void(void*, size_t, size_t)>("free_aligned_sized");
  for (size_t alignment = 8; alignment <= kGiB / 4; alignment *= 2)
    release(aligned_alloc(alignment, alignment), alignment, alignment);
  release(nullptr, 64, 0);
}

// POSIX.

void free_keeps_errno() {
  for (const size_t size : {size_t{24}, size_t{3000}, size_t{300000}, size_t{40} << 20}) {
    void* block = malloc(size);
    errno = 4711;
    free(block);
    CHECK(errno == 4711, "free of %zu bytes set errno to %d", size, errno);
  }
}

void posix_memalign_sizes() {
  every_alignment("posix_memalign", 8, kGiB, [](size_t alignment, size_t size) {
    void* block = nullptr;
    return posix_memalign(&block, alignment, size) == 0 ? block : nullptr;
  });
}

void posix_memalign_odd() {
  for (const size_t alignment : {size_t{0}, size_t{1}, size_t{3}, size_t{4}, size_t{24}}) {
    void* block = nullptr;
    const int error = posix_memalign(&block, opaque(alignment), 64);
    CHECK(error == EINVAL && block == nullptr, "posix_memalign with alignment %zu returned %d",
          alignment, error);
  }
}

void posix_memalign_failure() {
  void* block = nullptr;
  errno = 77;
  const int error = posix_memalign(&block, 64, opaque(kBeyond));
  CHECK(error == ENOMEM && block == nullptr, "posix_memalign of 2^63 bytes returned %d", error);
  CHECK(errno == 77, "posix_memalign set errno to %d", errno);
}

// glibc.

void memalign_sizes() { every_alignment("memalign", 8, kGiB, memalign); }

void memalign_odd() {
  for (const size_t alignment : {size_t{0}, size_t{3}, size_t{24}, size_t{100}}) {
    void* block = memalign(opaque(alignment), 100);
    CHECK(block != nullptr && aligned_to(block, alignment > 64 ? 128 : 16),
          "memalign(%zu, 100) returned %p", alignment, block);
  }
}

void by_pages() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* first = valloc(100);
  void* second = pvalloc(page + 1);
  CHECK(aligned_to(first, page) && aligned_to(second, page), "valloc %p, pvalloc %p", first,
        second);
  CHECK(malloc_usable_size(second) >= 2 * page, "pvalloc(%zu) has %zu usable bytes", page + 1,
        malloc_usable_size(second));
  errno = 0;
  CHECK(pvalloc(opaque(SIZE_MAX - 100)) == nullptr && errno == ENOMEM, "pvalloc wraps around");
}

void reallocarray_overflow() {
  void* block = malloc(100);
  errno = 0;
  void* none = reallocarray(block, opaque(size_t{1} << 33), opaque(size_t{1} << 33));
  CHECK(none == nullptr && errno == ENOMEM, "reallocarray(p, 2^33, 2^33) returned %p, errno %d",
        none, errno);
}

// A burst that is freed goes back when asked, and the answer says so; asked again it says no.
void trim() {
  constexpr size_t kCount = 20000;
  static void* blocks[kCount];
  for (void*& block : blocks) memset(block = malloc(2000), 1, 2000);
  const long full_kb = resident_kb();
  for (void* block : blocks) free(block);
  const long freed_kb = resident_kb();
  const int answer = malloc_trim(0);
  const long trimmed_kb = resident_kb();
  CHECK(trimmed_kb < full_kb - 30000, "%ld KiB, after freeing all and malloc_trim %ld", full_kb,
        trimmed_kb);
  CHECK(answer == 1 || freed_kb <= trimmed_kb + 512, "malloc_trim returned %d for %ld KiB", answer,
        freed_kb - trimmed_kb);
  malloc_trim(0);
  const int again = malloc_trim(0);
  CHECK(again == 0, "malloc_trim with nothing left to give returned %d", again);
}

size_t in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void mallinfo_follows() {
  static void* blocks[4000];
  const size_t before = in_use();
  for (void*& block : blocks) block = malloc(1000);
  void* large = malloc(8 << 20);
  const size_t during = in_use();
  CHECK(during - before >= 4000 * 1000 + (8 << 20), "%zu bytes more in use", during - before);
  free(large);
  CHECK(during - in_use() >= 8 << 20, "a large block was freed, %zu bytes fewer in use",
        during - in_use());
}

void old_mallinfo() {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  void* block = malloc(100000);
  const struct mallinfo info = mallinfo();
#pragma GCC diagnostic pop
  CHECK(info.uordblks + info.hblkhd >= 100000, "mallinfo: %d bytes in use",
        info.uordblks + info.hblkhd);
  free(block);
}

void info_in_xml() {
  static char text[1 << 16];
  FILE* stream = fmemopen(text, sizeof text, "w");
  CHECK(malloc_info(0, stream) == 0, "malloc_info failed");
  fclose(stream);
  CHECK(strncmp(text, "<malloc", 7) == 0 && strstr(text, "</malloc>") != nullptr, "it wrote %.40s",
        text);
  CHECK(malloc_info(opaque(1), stderr) != 0, "malloc_info takes options there are not");
}

// What says yes must have done it; no is an honest answer to any of these.
void honest_mallopt() {
  if (mallopt(M_PERTURB, 0x5a) == 1) {
    auto* block = static_cast<unsigned char*>(malloc(100));
    CHECK(block[50] == (0x5a ^ 0xff), "M_PERTURB was accepted, and malloc filled no block");
  }
  if (mallopt(M_MMAP_THRESHOLD, 65536) == 1) {
    const size_t before = mallinfo2().hblks;
    void* block = malloc(100000);
    CHECK(mallinfo2().hblks == before + 1, "M_MMAP_THRESHOLD was accepted, and changed nothing");
    free(block);
  }
  CHECK(mallopt(opaque(12345), 1) == 0, "mallopt accepts a parameter there is not");
}

void libc_names() {
  // With libc's own allocator the names are its own; with another, blocks are freed across.
  using Make = void*(size_t);
  auto* make = reinterpret_cast<Make*>(dlsym(RTLD_DEFAULT, "__libc_malloc"));
  CHECK(make != nullptr && provided("__libc_free") && provided("__libc_calloc") &&
            provided("__libc_realloc") && provided("__libc_memalign"),
        "not all of __libc_free, _calloc, _realloc, _memalign are the allocator's");
  if (make == nullptr) return;
  free(make(100));
}

void old_free() {
  using Cfree = void(void*);
  provided_function<Cfree>("cfree")(malloc(100));
}

// C++.

void handler_loops() { check_new_handler(); }

void new_of_nothing() {
  void* first = ::operator new(opaque<size_t>(0));
  void* second = ::operator new[](opaque<size_t>(0));
  CHECK(first != nullptr && second != nullptr && first != second, "%p and %p", first, second);
}

void wrapping_aligned_new() {
  for (const size_t size : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 16}) {
    void* block = ::operator new (opaque(size), std::align_val_t{64}, std::nothrow);
    CHECK(block == nullptr, "aligned operator new(%#zx) returned %p", size, block);
  }
}

// Extensions.

// The one of these functions that the allocator has.
template <typename Function>
Function* first_provided(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (auto* function = provided_function<Function>(name)) return function;
  }
  return nullptr;
}

void good_size_is_true() {
  auto* good_size = first_provided<size_t(size_t)>({"hz3_good_size", "mi_good_size"});
  auto* nallocx = provided_function<size_t(size_t, int)>("nallocx");
  for_each_size([&](size_t size) {
    if (size == 0) return;
    const size_t good = good_size != nullptr ? good_size(size) : nallocx(size, 0);
    void* block = malloc(size);
    CHECK(good >= size && malloc_usable_size(block) >= good,
          "good size of %zu is %zu; a block of %zu has %zu usable bytes", size, good, size,
          malloc_usable_size(block));
    free(block);
  });
}

bool expands(void* block, size_t size) {
  if (auto* expand = first_provided<void*(void*, size_t)>({"hz3_expand", "mi_expand"}))
    return expand(block, size) == block;
  return provided_function<size_t(void*, size_t, size_t, int)>("xallocx")(block, size, 0, 0) >=
         size;
}

void expands_in_place() {
  for (const size_t size : {size_t{100}, size_t{5000}, size_t{100000}, size_t{3} << 20}) {
    void* block = malloc(size);
    fill(block, size, Pattern{size, false});
    const size_t usable = malloc_usable_size(block);
    CHECK(expands(block, usable), "a block of %zu bytes with %zu usable does not expand to them",
          size, usable);
    CHECK(!expands(block, size_t{1} << 46), "a block of %zu bytes expands to 64 TiB", size);
    CHECK(!verify(block, size, Pattern{size, false}).found, "expanding changed the block");
    memset(block, 1, usable);
    free(block);
  }
}

constexpr Promise kPromises[] = {
    {"C", "`malloc(0)`: distinct blocks", "", zero_size},
    {"C", "`malloc`: blocks are disjoint, writable to the end", "", check_malloc},
    {"C", "`malloc` beyond `PTRDIFF_MAX`: NULL and ENOMEM", "", too_large},
    {"C", "every function, impossible sizes: NULL and ENOMEM", "", check_impossible_sizes},
    {"C", "`calloc`: zero, after any use", "", check_calloc},
    {"C", "`calloc`: overflow is ENOMEM", "", calloc_overflow},
    {"C", "`realloc`: content kept between all sizes", "", check_realloc},
    {"C", "`realloc`: failure leaves the block", "", realloc_failure},
    {"C", "`aligned_alloc`: 8 bytes to 1 GiB", "", aligned_alloc_sizes},
    {"C", "`aligned_alloc`: no power of two is EINVAL", "", aligned_alloc_odd},
    {"C23", "`free_sized`", "free_sized", sized_free},
    {"C23", "`free_aligned_sized`", "free_aligned_sized", sized_aligned_free},
    {"POSIX", "`free` keeps errno", "", free_keeps_errno},
    {"POSIX", "`posix_memalign`: 8 bytes to 1 GiB", "", posix_memalign_sizes},
    {"POSIX", "`posix_memalign`: a bad alignment is EINVAL", "", posix_memalign_odd},
    {"POSIX", "`posix_memalign`: ENOMEM is returned, not set", "", posix_memalign_failure},
    {"glibc", "`malloc`: aligned to 16 bytes, however small", "", alignment_of_every_size},
    {"glibc", "`realloc(p, 0)` frees, returns NULL", "", realloc_to_nothing},
    {"glibc", "`memalign`: 8 bytes to 1 GiB", "memalign", memalign_sizes},
    {"glibc", "`memalign`: an odd alignment is rounded up", "memalign", memalign_odd},
    {"glibc", "`valloc`, `pvalloc`", "pvalloc", by_pages},
    {"glibc", "`reallocarray`: overflow is ENOMEM", "", reallocarray_overflow},
    {"glibc", "`malloc_usable_size`: true, neighbours disjoint", "malloc_usable_size",
     check_usable_size},
    {"glibc", "`malloc_trim`: gives back, says whether it did", "malloc_trim", trim},
    {"glibc", "`mallinfo2` follows the heap", "mallinfo2", mallinfo_follows},
    {"glibc", "`mallinfo`", "mallinfo", old_mallinfo},
    {"glibc", "`malloc_info`: XML; unknown options refused", "malloc_info", info_in_xml},
    {"glibc", "`mallopt`: 1 only for what it does", "mallopt", honest_mallopt},
    {"glibc", "`__libc_malloc` and its family", "__libc_malloc", libc_names},
    {"glibc", "`cfree`", "cfree", old_free},
    {"glibc", "blocks libc makes (`strdup`, `getline`, …) can be freed", "", check_libc_callers},
    {"C++", "`operator new`, `delete`: every form, every alignment", "", check_operator_new},
    {"C++", "`operator new(0)`: distinct blocks", "", new_of_nothing},
    {"C++", "`operator delete(nullptr)`: every form", "", check_operator_delete},
    {"C++", "new_handler: called until it gives up; may throw", "", handler_loops},
    {"C++", "aligned `new` near `SIZE_MAX` does not wrap", "", wrapping_aligned_new},
    {"extension", "the good size of a request is true", "nallocx|hz3_good_size|mi_good_size",
     good_size_is_true},
    {"extension", "a block expands in place", "hz3_expand|mi_expand|xallocx", expands_in_place},
};

// Whether the allocator has one of the names, which stand with | between.
bool provides_one_of(const char* names) {
  while (*names != '\0') {
    char name[64] = {};
    const size_t length = strcspn(names, "|");
    memcpy(name, names, length < sizeof name - 1 ? length : sizeof name - 1);
    if (provided(name)) return true;
    names += length + (names[length] == '|' ? 1 : 0);
  }
  return false;
}

ChildEnd run_promise(const Promise& promise) {
  return run_child(
      [&] {
        promise.check();
        return verdict();
      },
      120, true);
}

// The first finding in a child's output, without its place.
void first_finding(const ChildEnd& end, char (&text)[200]) {
  const char* line = strstr(end.output, "FAIL ");
  const char* says = line != nullptr ? strstr(line, ": ") : nullptr;
  if (says != nullptr) {
    snprintf(text, sizeof text, "%.*s", static_cast<int>(strcspn(says + 2, "\n\t")), says + 2);
  } else if (!end.exited) {
    snprintf(text, sizeof text, "%s", end.status == SIGALRM ? "hangs" : strsignal(end.status));
  } else {
    snprintf(text, sizeof text, "exit status %d", end.status);
  }
}

}  // namespace

void check_promises() {
  for (const Promise& promise : kPromises) {
    const bool there = promise.needs[0] == '\0' || provides_one_of(promise.needs);
    CHECK(there, "not provided: %s", promise.needs);
    if (!there) continue;
    const ChildEnd end = run_promise(promise);
    if (end.ok()) continue;
    char finding[200];
    first_finding(end, finding);
    CHECK(false, "%s, %s: %s", promise.source, promise.text, finding);
  }
}

void print_promises() {
  for (const Promise& promise : kPromises) {
    if (promise.needs[0] != '\0' && !provides_one_of(promise.needs)) {
      printf("%s\t%s\tabsent\t\n", promise.source, promise.text);
      continue;
    }
    const ChildEnd end = run_promise(promise);
    char finding[200] = "";
    if (!end.ok()) first_finding(end, finding);
    printf("%s\t%s\t%s\t%s\n", promise.source, promise.text, end.ok() ? "kept" : "broken", finding);
    fflush(stdout);
  }
}

}  // namespace hz3_test
