// The limits as a program meets them, set from the environment before main: every function of the
// family is refused at the hard limit with ENOMEM, blocks stay whole, what is freed can be had
// again, also by threads and in forked children; and what the kernel says is resident stays below.
#include <malloc.h>
#include <pthread.h>

#include <cerrno>
#include <cinttypes>
#include <new>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/resources.h"
#include "../support/symbols.h"
#include "hz3/hz3.h"

namespace hz3_test {

namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kLimit = 96 * kMiB;

decltype(hz3_knob_set)* g_set = nullptr;

struct Link {
  Link* next;
  size_t size;
};

// Blocks of that size, written whole, until there are no more.
Link* exhaust(size_t size, size_t& count) {
  Link* all = nullptr;
  for (count = 0;; ++count) {
    errno = 0;
    auto* link = static_cast<Link*>(malloc(size));
    if (link == nullptr) break;
    memset(link, 0x11, size);
    *link = {all, size};
    all = link;
  }
  CHECK(errno == ENOMEM, "malloc(%zu) at the limit: errno %d", size, errno);
  return all;
}

void free_all(Link* all) {
  while (all != nullptr) {
    Link* next = all->next;
    const char* bytes = reinterpret_cast<const char*>(all);
    CHECK(bytes[all->size - 1] == 0x11 || all->size <= sizeof(Link), "a block was damaged");
    free(all);
    all = next;
  }
}

template <typename Call>
void refused(const char* what, Call call) {
  errno = 0;
  CHECK(call() == nullptr && errno == ENOMEM, "%s at the limit: errno %d", what, errno);
}

void check_family() {
  for (const size_t size : {64, 3000, 40000, 600000, 5000000}) {
    size_t count = 0;
    Link* all = exhaust(size, count);
    const uint64_t bytes = static_cast<uint64_t>(count) * size;
    CHECK(bytes >= kLimit / 10 * 7 && bytes <= kLimit, "%" PRIu64 " bytes in blocks of %zu", bytes,
          size);
    refused("calloc", [] { return calloc(8, kMiB); });
    refused("realloc", [&] { return realloc(all, 90 * kMiB); });
    refused("aligned_alloc", [] { return aligned_alloc(8 * kMiB, 8 * kMiB); });
    refused("memalign", [] { return memalign(65536, 8 * kMiB); });
    refused("a new block", [] { return ::operator new(8 * kMiB, std::nothrow); });
    void* block = nullptr;
    CHECK(posix_memalign(&block, 64, 8 * kMiB) == ENOMEM, "posix_memalign at the limit");
    CHECK(resident_kb() <= static_cast<long>((kLimit + 24 * kMiB) / 1024), "%ld KiB resident",
          resident_kb());
    free_all(all);
    size_t again = 0;
    free_all(exhaust(size, again));
    CHECK(again + again / 20 >= count, "%zu blocks of %zu, later %zu", count, size, again);
  }
}

void* exhaust_and_free(void*) {
  for (int i = 0; i < 20; ++i) {
    size_t count = 0;
    free_all(exhaust(30000, count));
  }
  return nullptr;
}

void check_threads() {
  pthread_t threads[4];
  for (pthread_t& thread : threads) pthread_create(&thread, nullptr, exhaust_and_free, nullptr);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  void* most = malloc(70 * kMiB);
  CHECK(most != nullptr, "no memory after the threads");
  free(most);
}

void check_fork() {
  size_t count = 0;
  Link* all = exhaust(100000, count);
  const ChildEnd end = run_child(
      [&] {
        refused("a child's malloc", [] { return malloc(4 * kMiB); });
        free_all(all);
        void* block = malloc(70 * kMiB);
        CHECK(block != nullptr, "a child that freed all has nothing");
        free(block);
        return verdict();
      },
      30);
  CHECK(end.ok(), "the child ended with %s %d", end.how(), end.status);
  free_all(all);
}

// Lowered below what is there nothing is taken away, and nothing more is given; raised again, all
// is as before. What a caller already has room for stays possible.
void check_lowered() {
  char* block = static_cast<char*>(malloc(50 * kMiB));
  memset(block, 0x22, 50 * kMiB);
  CHECK(g_set("heap_hard_limit_bytes", 1) == HZ3_KNOB_SET, "the limit cannot be lowered");
  refused("malloc", [] { return malloc(4 * kMiB); });
  block = static_cast<char*>(realloc(block, 20 * kMiB));
  CHECK(block != nullptr && block[20 * kMiB - 1] == 0x22, "a block cannot shrink below a limit");
  refused("growth", [&] { return realloc(block, 60 * kMiB); });
  g_set("heap_hard_limit_bytes", 0);
  block = static_cast<char*>(realloc(block, 200 * kMiB));
  CHECK(block != nullptr && block[20 * kMiB - 1] == 0x22, "no growth although there is no limit");
  free(block);
  g_set("heap_hard_limit_bytes", kLimit);
}

int soft_program() {
  for (int round = 0; round < 6; ++round) {
    size_t count = 0;
    Link* all = nullptr;
    const size_t size = size_t{100} << round;
    for (; count * size < 60 * kMiB; ++count) {
      auto* link = static_cast<Link*>(malloc(size));
      if (link == nullptr) return 5;
      memset(link, 0x11, size);
      *link = {all, size};
      all = link;
    }
    free_all(all);
    void* large = malloc(30 * kMiB);
    memset(large, 1, 30 * kMiB);
    free(large);
  }
  void* beyond = malloc(150 * kMiB);
  if (beyond == nullptr) return 6;
  free(beyond);
  return verdict();
}

ChildEnd run_with(const char* setting, const char* what) {
  return run_child(
      [=] {
        static char preload[4096];
        snprintf(preload, sizeof preload, "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
        char* environment[] = {preload, const_cast<char*>(setting), nullptr};
        char* arguments[] = {const_cast<char*>("heap_limits"), const_cast<char*>(what), nullptr};
        execve("/proc/self/exe", arguments, environment);
        return 3;
      },
      120);
}

}  // namespace

}  // namespace hz3_test

int main(int argc, char** argv) {
  using namespace hz3_test;
  g_set = provided_function<decltype(hz3_knob_set)>("hz3_knob_set");
  if (g_set == nullptr) return 0;  // another allocator has no such thing
  if (argc > 1 && strcmp(argv[1], "hard") == 0) {
    check_family();
    check_threads();
    check_fork();
    check_lowered();
    return verdict();
  }
  if (argc > 1 && strcmp(argv[1], "soft") == 0) return soft_program();
  ChildEnd end = run_with("HZ3_HEAP_HARD_LIMIT_BYTES=100663296", "hard");
  CHECK(end.ok(), "under a hard limit: %s %d", end.how(), end.status);
  end = run_with("HZ3_HEAP_SOFT_LIMIT_BYTES=67108864", "soft");
  CHECK(end.ok(), "under a soft limit: %s %d", end.how(), end.status);
  return verdict();
}
