// Box S315: the first small block of a stranger that a thread frees goes home; further ones, which
// a pipeline has many of, and blocks that fill a cache line stay with the thread.
#define HZ3_NO_OVERRIDE
#include <pthread.h>

#include "../support/check.h"
#include "hz3.cpp"

namespace hz3_test {

namespace {

using namespace hz3;

constexpr bool kOn = flag::S315_GO_HOME;

std::uint32_t live_at(const void* block) {
  return __atomic_load_n(&run_of(segment_of(block), block).live, __ATOMIC_RELAXED);
}

struct Blocks {
  void* small[4];
  void* line[4];
};

void* free_strangers(void* given) {
  auto& blocks = *static_cast<Blocks*>(given);
  const std::uint32_t small = live_at(blocks.small[3]);
  deallocate(blocks.small[0]);
  CHECK(live_at(blocks.small[3]) == small - kOn, "of %u live blocks, %u after the first free",
        small, live_at(blocks.small[3]));
  deallocate(blocks.small[1]);
  deallocate(blocks.small[2]);
  CHECK(live_at(blocks.small[3]) == small - kOn, "further blocks went home: %u of %u are live",
        live_at(blocks.small[3]), small);
  void* own = allocate(16);
  CHECK(own != blocks.small[0] || !kOn, "the block that went home came back");
  const std::uint32_t line = live_at(blocks.line[3]);
  deallocate(blocks.line[0]);
  CHECK(live_at(blocks.line[3]) == line, "a block of a whole cache line went home");
  deallocate(own);
  return nullptr;
}

void check_own_blocks_stay() {
  void* blocks[2] = {allocate(32), allocate(32)};
  const std::uint32_t live = live_at(blocks[1]);
  deallocate(blocks[0]);
  CHECK(live_at(blocks[1]) == live, "a thread's own block went home");
  deallocate(blocks[1]);
}

}  // namespace

}  // namespace hz3_test

int main() {
  using namespace hz3_test;
  Blocks blocks;
  for (void*& block : blocks.small) block = hz3::allocate(16);
  for (void*& block : blocks.line) block = hz3::allocate(64);
  pthread_t thread;
  CHECK(pthread_create(&thread, nullptr, free_strangers, &blocks) == 0, "no thread");
  pthread_join(thread, nullptr);
  check_own_blocks_stay();
  return verdict();
}
