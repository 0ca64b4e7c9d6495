// The boxes that watch over memory fire and do what they say: S45 in an arena that fills up, S53 as
// large blocks wait, S54 and S55 over a heap whose numbers are known. What a build has not is left
// out; meson.build names a variant for each.
#define HZ3_NO_OVERRIDE
#include <thread>
#include <vector>

#include "../support/check.h"
#include "../support/rng.h"
#include "hz3.cpp"

namespace hz3_test {

namespace {

using namespace hz3;

constexpr std::size_t kMiB = std::size_t{1} << 20;

void free_all(std::vector<void*>& blocks) {
  for (void* p : blocks) deallocate(p);
  blocks.clear();
}

// The arena is the end: no block beyond it by any way, and all of it can be had again.
void check_bounded_arena() {
  std::vector<void*> blocks;
  for (void* p = nullptr; blocks.size() < 1000 && (p = allocate(2 * kMiB)) != nullptr;)
    blocks.push_back(p);
  const std::size_t most = flag::ARENA_SIZE / kSegmentSize;
  CHECK(blocks.size() >= most - 2 && blocks.size() <= most, "%lu blocks of 2 MiB in %lu slots",
        blocks.size(), most);
  CHECK(allocate(200 * kMiB) == nullptr, "a block larger than all arenas");
  free_all(blocks);
  trim_all();
}

// Small blocks, then medium ones, then large ones fill an arena in which nothing lives but what was
// freed before: each phase needs the segments of the last.
void check_budget_phases() {
  const std::uint64_t near_full = g_memory_budget_stats.near_full.value();
  const std::uint64_t freed = g_memory_budget_stats.reclaim_segs.value();
  std::vector<void*> blocks;
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t size :
         {std::size_t{100}, std::size_t{20000}, std::size_t{1500}, 2 * kMiB}) {
      for (std::size_t bytes = 0; bytes < 50 * kMiB; bytes += size) {
        blocks.push_back(allocate(size));
        CHECK(blocks.back() != nullptr, "no block of %lu with 50 MiB of 64 in use", size);
        if (blocks.back() == nullptr) blocks.pop_back();
      }
      free_all(blocks);
    }
  }
  CHECK(g_memory_budget_stats.near_full.value() > near_full, "the arena was never nearly full");
  CHECK(g_memory_budget_stats.reclaim_segs.value() > freed, "no segment was reclaimed");
}

// Threads whose bins together pin more than the arena: none is refused.
void check_budget_threads() {
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::thread> threads;
  for (std::uint64_t n = 0; n < 8; ++n) {
    threads.emplace_back([&, n] {
      Rng rng(n);
      std::vector<void*> blocks(220);
      for (int i = 0; i < 60000; ++i) {
        void*& block = blocks[rng.below(blocks.size())];
        deallocate(block);
        block = allocate(4096 + rng.below(28672));
        refused += block == nullptr;
      }
      free_all(blocks);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(refused.load() == 0, "%lu requests refused", refused.load());
}

// Refused, all threads are called once, and there are further attempts, but not for ever.
void check_emergency() {
  const std::uint32_t calls = g_pressure.load();
  CHECK(flush_in_emergency(1) && flush_in_emergency(2), "no attempt while others empty their bins");
  CHECK(g_pressure.load() == calls + 1, "threads were called %u times", g_pressure.load() - calls);
  std::uint32_t attempts = 3;
  while (attempts < 1000 && flush_in_emergency(attempts)) ++attempts;
  CHECK(attempts < 1000, "attempts without an end");
}

void check_large_budget() {
  trim_all();
  const LargeBudgetStats& stats = g_large_budget_stats;
  constexpr auto kSoft = static_cast<std::uint64_t>(flag::LARGE_CACHE_BUDGET_SOFT);
  constexpr auto kHard = static_cast<std::uint64_t>(flag::LARGE_CACHE_BUDGET_HARD);
  const std::size_t size = kSoft / 2 + 1;
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(allocate(size));
  void* hard = allocate(kHard + kMiB);
  free_all(blocks);
  CHECK(stats.soft_hits.value() == (flag::STATS ? 3 : 0) && g_large_cache.bytes() > kSoft,
        "%lu soft hits, %lu bytes wait", stats.soft_hits.value(), g_large_cache.bytes());
  // At its turn a free returns no more than the rate, in whole spans.
  std::uint64_t least = g_large_cache.bytes();
  for (int i = 0; i < flag::S53_MIN_INTERVAL * 4; ++i) {
    deallocate(allocate(size));
    if (g_large_cache.bytes() < least) least = g_large_cache.bytes();
  }
  CHECK(least <= kSoft, "%lu bytes wait at least, %lu may", least, kSoft);
  deallocate(hard);
  CHECK(g_large_cache.bytes() <= kHard, "%lu bytes wait, %lu is the most", g_large_cache.bytes(),
        kHard);
  trim_all();
}

void check_observers() {
  std::vector<void*> blocks;
  for (int i = 0; i < 3000; ++i) {
    blocks.push_back(allocate(1024));
    std::memset(blocks.back(), 1, 1024);
  }
  for (int i = 0; i < 200; ++i) blocks.push_back(allocate(20000));
  detail::observe_retention_now();
  Breakdown more{};
  const Books books = take_census(&more);
  const Retention& most = detail::g_retention_most.most;
  CHECK(most.tls_small + most.tls_medium == books.cached && most.owner_stash == books.stored,
        "bins %lu and %lu, the books say %lu", most.tls_small, most.tls_medium, books.cached);
  CHECK(most.arena_used >= books.segments && books.segments > 0, "%lu bytes of slots in use",
        most.arena_used);
  // The pages of the 3000 in a row become free, but they are still there.
  for (std::size_t i = 0; i < 3000; ++i) deallocate(blocks[i]);
  blocks.erase(blocks.begin(), blocks.begin() + 3000);
  flush_bins(*t_cache, 1, kClasses);
  {
    os::LockGuard guard(t_cache->home->lock);
    release_empty_runs(*t_cache->home, class_of(1024), ReleaseReason::kSmallPageRetire);
  }
  detail::observe_scavenge_now();
  const ScavengeView& view = detail::g_scavenge_most.most;
  CHECK(view.candidate_pages * os::kPageSize >= 2900 * std::uint64_t{1024} &&
            view.candidate_pages <= view.free_pages,
        "%lu pages could go of %lu free", view.candidate_pages, view.free_pages);
  free_all(blocks);
}

}  // namespace

}  // namespace hz3_test

int main() {
  if constexpr (hz3::kBounded) {
    hz3_test::check_bounded_arena();
    if constexpr (hz3::flag::MEM_BUDGET_ENABLE) {
      hz3_test::check_budget_phases();
      hz3_test::check_budget_threads();
      hz3_test::check_emergency();
    }
  }
  if constexpr (hz3::flag::LARGE_CACHE_BUDGET) hz3_test::check_large_budget();
  if constexpr (hz3::flag::SEG_SCAVENGE_OBSERVE && hz3::flag::S55_RETENTION_OBSERVE)
    hz3_test::check_observers();
  return hz3_test::verdict();
}
