// Box S317, and the walk it stands for: batches of many runs, more than the table of the sort
// takes, and of two shards come home whole, whichever way they go.
#define HZ3_NO_OVERRIDE
#include <pthread.h>

#include "../support/check.h"
#include "hz3.cpp"

namespace hz3_test {

namespace {

using namespace hz3;

constexpr int kBlocks = 300;

std::uint32_t live_at(const void* block) { return run_of(segment_of(block), block).live; }

void take(std::size_t size, void** blocks, int n) {
  ThreadCache& cache = *detail::current_cache();
  const std::uint32_t c = class_of(size);
  for (int i = 0; i < n;) {
    Batch batch = take_blocks(*cache.home, c, {1, 1});
    while (!batch.empty()) blocks[i++] = batch.pop();
  }
}

struct Half {
  std::size_t size;
  void** blocks;
};

void* take_half(void* given) {
  const auto& half = *static_cast<Half*>(given);
  take(half.size, half.blocks, kBlocks / 2);
  return nullptr;
}

// Blocks of two shards, shuffled, in one batch.
void check_home(std::size_t size) {
  static void* blocks[kBlocks];
  Half half{size, blocks + kBlocks / 2};
  pthread_t thread;
  take(size, blocks, kBlocks / 2);
  CHECK(pthread_create(&thread, nullptr, take_half, &half) == 0, "no thread");
  pthread_join(thread, nullptr);
  std::uint32_t live = 0;
  for (void* block : blocks) live += live_at(block) > 0;
  CHECK(live == kBlocks, "%u of %d blocks are live", live, kBlocks);
  Batch batch;
  for (int i = 0; i < kBlocks; ++i) batch.push(blocks[i * 7 % kBlocks]);
  give_back(batch);
  // Once more they can be taken, each once.
  take(size, blocks, kBlocks);
  for (int i = 0; i < kBlocks; ++i) *static_cast<int*>(blocks[i]) = i;
  for (int i = 0; i < kBlocks; ++i)
    CHECK(*static_cast<int*>(blocks[i]) == i, "block %d of %zu bytes is there twice", i, size);
  Batch again;
  for (void* block : blocks) again.push(block);
  give_back(again);
  for (Shard& shard : g_shards) {
    const std::uint32_t outside = shard.outside[class_of(size)].load();
    CHECK(outside == 0, "%u blocks of %zu bytes are not home", outside, size);
  }
}

}  // namespace

}  // namespace hz3_test

int main() {
  using namespace hz3_test;
  for (std::size_t size : {16, 48, 1024, 2048, 4096, 32768}) check_home(size);
  return verdict();
}
