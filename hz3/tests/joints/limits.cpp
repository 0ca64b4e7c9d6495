// The footprint is the sum of what the heap holds, whatever was done to get there; and the limits
// on it hold: growth is refused at the byte, by no thread is the hard limit ever passed, the soft
// one gives memory back before the heap grows.
#define HZ3_NO_OVERRIDE
#include <thread>
#include <vector>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/rng.h"
#include "hz3.cpp"

namespace hz3_test {

namespace {

using namespace hz3;

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::uint64_t walked() {
  std::uint64_t bytes = 0;
  for (Shard& shard : g_shards) {
    os::LockGuard guard(shard.lock);
    for (List<Segment>& list : shard.segments) {
      for (Segment* s = list.front(); s != nullptr; s = s->next) {
        std::uint64_t pages = kHeaderPages;
        for (std::uint32_t page = kHeaderPages; page < kPagesPerSegment; ++page)
          pages += !s->free_bits.test(page) || s->dirty_bits.test(page);
        bytes += pages * os::kPageSize;
      }
    }
  }
  os::LockGuard guard(g_arenas.lock);
  for_each_slot_locked([&](const Slot& slot) {
    if (kind_of(slot) == SlotKind::kLargeHead || kind_of(slot) == SlotKind::kLargeCached)
      bytes += detail::whole_pages(size_of(slot));
  });
  return bytes;
}

void check_sum(const char* when) {
  CHECK(footprint() == walked(), "%s: the footprint is %lu, the heap holds %lu", when, footprint(),
        walked());
  const Books books = take_census();
  CHECK(footprint() + books.headers >= books.resident() - books.tables,
        "%s: a footprint of %lu and %lu resident", when, footprint(), books.resident());
}

void set(const char* knob, std::uint64_t value) {
  CHECK(hz3_knob_set(knob, value) == HZ3_KNOB_SET, "no knob %s", knob);
}

struct Blocks {
  std::vector<void*> of;
  void add(void* p) {
    if (p != nullptr) of.push_back(p);
  }
  void free_all() {
    for (void* p : of) deallocate(p);
    of.clear();
  }
};

void touch(void* p) {
  if (p != nullptr) std::memset(p, 0x3c, usable_size(p));
}

// Random work on everything that can grow and shrink.
void churn(std::uint64_t seed, int steps, Blocks& blocks, std::size_t most) {
  Rng rng(seed);
  for (int i = 0; i < steps; ++i) {
    const std::size_t kind = rng.below(100);
    const std::size_t size = kind < 60   ? 1 + rng.below(3000)
                             : kind < 90 ? 1 + rng.below(200000)
                                         : 1 + rng.below(most);
    const std::size_t at = blocks.of.empty() ? 0 : rng.below(blocks.of.size());
    switch (rng.below(7)) {
      case 0:
        blocks.add(allocate_aligned(std::size_t{16} << rng.below(18), size));
        break;
      case 1:
        blocks.add(allocate_zeroed(1, size));
        break;
      case 2:
        if (blocks.of.empty()) break;
        if (void* moved = reallocate(blocks.of[at], size); moved != nullptr) blocks.of[at] = moved;
        break;
      case 3:
      case 4:
        if (blocks.of.empty()) break;
        deallocate(blocks.of[at]);
        blocks.of[at] = blocks.of.back();
        blocks.of.pop_back();
        break;
      default:
        blocks.add(allocate(size));
        touch(blocks.of.empty() ? nullptr : blocks.of.back());
    }
  }
}

void check_footprint() {
  Blocks blocks;
  for (int round = 0; round < 6; ++round) {
    churn(static_cast<std::uint64_t>(round), 3000, blocks, 12 * kMiB);
    check_sum("after churn");
    if (round % 2 == 1) {
      trim_all();
      check_sum("trimmed");
    }
  }
  blocks.free_all();
  check_sum("all freed");
  trim_all();
  check_sum("all freed and trimmed");
}

// A large block grows in place, into a new place without a copy, with one, and shrinks.
void check_resize() {
  void* p = allocate(3 * kMiB);
  touch(p);
  void* wall = nullptr;
  for (const std::size_t mib : {5, 9, 30, 31, 12, 2, 40, 3}) {
    p = reallocate(p, mib * kMiB + 12345);
    touch(p);
    check_sum("resized");
    if (wall == nullptr) wall = allocate(2 * kMiB);
  }
  p = reallocate(p, 100);
  check_sum("shrunk to a small block");
  deallocate(p);
  deallocate(wall);
  trim_all();
}

void check_threads_sum() {
  std::vector<std::thread> threads;
  for (std::uint64_t n = 0; n < 8; ++n) {
    threads.emplace_back([n] {
      Blocks blocks;
      churn(100 + n, 4000, blocks, 6 * kMiB);
      blocks.free_all();
    });
  }
  for (std::thread& thread : threads) thread.join();
  check_sum("after threads");
}

// In a child of a busy program the sum is right, although threads were in the middle of things.
void check_fork_sum() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::uint64_t n = 0; n < 4; ++n) {
    threads.emplace_back([&, n] {
      Blocks blocks;
      for (std::uint64_t round = 0; !stop.load(); ++round) {
        churn(round * 8 + n, 200, blocks, 6 * kMiB);
        blocks.free_all();
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    const ChildEnd end = run_child(
        [] {
          deallocate(allocate(100));
          trim_all();
          check_sum("in a child");
          return verdict();
        },
        30);
    CHECK(end.ok(), "the child ended with %s %d", end.how(), end.status);
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
}

// To the byte, by every way to grow; what was refused left nothing behind.
void check_hard_limit() {
  trim_all();
  const std::uint64_t limit = footprint() + 64 * kMiB;
  set("heap_hard_limit_bytes", limit);
  void* whole = allocate(64 * kMiB);
  CHECK(whole != nullptr && footprint() == limit, "a block that just fits is refused");
  errno = 0;
  CHECK(allocate(2 * kMiB) == nullptr && errno == ENOMEM, "a block beyond the limit");
  CHECK(allocate_aligned(4 * kMiB, 1) == nullptr, "an aligned block beyond the limit");
  CHECK(allocate_zeroed(1, 2 * kMiB) == nullptr, "a zeroed block beyond the limit");
  errno = 0;
  CHECK(reallocate(whole, 64 * kMiB + 1) == nullptr && errno == ENOMEM, "growth by a page");
  CHECK(usable_size(whole) == 64 * kMiB, "a refused realloc changed the block");
  for (const std::size_t size : {16, 500, 5000, 70000, 900000}) {
    Blocks blocks;
    for (int i = 0; i < 100000 && (blocks.of.empty() || blocks.of.back() != nullptr); ++i)
      blocks.of.push_back(allocate(size));
    CHECK(blocks.of.back() == nullptr, "blocks of %lu without an end", size);
    blocks.of.pop_back();
    CHECK(footprint() <= limit, "%lu beyond the limit with blocks of %lu", footprint() - limit,
          size);
    check_sum("at the limit");
    blocks.free_all();
  }
  CHECK(reallocate(whole, 32 * kMiB) == whole, "a block cannot shrink at the limit");
  void* more = allocate(30 * kMiB);
  CHECK(more != nullptr, "no memory after some was given back");
  deallocate(more);
  CHECK((more = allocate(31 * kMiB)) != nullptr, "a waiting block keeps the limit from another");
  deallocate(more);
  set("heap_hard_limit_bytes", 1 * kMiB);  // below what is there
  CHECK(allocate(2 * kMiB) == nullptr, "growth above a limit that was lowered");
  deallocate(whole);
  trim_all();
  set("heap_hard_limit_bytes", 0);
  deallocate(allocate(100 * kMiB));
  check_sum("without a limit again");
}

// Threads that want more than there is never have more, and get what others let go.
void check_hard_limit_of_threads() {
  trim_all();
  const std::uint64_t limit = footprint() + 48 * kMiB;
  set("heap_hard_limit_bytes", limit);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> most{0};
  std::thread watcher([&] {
    while (!stop.load()) {
      // What is refused is counted for an instant; what was granted never goes beyond.
      os::LockGuard guard(g_arenas.lock);
      std::uint64_t bytes = 0;
      for_each_slot_locked([&](const Slot& slot) {
        if (kind_of(slot) == SlotKind::kLargeHead) bytes += size_of(slot);
      });
      if (bytes > most.load()) most.store(bytes);
    }
  });
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> refused{0};
  for (std::uint64_t n = 0; n < 6; ++n) {
    threads.emplace_back([&, n] {
      Rng rng(n);
      for (int i = 0; i < 300; ++i) {
        Blocks blocks;
        for (int k = 0; k < 12; ++k) {
          void* p = allocate(1 + rng.below(4 * kMiB));
          refused += p == nullptr;
          blocks.add(p);
        }
        blocks.free_all();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop.store(true);
  watcher.join();
  CHECK(refused.load() > 0, "six threads fit below the limit: it was not tried");
  CHECK(most.load() <= 48 * kMiB, "large blocks of %lu bytes at once", most.load());
  trim_all();
  check_sum("threads at the limit");
  void* p = allocate(40 * kMiB);
  CHECK(p != nullptr, "after the threads nothing is left of %lu", limit - footprint());
  deallocate(p);
  set("heap_hard_limit_bytes", 0);
}

// What lies free and cached goes before the heap grows, also what other threads keep in their bins;
// live blocks beyond the limit are granted all the same.
void check_soft_limit() {
  trim_all();
  Blocks small;
  for (int i = 0; i < 40000; ++i) small.add(allocate(1000));
  for (void* p : small.of) touch(p);
  void* large = allocate(20 * kMiB);
  deallocate(large);
  small.free_all();
  const std::uint64_t before = footprint();
  set("heap_soft_limit_bytes", before / 2 > 0 ? before / 2 : 1);
  hz3_epoch_force();  // or it may have looked a moment ago
  deallocate(allocate(3 * kMiB));
  CHECK(footprint() <= before / 2 + 3 * kMiB, "%lu of %lu stay above the soft limit", footprint(),
        before);
  void* beyond = allocate(before + 10 * kMiB);
  CHECK(beyond != nullptr, "the soft limit refused");
  check_sum("above the soft limit");
  deallocate(beyond);
  trim_all();
  set("heap_soft_limit_bytes", 0);
}

void check_pressure() {
  std::atomic<int> at{0};
  std::atomic<int> go{0};
  const auto reach = [&](int stage) {
    at.store(stage);
    while (go.load() < stage) std::this_thread::yield();
  };
  std::uint32_t held = 0, left = 0;
  std::thread holder([&] {
    Blocks blocks;
    for (int i = 0; i < 20000; ++i) blocks.add(allocate(64));
    blocks.free_all();
    for (int i = 0; i < 300; ++i) blocks.add(allocate(64));
    for (void* p : blocks.of) deallocate(p);
    held = count_of(t_cache->bins[class_of(64)]);
    reach(1);
    void* p = allocate(777);  // a slow path, of a class of its own
    left = count_of(t_cache->bins[class_of(64)]);
    deallocate(p);
    reach(2);
  });
  while (at.load() < 1) std::this_thread::yield();
  raise_pressure();
  go.store(1);
  while (at.load() < 2) std::this_thread::yield();
  go.store(2);
  holder.join();
  CHECK(held > 0 && left == 0, "%u blocks in a bin before, %u after the call", held, left);
}

}  // namespace

}  // namespace hz3_test

int main() {
  hz3_test::check_footprint();
  hz3_test::check_resize();
  hz3_test::check_threads_sum();
  hz3_test::check_fork_sum();
  hz3_test::check_hard_limit();
  hz3_test::check_hard_limit_of_threads();
  hz3_test::check_soft_limit();
  hz3_test::check_pressure();
  return hz3_test::verdict();
}
