// huge_blocks [--strict]: blocks larger than any arena. Nothing but the system caps a block; its
// addresses are its own and go back when it is freed. --strict: they must be had, where libc's
// malloc, which reserves nothing, may be refused more than the machine's memory.
#include <malloc.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"

namespace {

using namespace hz3_test;

constexpr size_t kGiB = size_t{1} << 30;
constexpr size_t kSizes[] = {5 * kGiB, 70 * kGiB, 300 * kGiB, 5000 * kGiB, 20000 * kGiB};

bool g_strict = false;

template <typename T>
T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

size_t mapped_bytes() {
  char text[64] = {};
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == nullptr || fgets(text, sizeof text, file) == nullptr) _exit(3);
  fclose(file);
  return strtoull(text, nullptr, 10) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

void mark(char* block, size_t size) {
  block[0] = 1;
  block[size / 2] = 2;
  block[size - 1] = 3;
}

void check_block(char* block, size_t size) {
  CHECK(block != nullptr || !g_strict, "a block of %zu GiB cannot be had", size / kGiB);
  if (block == nullptr) return;
  CHECK(malloc_usable_size(block) >= size, "usable size of a block of %zu GiB", size / kGiB);
  mark(block, size);
}

void check_size(size_t size) {
  const size_t before = mapped_bytes();
  auto* block = static_cast<char*>(malloc(opaque(size)));
  check_block(block, size);
  auto* zeroed = static_cast<char*>(calloc(opaque(size), 1));
  CHECK(zeroed == nullptr || (zeroed[0] | zeroed[size / 2] | zeroed[size - 1]) == 0,
        "calloc of %zu GiB is not zero", size / kGiB);
  check_block(zeroed, size);
  auto* aligned = static_cast<char*>(memalign(opaque(kGiB), size));
  CHECK(reinterpret_cast<uintptr_t>(aligned) % kGiB == 0, "memalign gave %p", aligned);
  check_block(aligned, size);
  free(block);
  free(aligned);
  free(zeroed);
  CHECK(mapped_bytes() <= before + kGiB, "freeing blocks of %zu GiB left %zu GiB mapped",
        size / kGiB, (mapped_bytes() - before) / kGiB);
}

void check_realloc() {
  auto* block = static_cast<char*>(malloc(100));
  memset(block, 7, 100);
  for (const size_t size : {3 * kGiB, 6 * kGiB, 5 * kGiB, 80 * kGiB, 90 * kGiB, 70 * kGiB, kGiB,
                            size_t{3} << 20, size_t{1000}}) {
    auto* moved = static_cast<char*>(realloc(block, opaque(size)));
    CHECK(moved != nullptr || !g_strict, "realloc to %zu MiB failed", size >> 20);
    if (moved == nullptr) continue;
    block = moved;
    CHECK(block[0] == 7 && block[99] == 7, "realloc to %zu MiB lost the content", size >> 20);
    block[size - 1] = 9;
  }
  free(block);
}

// Many at once, freed out of order.
void check_many() {
  constexpr size_t kBlocks = 60;
  static char* blocks[kBlocks];
  const size_t before = mapped_bytes();
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks[i] = static_cast<char*>(malloc(opaque((66 + i) * kGiB)));
    check_block(blocks[i], (66 + i) * kGiB);
  }
  for (size_t i = 0; i < kBlocks; ++i) free(blocks[i * 37 % kBlocks]);
  CHECK(mapped_bytes() <= before + kGiB, "60 huge blocks left %zu GiB mapped",
        (mapped_bytes() - before) / kGiB);
}

void check_misuse(const char* what, void (*misuse)(char*)) {
  const ChildEnd end = run_child(
      [&] {
        auto* block = static_cast<char*>(malloc(opaque(70 * kGiB)));
        if (block == nullptr) return 3;
        misuse(block);
        return 0;
      },
      20, true);
  CHECK(!end.exited && end.status == SIGABRT && strstr(end.output, "hz3: ") != nullptr,
        "%s: ended with %s %d; said: %s", what, end.how(), end.status, end.output);
}

}  // namespace

int main(int argc, char** argv) {
  g_strict = argc == 2 && strcmp(argv[1], "--strict") == 0;
  free(malloc(100));
  for (const size_t size : kSizes) check_size(size);
  check_realloc();
  check_many();
  errno = 0;
  CHECK(malloc(opaque(size_t{1} << 50)) == nullptr && errno == ENOMEM, "more than there is");
  if (g_strict) {
    check_misuse("double free", [](char* block) {
      free(block);
      free(opaque(block));
    });
    check_misuse("free of the middle", [](char* block) { free(opaque(block) + 40 * kGiB); });
  }
  return verdict();
}
