// How runs remember free blocks, and box S314: pages inside runs with live blocks go back, no page
// that a live block reaches ever does, and the books know of each.
#define HZ3_NO_OVERRIDE
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "../support/check.h"
#include "../support/rng.h"
#include "hz3.cpp"

namespace {

bool g_refuse = false;  // whether memory may not go back

}  // namespace

extern "C" int madvise(void* p, size_t bytes, int advice) noexcept {
  if (advice == MADV_DONTNEED && g_refuse) {
    errno = EINVAL;
    return -1;
  }
  return static_cast<int>(syscall(SYS_madvise, p, bytes, advice));
}

namespace hz3_test {

namespace {

using namespace hz3;

// The `n`th block of a run, and the other way round.
std::uint32_t index_of(const void* block) {
  Segment& segment = segment_of(block);
  const Run& run = run_of(segment, block);
  const char* start = page_address(segment, first_page(segment, run));
  return static_cast<std::uint32_t>(static_cast<const char*>(block) - start) /
         kSizeClasses[run.size_class].size;
}

bool is_home(const void* block) {
  Segment& segment = segment_of(block);
  return RunBlocks::holds(segment, run_of(segment, block), index_of(block));
}

void take(Shard& shard, std::uint32_t c, std::uint32_t n, std::vector<char*>& blocks) {
  while (n > 0) {
    Batch batch = take_blocks(shard, c, {n < 32 ? n : 32, n < 32 ? n : 32});
    CHECK(!batch.empty(), "no memory");
    if (batch.empty()) return;
    for (; !batch.empty(); --n) blocks.push_back(static_cast<char*>(batch.pop()));
  }
}

void give(const std::vector<char*>& blocks) {
  for (char* block : blocks) give_back(batch_of_one(block));
}

// Blocks of 16, 48 and 2048 bytes: several words of bits a run, part of one, one.
void check_form() {
  Shard& shard = g_shards[1];
  for (const std::size_t size : {16u, 48u, 400u, 2048u}) {
    const std::uint32_t c = class_of(size);
    std::vector<char*> blocks, returned, again;
    take(shard, c, 3 * kSizeClasses[c].objects, blocks);
    for (std::size_t i = 0; i < blocks.size(); i += 3) returned.push_back(blocks[i]);
    give(returned);
    for (std::size_t i = 0; i < blocks.size(); ++i)
      CHECK(is_home(blocks[i]) == (i % 3 == 0), "block %zu of %zu bytes is %s", i, size,
            i % 3 == 0 ? "not home" : "home");
    Segment& segment = segment_of(blocks[0]);
    Run& run = run_of(segment, blocks[0]);
    {
      os::LockGuard guard(shard.lock);
      const std::uint32_t here = RunBlocks::recount(segment, run);
      CHECK(here + run.live == run.carved && here > 0, "%u blocks are home, %u live of %u", here,
            run.live, run.carved);
    }
    take(shard, c, static_cast<std::uint32_t>(returned.size()), again);
    std::sort(again.begin(), again.end());
    std::sort(returned.begin(), returned.end());
    CHECK(again == returned, "of %zu bytes others came than went", size);
    give(blocks);
  }
}

bool is_resident(char* page) {
  unsigned char seen = 0;
  mincore(page, os::kPageSize, &seen);
  return seen & 1;
}

PurgeCount purge_all(Shard& shard) {
  os::LockGuard guard(shard.lock);
  PurgeCount sum;
  for (List<Segment>& list : shard.segments) {
    for (Segment* s = list.front(); s != nullptr; s = s->next) {
      if (is_empty(*s)) continue;
      PurgeBudget budget;
      const PurgeCount count = purge_segment(shard, *s, budget);
      sum.pages += count.pages;
      sum.calls += count.calls;
      sum.refused += count.refused;
    }
  }
  return sum;
}

void fill_block(char* block, std::size_t size) {
  std::memset(block, static_cast<int>(reinterpret_cast<std::uintptr_t>(block) >> 4 & 0xff), size);
}
bool is_filled(const char* block, std::size_t size) {
  const auto byte = static_cast<char>(reinterpret_cast<std::uintptr_t>(block) >> 4 & 0xff);
  for (std::size_t i = 0; i < size; ++i) {
    if (block[i] != byte) return false;
  }
  return true;
}

// Every page of the runs of the live blocks has memory exactly if one of them reaches it. Returns
// how many have none.
std::uint32_t check_pages(const std::vector<char*>& live, std::size_t size, bool exactly) {
  std::uint32_t gone = 0;
  for (char* block : live) {
    Segment& segment = segment_of(block);
    Run& run = run_of(segment, block);
    const std::uint32_t first = first_page(segment, run);
    for (std::uint32_t i = 0; i < kSizeClasses[run.size_class].pages; ++i) {
      char* const page = page_address(segment, first + i);
      bool reached = false;
      for (char* other : live) reached |= other < page + os::kPageSize && other + size > page;
      const bool resident = is_resident(page);
      gone += !resident;
      CHECK(resident || !reached, "page %u of a run of %zu bytes went with a live block in it", i,
            size);
      CHECK(!resident || reached || !exactly, "page %u of a run of %zu bytes is idle and stays", i,
            size);
      CHECK(resident == segment.dirty_bits.test(first + i),
            "page %u of a run of %zu bytes: the books say otherwise", i, size);
    }
    CHECK(is_filled(block, size), "a live block of %zu bytes lost what it held", size);
  }
  return gone;
}

// A few runs of every class with several pages and blocks a run; one in five blocks stays.
void check_inner_pages(std::uint64_t seed) {
  Shard& shard = g_shards[2];
  Rng rng(seed);
  std::uint32_t gone = 0;
  for (std::uint32_t c = 1; c < kFirstMedium; ++c) {
    const SizeClass& info = kSizeClasses[c];
    if (info.pages == 1 || (is_sub4k(c) && !flag::SUB4K_ENABLE)) continue;
    std::vector<char*> blocks, live, freed;
    take(shard, c, 6 * info.objects, blocks);
    for (char* block : blocks) {
      fill_block(block, info.size);
      (rng.below(5) == 0 ? live : freed).push_back(block);
    }
    give(freed);
    g_refuse = true;
    const PurgeCount refused = purge_all(shard);
    g_refuse = false;
    CHECK(refused.pages == 0 || os::g_purges_many, "pages went though refused");
    const PurgeCount count = purge_all(shard);
    CHECK(count.refused == 0, "%u refused", count.refused);
    gone += check_pages(live, info.size, true);
    CHECK(purge_all(shard).calls == 0, "a purge with nothing new to purge");
    // Taken again, pages count as dirty from then on, whether touched or not; the rest may go.
    std::vector<char*> again;
    take(shard, c, static_cast<std::uint32_t>(freed.size() / 2), again);
    purge_all(shard);
    for (char* block : again) {
      fill_block(block, info.size);
      live.push_back(block);
    }
    check_pages(live, info.size, true);
    give(live);
    os::LockGuard guard(shard.lock);
    release_empty_runs(shard, c, reason_of_class(c));
  }
  CHECK(gone > 50, "only %u pages inside runs went back", gone);
}

// Where the system's pages are larger a page goes only with all its neighbours.
void check_larger_pages() {
  Shard& shard = g_shards[3];
  os::g_system_page = 16384;
  const std::uint32_t c = class_of(2048);
  std::vector<char*> blocks, live, freed;
  take(shard, c, 64 * kSizeClasses[c].objects, blocks);
  Rng rng(9);
  for (char* block : blocks) {
    fill_block(block, 2048);
    (rng.below(30) == 0 ? live : freed).push_back(block);
  }
  give(freed);
  purge_all(shard);
  const std::uint32_t gone = check_pages(live, 2048, false);
  os::g_system_page = os::kPageSize;
  give(live);
  (void)gone;
}

// calloc in runs from which pages went.
void check_zero() {
  std::vector<void*> blocks;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4000; ++i) {
      const std::size_t size = 500 + static_cast<std::size_t>(i) % 3000;
      auto* block = static_cast<char*>(allocate_zeroed(1, size));
      std::size_t wrong = 0;
      for (std::size_t at = 0; at < size; ++at) {
        wrong += block[at] != 0;
      }
      CHECK(wrong == 0, "calloc(%zu) left %zu old bytes", size, wrong);
      std::memset(block, 0x77, size);
      blocks.push_back(block);
    }
    std::vector<void*> kept;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i % 9 == 0)
        kept.push_back(blocks[i]);
      else
        deallocate(blocks[i]);
    }
    blocks.swap(kept);
    trim_all();
  }
  for (void* block : blocks) deallocate(block);
}

// Threads allocate, check and free, their own blocks and others', while one purges without a pause.
void check_purge_beside_threads() {
  constexpr std::size_t kSlots = 3000;
  constexpr int kWorkers = 3, kRounds = 60000;
  static std::atomic<char*> slots[kSlots];
  std::atomic<int> running{kWorkers};
  const auto work = [&](std::uint64_t seed) {
    Rng rng(seed);
    for (int i = 0; i < kRounds; ++i) {
      const std::size_t slot = rng.below(kSlots);
      const std::size_t size = 600 + slot % 8 * 400;
      char* fresh = nullptr;
      if (rng.below(4) == 0) {
        fresh = static_cast<char*>(allocate(size));
        fill_block(fresh, size);
      }
      char* const old = slots[slot].exchange(fresh);
      if (old == nullptr) continue;
      if (!is_filled(old, size)) CHECK(false, "a block of %zu bytes lost what it held", size);
      deallocate(old);
    }
    running.fetch_sub(1);
  };
  std::vector<std::thread> workers;
  for (int n = 0; n < kWorkers; ++n) workers.emplace_back(work, 50 + n);
  while (running.load() > 0) {
    for (Shard& shard : g_shards) purge_all(shard);
  }
  for (std::thread& worker : workers) worker.join();
  for (auto& slot : slots) deallocate(slot.load());
}

}  // namespace

}  // namespace hz3_test

int main() {
  // No shard is without threads, so none is adopted from.
  for (hz3::Shard& shard : hz3::g_shards) shard.threads.store(1);
  hz3_test::check_form();
  if constexpr (hz3::flag::S314_RUN_PURGE) {
    for (const bool many : {true, false}) {
      hz3::os::g_purges_many = many;
      hz3_test::check_inner_pages(many ? 1 : 2);
    }
    hz3_test::check_larger_pages();
  }
  hz3_test::check_zero();
  hz3_test::check_purge_beside_threads();
  return hz3_test::verdict();
}
