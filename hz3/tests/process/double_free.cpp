// double_free key|top|home: what boxes S319 and S314 promise. Each misuse happens in a child, which
// must be stopped by abort, with a line that names the double free, before malloc could hand the
// block out twice:
//   top  two frees of a small block in a row
//   key  a second free wherever the block lies by then: deep in the cache, in its run, in the cache
//        of another thread, living or not; and realloc of a free block
//   home a block that comes home twice to a run with live blocks
// And what is no double free must pass, whatever a block held before.
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/rng.h"

namespace {

using namespace hz3_test;

constexpr size_t kSizes[] = {1, 16, 24, 64, 200, 1000, 2048, 3000, 4096, 20000, 65536, 200000};
constexpr size_t kMany = 6000;  // more blocks than a bin holds

// Keeps the compiler from reasoning about the pointer.
template <typename T>
T* hidden(T* pointer) {
  asm volatile("" : "+r"(pointer));
  return pointer;
}

// A misuse returns whether it led to two owners of a block; it should not return at all.
bool one_block_twice(size_t size) { return malloc(size) == malloc(size); }

bool in_a_row(size_t size) {
  void* block = malloc(size);
  free(block);
  free(hidden(block));
  return one_block_twice(size);
}

bool in_a_row_by_delete(size_t size) {
  void* block = ::operator new(size);
  ::operator delete(block);
  ::operator delete(hidden(block), size);
  return one_block_twice(size);
}

bool with_another_between(size_t size) {
  void* first = malloc(size);
  void* second = malloc(size);
  free(first);
  free(second);
  free(hidden(first));
  return true;
}

// More frees than the bin holds: the block is back in its run, which has live blocks still.
bool after_many(size_t size) {
  const size_t count = size < 5000 ? kMany : 100;
  void** blocks = map_array<void*>(count);
  for (size_t i = 0; i < count; ++i) blocks[i] = malloc(size);
  for (size_t i = 1; i < count; i += 2) free(blocks[i]);
  malloc_trim(0);
  free(hidden(blocks[count / 2 + 1]));
  return true;
}

// The second free stays in the cache, until that is emptied.
bool home_twice(size_t size) {
  after_many(size);
  malloc_trim(0);
  return true;
}

void* free_and_wait(void* argument) {
  auto** shared = static_cast<void**>(argument);
  free(shared[0]);
  auto* barrier = static_cast<pthread_barrier_t*>(shared[1]);
  pthread_barrier_wait(barrier);
  pthread_barrier_wait(barrier);
  return nullptr;
}

bool in_two_threads(size_t size) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, 2);
  void* keep = malloc(size);  // its run stays in use
  void* shared[] = {malloc(size), &barrier};
  pthread_t thread;
  if (pthread_create(&thread, nullptr, free_and_wait, shared) != 0) _exit(3);
  pthread_barrier_wait(&barrier);
  free(hidden(shared[0]));
  pthread_barrier_wait(&barrier);
  free(keep);
  return true;
}

void* free_it(void* block) {
  free(block);
  return nullptr;
}

bool after_the_thread(size_t size) {
  void* keep = malloc(size);
  void* block = malloc(size);
  pthread_t thread;
  if (pthread_create(&thread, nullptr, free_it, block) != 0) _exit(3);
  pthread_join(thread, nullptr);
  free(hidden(block));
  return keep != nullptr;
}

bool realloc_of_free(size_t size) {
  void* block = malloc(size);
  free(block);
  free(realloc(hidden(block), 3 * size));
  return true;
}

// No misuse, but everything that could look like one to somebody who reads the block.
bool honest(size_t size) {
  void* first = malloc(size);
  void* second = malloc(size);
  free(first);
  uint64_t left[2];
  memcpy(left, hidden(first), size < 16 ? 8 : 16);  // what the allocator wrote there
  if (size >= 16) memcpy(hidden(second), left, 16);
  free(hidden(second));
  void** blocks = map_array<void*>(200);
  Rng rng(size);
  for (int round = 0; round < 4000; ++round) {
    void*& block = blocks[rng.below(200)];
    free(block);
    block = round % 7 == 0    ? calloc(1, size)
            : round % 11 == 0 ? aligned_alloc(size >= 4096 ? 16384 : 64, (size + 63) / 64 * 64)
                              : malloc(size);
    auto* bytes = static_cast<char*>(block);
    if (round % 3 == 0) memset(bytes, static_cast<int>(rng.below(256)), size);
    if (size >= 16) memcpy(bytes + 8, round % 2 == 0 ? &block : &blocks[rng.below(200)], 8);
    if (round % 13 == 0) block = realloc(block, size + size / 3);
    if (round % 500 == 0) malloc_trim(0);
  }
  for (int i = 0; i < 200; ++i) free(blocks[i]);
  return false;
}

struct Case {
  const char* name;
  bool (*misuse)(size_t);
  bool top_sees, home_sees;
  size_t largest;
};

// Above the sizes a bin holds several of, the block's run is empty after one free and may be gone:
// that is refused by the older checks.
constexpr Case kCases[] = {
    {"in_a_row", in_a_row, true, false, 200000},
    {"in_a_row_by_delete", in_a_row_by_delete, true, false, 200000},
    {"with_another_between", with_another_between, false, false, 200000},
    {"after_many", after_many, false, false, 3000},
    {"in_two_threads", in_two_threads, false, false, 200000},
    {"after_the_thread", after_the_thread, false, false, 3000},
    {"realloc_of_free", realloc_of_free, false, false, 65536},
    {"home_twice", home_twice, false, true, 3000},
};

template <typename Body>
ChildEnd run(Body body) {
  return run_child([&] { return body() ? 1 : 0; }, 20, true);
}

}  // namespace

int main(int argc, char** argv) {
  const char* const form = argc == 2 ? argv[1] : "";
  const bool key = strcmp(form, "key") == 0, home = strcmp(form, "home") == 0;
  if (!key && !home && strcmp(form, "top") != 0) {
    say("usage: double_free key|top|home");
    return 2;
  }
  const rlimit no_core{0, 0};  // the children are meant to abort
  setrlimit(RLIMIT_CORE, &no_core);
  for (const size_t size : kSizes) {
    for (const Case& tested : kCases) {
      if (!(key || (home ? tested.home_sees : tested.top_sees)) || size > tested.largest) continue;
      const ChildEnd end = run([&] { return tested.misuse(size); });
      CHECK(
          !end.exited && end.status == SIGABRT && strstr(end.output, "hz3: double free") != nullptr,
          "%s of %zu bytes ended with %s %d; said: %s", tested.name, size, end.how(), end.status,
          end.output);
    }
    const ChildEnd end = run([&] { return honest(size); });
    CHECK(end.ok(), "honest use of %zu bytes ended with %s %d; said: %s", size, end.how(),
          end.status, end.output);
  }
  return verdict();
}
