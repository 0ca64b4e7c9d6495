// sparse_calloc: blocks from calloc that the program hardly touches may hold hardly any memory:
// what is zero already must not be cleared. And what is not must be: blocks are written, freed, and
// had again from calloc in other sizes, so that new blocks lie half on pages that were used before.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/resources.h"
#include "../support/rng.h"

namespace {

using namespace hz3_test;

constexpr size_t kSizes[] = {16384, 20000, 65536, 100000, 300000, 1 << 20, (1 << 20) + 1, 3 << 20};

bool is_zero(const unsigned char* block, size_t size) {
  return block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
}

// `total` bytes in blocks of one size, each touched in its first page.
void check_sparse(size_t size, size_t total) {
  const size_t count = total / size;
  auto** blocks = map_array<unsigned char*>(count);
  malloc_trim(0);
  const long before_kb = resident_kb();
  for (size_t i = 0; i < count; ++i) {
    blocks[i] = static_cast<unsigned char*>(calloc(1, size));
    CHECK(blocks[i] != nullptr, "calloc(%zu) returned null", size);
    if (blocks[i] == nullptr) return;
    blocks[i][0] = 1;
  }
  const long kb = resident_kb() - before_kb;
  // A page each, and a page of page table for every 2 MiB; the rest is the allocator's.
  const long allowed_kb = static_cast<long>(count * 4 + total / (2 << 20) * 40 + 6144);
  CHECK(kb <= allowed_kb, "%zu blocks of calloc(%zu) hold %ld KiB, %ld touched", count, size, kb,
        static_cast<long>(count * 4));
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
}

void* write_and_free(void* argument) {
  auto& rng = *static_cast<Rng*>(argument);
  constexpr size_t kCount = 60;
  void* blocks[kCount];
  for (void*& block : blocks) {
    const size_t size = rng.log_uniform(4000, 3 << 20);
    block = malloc(size);
    memset(block, 0xff, size);
  }
  for (void* block : blocks) free(block);
  return nullptr;
}

// Written memory of every size, freed by this thread or by one that ended, then blocks of calloc.
void check_reused(Rng& rng, int round) {
  if (round % 3 == 0) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, write_and_free, &rng) == 0) pthread_join(thread, nullptr);
  } else {
    write_and_free(&rng);
  }
  if (round % 5 == 0) malloc_trim(0);
  constexpr size_t kCount = 40;
  unsigned char* blocks[kCount];
  for (unsigned char*& block : blocks) {
    const size_t size = rng.one_in(4) ? rng.log_uniform(16000, 2 << 20)
                                      : kSizes[rng.below(sizeof kSizes / sizeof kSizes[0])];
    block = static_cast<unsigned char*>(calloc(1, size));
    CHECK(block != nullptr && is_zero(block, size), "calloc(%zu) after use is not zero, round %d",
          size, round);
    if (block == nullptr) return;
    memset(block, 0xee, size);
  }
  for (unsigned char* block : blocks) free(block);
}

// libc clears what lies below its threshold for mappings, by design.
size_t smallest_sparse() {
  return dlsym(RTLD_DEFAULT, "hz3_malloc") != nullptr ? kSizes[0] : size_t{300000};
}

}  // namespace

int main() {
  // Each in a child of its own, where nothing was used before.
  for (const size_t size : kSizes) {
    if (size < smallest_sparse()) continue;
    const ChildEnd end = run_child(
        [size] {
          check_sparse(size, size < 65536 ? size_t{64} << 20 : size_t{1000} << 20);
          return verdict();
        },
        60);
    CHECK(end.ok(), "blocks of %zu bytes: the child ended with %s %d", size, end.how(), end.status);
  }
  Rng rng(5);
  for (int round = 0; round < 40; ++round) check_reused(rng, round);
  return verdict();
}
