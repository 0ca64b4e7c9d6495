// corruption [CASE…]: what hz3 says it detects. Each case misuses the heap in a child process,
// which must be stopped by abort with a line on stderr that begins with "hz3: " and names the
// fault, at the latest when the caches are flushed. Without arguments every case runs.
//
// Not promised, and so not here: a double free of a block that has meanwhile been handed out again,
// and writes past a block's end.
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"

// Absent when the allocator under test is another.
extern "C" [[gnu::weak]] void hz3_epoch_force(void);

namespace {

using namespace hz3_test;

constexpr size_t kSegmentBytes = 2 << 20;
constexpr size_t kBlocks = 4096;  // more than the caches hold, enough to fill whole runs

// Keeps the compiler from reasoning about the pointer.
template <typename T>
T* hidden(T* pointer) {
  asm volatile("" : "+r"(pointer));
  return pointer;
}

// Moves what the caches hold back to the pages, where counts are kept.
void flush() {
  if (hz3_epoch_force != nullptr) {
    for (int i = 0; i < 4; ++i) hz3_epoch_force();
  }
  malloc_trim(0);
}

// Frees every block of many full runs twice: the second round asks a run to take back more blocks
// than it gave.
void free_all_twice(size_t size) {
  void** blocks = map_array<void*>(kBlocks);
  for (size_t i = 0; i < kBlocks; ++i) blocks[i] = malloc(size);
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < kBlocks; ++i) free(hidden(blocks[i]));
  }
  flush();
}

void double_free_small() { free_all_twice(64); }
void double_free_2048() { free_all_twice(2048); }

void double_free_medium() {
  void* block = malloc(20000);
  free(block);
  free(hidden(block));
  flush();
}

void double_free_huge() {
  void* block = malloc(5 << 20);
  free(block);
  free(hidden(block));
  flush();
}

void* free_blocks(void* argument) {
  auto* blocks = static_cast<void**>(argument);
  for (size_t i = 0; i < kBlocks; ++i) free(hidden(blocks[i]));
  return nullptr;
}

// The two frees come from two threads, which end in between.
void double_free_threads() {
  void** blocks = map_array<void*>(kBlocks);
  for (size_t i = 0; i < kBlocks; ++i) blocks[i] = malloc(200);
  for (int round = 0; round < 2; ++round) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, free_blocks, blocks) != 0) _exit(3);
    pthread_join(thread, nullptr);
  }
  flush();
}

void interior_small() {
  auto* block = static_cast<char*>(malloc(512));
  free(hidden(block + 48));
  flush();
}

void interior_medium() {
  auto* block = static_cast<char*>(malloc(60000));
  free(hidden(block + 8192));
  flush();
}

void interior_medium_unaligned() {
  auto* block = static_cast<char*>(malloc(60000));
  free(hidden(block + 24));
  flush();
}

// An inner page of a block that has its pages to itself: refused at once, before the address could
// be handed out over the block.
void interior_page() {
  auto* block = static_cast<char*>(malloc(65536));
  free(hidden(block + 4096));
}

void realloc_interior_page() {
  auto* block = static_cast<char*>(malloc(65536));
  (void)!realloc(hidden(block + 61440), 100);
}

void usable_size_interior_page() {
  auto* block = static_cast<char*>(malloc(65536));
  if (malloc_usable_size(hidden(block + 8192)) != 0) _exit(0);
}

void interior_huge() {
  auto* block = static_cast<char*>(malloc(9 << 20));
  free(hidden(block + (4 << 20)));
  flush();
}

// An address inside the heap where no block can start: the header of a segment.
void segment_header() {
  auto* block = static_cast<char*>(malloc(100));
  free(hidden(block - reinterpret_cast<uintptr_t>(block) % kSegmentBytes));
  flush();
}

void realloc_freed_huge() {
  void* block = malloc(5 << 20);
  free(block);
  free(realloc(hidden(block), 6 << 20));
}

void realloc_interior_huge() {
  auto* block = static_cast<char*>(malloc(5 << 20));
  free(realloc(hidden(block + 4096), 100));
}

// Addresses that are no heap of anybody's go to the next allocator, which knows them no better.
void stack() {
  alignas(64) char local[256] = {};
  free(hidden(local + 64));
}

void static_data() {
  alignas(64) static char data[256];
  free(hidden(data + 64));
}

struct Case {
  const char* name;
  void (*misuse)();
  bool by_hz3;  // hz3 itself must say so; else anyone may, as long as the program stops
};

constexpr Case kCases[] = {
    {"double_free_small", double_free_small, true},
    {"double_free_2048", double_free_2048, true},
    {"double_free_medium", double_free_medium, true},
    {"double_free_huge", double_free_huge, true},
    {"double_free_threads", double_free_threads, true},
    {"interior_small", interior_small, true},
    {"interior_medium", interior_medium, true},
    {"interior_medium_unaligned", interior_medium_unaligned, true},
    {"interior_page", interior_page, true},
    {"realloc_interior_page", realloc_interior_page, true},
    {"usable_size_interior_page", usable_size_interior_page, true},
    {"interior_huge", interior_huge, true},
    {"segment_header", segment_header, true},
    {"realloc_freed_huge", realloc_freed_huge, true},
    {"realloc_interior_huge", realloc_interior_huge, true},
    {"stack", stack, false},
    {"static_data", static_data, false},
};

bool has_line_of_hz3(const char* output) {
  return strncmp(output, "hz3: ", 5) == 0 || strstr(output, "\nhz3: ") != nullptr;
}

void run_case(const Case& tested) {
  const ChildEnd end = run_child(
      [&] {
        tested.misuse();
        return 0;
      },
      20, true);
  CHECK(!end.exited && end.status == SIGABRT, "%s: ended with %s %d, want abort; said: %s",
        tested.name, end.how(), end.status, end.output);
  CHECK(!tested.by_hz3 || has_line_of_hz3(end.output),
        "%s: no line that begins with \"hz3: \"; said: %s", tested.name, end.output);
}

}  // namespace

int main(int argc, char** argv) {
  const rlimit no_core{0, 0};  // the children are meant to abort
  setrlimit(RLIMIT_CORE, &no_core);
  int ran = 0;
  for (const Case& tested : kCases) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || strcmp(argv[i], tested.name) == 0;
    if (!wanted) continue;
    run_case(tested);
    ++ran;
  }
  if (ran < argc - 1 || ran == 0) {
    say("usage: corruption [CASE...]; the cases are:");
    for (const Case& tested : kCases) say("  %s", tested.name);
    return 2;
  }
  return verdict();
}
