// What each knob does to the heap, from the next policy that looks at it.
#define HZ3_NO_OVERRIDE
#include <thread>
#include <vector>

#include "../support/check.h"
#include "hz3.cpp"

namespace hz3_test {

namespace {

using namespace hz3;

constexpr std::size_t kLarge = std::size_t{3} << 20;

SlotKind kind_after_free(void* block) {
  Slot& head = *find_large(block).head;
  deallocate(block);
  return kind_of(head);
}

// Lives on meanwhile, so that a policy does not see the last block go and let all go.
class Ballast {
 public:
  Ballast(std::size_t size, std::size_t count) : blocks_(count) {
    for (void*& block : blocks_) block = allocate(size);
  }
  ~Ballast() {
    for (void* block : blocks_) deallocate(block);
  }

 private:
  std::vector<void*> blocks_;
};

void check_large_cache_bytes() {
  const Ballast ballast(8 * kLarge, 1);
  hz3_knob_set("large_cache_bytes", 2 * kLarge);
  CHECK(kind_after_free(allocate(kLarge)) == SlotKind::kLargeCached, "a block that fits went");
  trim_all();
  void* blocks[3] = {allocate(kLarge), allocate(kLarge), allocate(kLarge)};
  Slot& oldest = *find_large(blocks[0]).head;
  for (void* block : blocks) deallocate(block);
  CHECK(kind_of(oldest) == SlotKind::kFree, "three blocks wait where two fit");
  hz3_knob_set("large_cache_bytes", 0);
  void* block = allocate(kLarge);
  CHECK(kind_after_free(block) == SlotKind::kFree, "a block waits for reuse although none may");
  trim_all();
  hz3_knob_set("large_cache_bytes", flag::LARGE_CACHE_BYTES);
}

void check_large_cache_ms() {
  const Ballast ballast(8 * kLarge, 1);
  const std::uint64_t hour = 3600000;
  hz3_knob_set("large_cache_ms", hour);
  void* block = allocate(kLarge);
  Slot& head = *find_large(block).head;
  deallocate(block);
  expire_large_cache(os::now_ms() + hour / 2);
  CHECK(kind_of(head) == SlotKind::kLargeCached, "a block went after half its time");
  hz3_knob_set("large_cache_ms", 1);
  expire_large_cache(os::now_ms() + hour / 2);
  CHECK(kind_of(head) == SlotKind::kFree, "a block waits longer than it may");
  hz3_knob_set("large_cache_ms", flag::LARGE_CACHE_MS);
}

// Bytes that the bins of a thread may hold after it has used all classes.
std::uint64_t bytes_of_bins() {
  std::uint64_t bytes = 0;
  std::thread thread([&] {
    const Ballast ballast(kMediumMax, 128);
    for (std::size_t size = 16; size <= kMediumMax; size += size / 8 + 16) {
      void* blocks[64];
      for (void*& block : blocks) block = allocate(size);
      for (void* block : blocks) deallocate(block);
    }
    for (std::uint32_t c = 1; c < kClasses; ++c)
      bytes += std::uint64_t{t_cache->bins[c].limit} * kSizeClasses[c].size;
    const std::uint64_t whole = flag::S320_EARNED_BUDGET
                                    ? t_cache->boxes.granted
                                    : knob::value(knob::Name::thread_cache_bytes);
    CHECK(bytes + t_cache->budget == whole, "%lu bytes in bins and %lu left of %lu", bytes,
          t_cache->budget, whole);
  });
  thread.join();
  return bytes;
}

void check_thread_cache_bytes() {
  const std::uint64_t usual = bytes_of_bins();
  hz3_knob_set("thread_cache_bytes", 65536);
  const std::uint64_t few = bytes_of_bins();
  CHECK(few <= 65536 && usual > 65536, "bins of %lu bytes usually, %lu of 65536", usual, few);
  hz3_knob_set("thread_cache_bytes", flag::TCACHE_BYTES);
}

void check_exit_keep_pages() {
  if (hz3_knob_get("exit_keep_pages", nullptr) != HZ3_KNOB_SET) return;
  Shard& shard = g_shards[7];
  shard.threads.store(1);
  const std::uint32_t c = class_of(2048);
  give_back(take_blocks(shard, c, {1, 1}));
  os::LockGuard guard(shard.lock);
  release_empty_runs(shard, c, ReleaseReason::kSmallPageRetire);
  const Segment& segment = *shard.segments[0].front();
  const std::uint32_t pages = (segment.free_bits & segment.dirty_bits).count();
  hz3_knob_set("exit_keep_pages", pages);
  CHECK(!worth_purging(shard), "%u pages are more than may be kept", pages);
  hz3_knob_set("exit_keep_pages", pages - 1);
  CHECK(worth_purging(shard), "%u pages may be kept where %u may", pages, pages - 1);
}

}  // namespace

}  // namespace hz3_test

int main() {
  hz3_test::check_large_cache_bytes();
  hz3_test::check_large_cache_ms();
  hz3_test::check_thread_cache_bytes();
  hz3_test::check_exit_keep_pages();
  return hz3_test::verdict();
}
