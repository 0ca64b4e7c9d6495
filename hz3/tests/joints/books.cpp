// The books are true: every byte of the arenas is in exactly one place, and what they call resident
// is what the kernel says is resident, to 1 %. Programs here write all of every block, since
// whether a live block has memory is up to the program.
#define HZ3_NO_OVERRIDE
#include <sys/mman.h>

#include <thread>
#include <vector>

#include "../support/check.h"
#include "../support/rng.h"
#include "hz3.cpp"

namespace hz3_test {

namespace {

using namespace hz3;

std::uint64_t resident_pages(std::uintptr_t start, std::uint64_t bytes) {
  std::vector<unsigned char> pages(bytes / os::kPageSize);
  std::uint64_t resident = 0;
  if (mincore(reinterpret_cast<void*>(start), bytes, pages.data()) != 0) return 0;
  for (const unsigned char page : pages) resident += page & 1;
  return resident;
}

// Calls visit(start, bytes) for what is committed of every reservation, and for its part of the
// page map, in whole pages.
template <typename Visit>
void each_part(Visit visit) {
  const Arena& window = g_arenas.window;
  for (int i = 0; i < g_arenas.reservation_count; ++i) {
    const Reservation& in = g_arenas.reservations[i];
    const auto start = reinterpret_cast<std::uintptr_t>(window.address(in.first));
    visit(start, (in.committed - in.first) << kSegmentShift);
    const auto map = reinterpret_cast<std::uintptr_t>(map_bytes_of(window.address(in.first)));
    const std::uintptr_t first = map & ~(os::kPageSize - 1);
    visit(first, detail::whole_pages(map + (in.committed - in.first) * kPagesPerSegment - first));
  }
}

// What the kernel says about the reservations and the page map.
std::uint64_t resident_of_kernel() {
  std::uint64_t pages = 0;
  each_part([&](std::uintptr_t start, std::uint64_t n) { pages += resident_pages(start, n); });
  return pages * os::kPageSize;
}

// Pages of the page map that the books count and nobody wrote: those of slots that never held a
// segment. The books do not remember which slots did.
std::uint64_t unwritten_map_bytes() {
  constexpr std::size_t kSlotsOfMapPage = os::kPageSize / kPagesPerSegment;
  const ArenaSet& set = g_arenas;
  std::uint64_t pages = 0;
  std::size_t last = SIZE_MAX;
  for (std::size_t slot = set.used_first; slot < set.used_end; ++slot) {
    const std::size_t page = slot / kSlotsOfMapPage;
    if (kind_of(set.window.table[slot]) == SlotKind::kNone || page == last) continue;
    last = page;
    if (!detail::map_page_counts(page * kSlotsOfMapPage, kSlotsOfMapPage)) continue;
    const auto map = reinterpret_cast<std::uintptr_t>(map_bytes_of(set.window.address(slot)));
    pages += 1 - resident_pages(map & ~(os::kPageSize - 1), os::kPageSize);
  }
  return pages * os::kPageSize;
}

std::uint64_t mapped_by_arenas() {
  std::uint64_t bytes = 0;
  each_part([&](std::uintptr_t, std::uint64_t n) { bytes += n; });
  return bytes;
}

void check_purgeable(const char* when) {
  for (Shard& shard : g_shards) {
    os::LockGuard guard(shard.lock);
    std::uint32_t pages = 0;
    for (const List<Segment>& list : shard.segments) {
      for (const Segment* s = list.front(); s != nullptr; s = s->next) pages += purgeable_pages(*s);
    }
    CHECK(pages == shard.purgeable.load(), "%s: %u purgeable pages, counted %u", when, pages,
          shard.purgeable.load());
  }
}

Books check_truth(const char* when) {
  check_purgeable(when);
  const Books books = take_census();
  CHECK(books.total() - books.tables == mapped_by_arenas(),
        "%s: the places add up to %lu bytes, the arenas have %lu", when,
        books.total() - books.tables, mapped_by_arenas());
  const std::uint64_t said = books.resident() - books.tables - unwritten_map_bytes();
  const std::uint64_t is = resident_of_kernel();
  const std::uint64_t apart = said > is ? said - is : is - said;
  // Of a heap that gave nearly all back a page is more than 1 %.
  CHECK(apart * 100 <= is || apart <= 4 * os::kPageSize,
        "%s: resident %lu bytes by the books, %lu by the kernel", when, said, is);
  return books;
}

struct Block {
  void* p;
  std::size_t size;
};

Block make(std::size_t size) {
  void* p = allocate(size);
  std::memset(p, 0x3c, usable_size(p));
  return {p, usable_size(p)};
}

std::uint64_t sum(const std::vector<Block>& blocks) {
  std::uint64_t bytes = 0;
  for (const Block& block : blocks) bytes += block.size;
  return bytes;
}

void release(std::vector<Block>& blocks, std::size_t keep_every) {
  std::vector<Block> kept;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (keep_every != 0 && i % keep_every == 0)
      kept.push_back(blocks[i]);
    else
      deallocate(blocks[i].p);
  }
  blocks.swap(kept);
}

// A few blocks of every class: most pages of their runs were never touched. Of a block that waits
// in a bin for its first use only the first word was, so none is left there.
void check_small_heap() {
  std::vector<Block> blocks;
  for (std::size_t size = 16; size <= 2048; size += 16) {
    do blocks.push_back(make(size));
    while (count_of(t_cache->bins[class_of(size)]) > 0);
  }
  const Books books = check_truth("a small heap");
  CHECK(books.live == sum(blocks), "live are %lu bytes, the books say %lu", sum(blocks),
        books.live);
  release(blocks, 0);
  flush_bins(*t_cache, 1, kClasses);
  check_truth("a small heap, all freed");
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    os::LockGuard guard(t_cache->home->lock);
    release_empty_runs(*t_cache->home, c, reason_of_class(c));
  }
  check_truth("a small heap, its runs released");
}

// One thread: blocks of all kinds, all, some, none, and what is left after a trim.
void check_one_thread() {
  Rng rng(1);
  std::vector<Block> blocks;
  for (int i = 0; i < 60000; ++i) blocks.push_back(make(1 + rng.below(2048)));
  for (int i = 0; i < 2000; ++i) blocks.push_back(make(1 + rng.below(65536)));
  for (int i = 0; i < 20; ++i) blocks.push_back(make(1 + rng.below(8 << 20)));
  Books books = check_truth("all live");
  CHECK(books.live == sum(blocks), "live are %lu bytes, the books say %lu", sum(blocks),
        books.live);
  release(blocks, 3);
  books = check_truth("a third live");
  CHECK(books.live == sum(blocks), "live are %lu bytes of a third, the books say %lu", sum(blocks),
        books.live);
  CHECK(books.cached > 0 && books.free_dirty > 0 && books.waiting > 0,
        "cached %lu, free dirty %lu, waiting %lu", books.cached, books.free_dirty, books.waiting);
  trim_all();
  books = check_truth("trimmed");
  CHECK(books.cached == 0 && books.stored == 0 && books.waiting == 0, "cached %lu after a trim",
        books.cached);
  for (int i = 0; i < 30000; ++i) blocks.push_back(make(1 + rng.below(512)));
  books = check_truth("used again");
  CHECK(books.live == sum(blocks), "live are %lu bytes, the books say %lu", sum(blocks),
        books.live);
  release(blocks, 0);
  books = check_truth("none live");
  CHECK(books.live == 0, "none live, the books say %lu", books.live);
}

// Threads that free what others allocated; at rest while they live, and after their end.
void check_threads() {
  constexpr int kThreads = 4;
  std::vector<Block> blocks[kThreads];
  std::atomic<int> at[3] = {0, 0, 0};
  std::atomic<bool> go[3] = {false, false, false};
  const auto rest = [&](int stage) {
    at[stage].fetch_add(1);
    while (!go[stage].load()) std::this_thread::yield();
  };
  std::vector<std::thread> threads;
  for (int n = 0; n < kThreads; ++n) {
    threads.emplace_back([&, n] {
      Rng rng(100 + static_cast<std::uint64_t>(n));
      for (int i = 0; i < 20000; ++i) blocks[n].push_back(make(1 + rng.below(3000)));
      rest(0);
      release(blocks[(n + 1) % kThreads], 5);
      rest(1);
      release(blocks[n], 0);
      rest(2);
    });
  }
  const char* const stages[] = {"four threads, all live", "four threads, a fifth live",
                                "four threads, none live"};
  for (int stage = 0; stage < 3; ++stage) {
    while (at[stage].load() < kThreads) std::this_thread::yield();
    std::uint64_t live = 0;
    for (const auto& list : blocks) live += sum(list);
    const Books books = check_truth(stages[stage]);
    CHECK(books.live == live, "%s: live are %lu bytes, the books say %lu", stages[stage], live,
          books.live);
    if (stage == 1) CHECK(books.cached > 0, "nothing cached by threads that freed");
    go[stage].store(true);
  }
  for (std::thread& thread : threads) thread.join();
  const Books books = check_truth("four threads ended");
  CHECK(books.cached == detail::bytes_in_bins(*t_cache), "%lu bytes cached, %lu by this thread",
        books.cached, detail::bytes_in_bins(*t_cache));
}

// A census while threads come, allocate and go sees every cache alive, and disturbs nothing.
void check_while_running() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> spawners;
  for (int n = 0; n < 3; ++n) {
    spawners.emplace_back([&] {
      while (!stop.load()) {
        std::thread([] {
          std::vector<Block> blocks;
          for (std::size_t size = 16; size < 6000; size += 40) blocks.push_back(make(size));
          release(blocks, 0);
        }).join();
      }
    });
  }
  for (int i = 0; i < 300; ++i) take_census();
  stop.store(true);
  for (std::thread& spawner : spawners) spawner.join();
  check_truth("after a census among threads");
}

// Large blocks shrink in place and give the rest back; they grow where they are, or move.
void check_large() {
  std::vector<Block> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(make(std::size_t{7} << 20));
  check_truth("large blocks");
  for (Block& block : blocks) block.p = reallocate(block.p, (std::size_t{3} << 20) + 5000);
  const Books books = check_truth("shrunk large blocks");
  CHECK(books.large_blocks == 8 && books.large_bytes == 8 * ((std::uint64_t{3} << 20) + 5000),
        "%lu large blocks of %lu bytes", books.large_blocks, books.large_bytes);
  for (Block& block : blocks) {
    block.p = reallocate(block.p, std::size_t{12} << 20);
    std::memset(block.p, 0x3c, std::size_t{12} << 20);
  }
  check_truth("grown large blocks");
  release(blocks, 0);
  check_truth("freed large blocks");
  trim_all();
}

// A store that holds blocks says so.
void check_store() {
  const std::uint32_t c = class_of(100);
  Batch batch = take_blocks(*t_cache->home, c, {20, 20});
  const std::uint64_t bytes = std::uint64_t{batch.count()} * kSizeClasses[c].size;
  CHECK(take_census().live == bytes, "%lu bytes taken, live %lu", bytes, take_census().live);
  g_store.put(*t_cache->home, c, batch);
  const Books books = take_census();
  CHECK(books.live == 0 && books.stored == (flag::S42_SMALL_XFER ? bytes : 0),
        "%lu bytes put: live %lu, stored %lu", bytes, books.live, books.stored);
  g_store.drain();
}

}  // namespace

}  // namespace hz3_test

int main() {
  hz3_test::check_small_heap();
  hz3_test::check_one_thread();
  hz3_test::check_threads();
  hz3_test::check_threads();  // new threads in the caches of those that ended
  hz3_test::check_while_running();
  hz3_test::check_large();
  hz3_test::check_store();
  return hz3_test::verdict();
}
