// The boxes that give memory back on epochs, from the inside: what a ring of ranges remembers, what
// becomes of a range whose pages or segment are in other use by then, the gate, the ledger's rules,
// and that each box of this variant does what it says, by the kernel's account of memory.
#define HZ3_NO_OVERRIDE
#include <sys/mman.h>
#include <sys/syscall.h>

#include <thread>
#include <vector>

#include "../support/check.h"
#include "../support/rng.h"
#include "hz3.cpp"

namespace {

int g_calls = 0;        // madvise calls that give memory back
bool g_refuse = false;  // whether they fail, as for locked memory

}  // namespace

extern "C" int madvise(void* p, size_t bytes, int advice) noexcept {
  if (advice == MADV_DONTNEED) {
    ++g_calls;
    if (g_refuse) {
      errno = EINVAL;
      return -1;
    }
  }
  return static_cast<int>(syscall(SYS_madvise, p, bytes, advice));
}

namespace hz3_test {

namespace {

using namespace hz3;

std::uint64_t resident_pages(const void* start, std::size_t bytes) {
  std::vector<unsigned char> pages(bytes / os::g_system_page);
  if (mincore(const_cast<void*>(start), bytes, pages.data()) != 0) return 0;
  std::uint64_t resident = 0;
  for (const unsigned char page : pages) resident += page & 1;
  return resident * (os::g_system_page / os::kPageSize);
}

// Pages of the slots in use by the heap that have memory.
std::uint64_t resident_heap() {
  std::uint64_t pages = 0;
  for (int i = 0; i < g_arenas.reservation_count; ++i) {
    const Reservation& in = g_arenas.reservations[i];
    pages += resident_pages(g_arenas.window.address(in.first), (in.committed - in.first)
                                                                   << kSegmentShift);
  }
  return pages;
}

// Blocks filled with a byte of their own, so that a page lost from under one is noticed.
class Blocks {
 public:
  explicit Blocks(std::uint64_t seed) : rng_(seed) {}
  ~Blocks() { keep_one_in(0); }
  void make(std::uint32_t count, std::size_t low, std::size_t high) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::size_t size = low + rng_.below(high - low + 1);
      const auto byte = static_cast<unsigned char>(rng_.below(256));
      void* p = allocate(size);
      if (p == nullptr) return fail(__FILE__, __LINE__, "no memory for %zu bytes", size);
      std::memset(p, byte, size);
      blocks_.push_back({p, size, byte});
    }
  }
  // Checks all and frees all others, in random order; 0 keeps none.
  void keep_one_in(std::uint64_t n) {
    for (std::size_t i = blocks_.size(); i > 1; --i)
      std::swap(blocks_[i - 1], blocks_[rng_.below(i)]);
    std::vector<Block> kept;
    for (const Block& block : blocks_) {
      check(block);
      if (n > 0 && rng_.one_in(n))
        kept.push_back(block);
      else
        deallocate(block.p);
    }
    blocks_ = kept;
  }
  void check_all() const {
    for (const Block& block : blocks_) check(block);
  }

 private:
  struct Block {
    void* p;
    std::size_t size;
    unsigned char byte;
  };
  static void check(const Block& block) {
    const auto* bytes = static_cast<const unsigned char*>(block.p);
    std::size_t i = 0;
    while (i < block.size && bytes[i] == block.byte) ++i;
    CHECK(i == block.size, "byte %zu of %zu at %p changed", i, block.size, block.p);
  }

  Rng rng_;
  std::vector<Block> blocks_;
};

void epochs(int n) {
  for (int i = 0; i < n; ++i) hz3_epoch_force();
}

// Takes a block from a shard's runs and writes all of it.
void* take_written(Shard& shard, std::uint32_t c, int byte) {
  Batch batch = take_blocks(shard, c, {1, 1});
  return std::memset(batch.pop(), byte, kSizeClasses[c].size);
}

FreedRange range_of(Segment* segment, std::uint32_t page, std::uint32_t pages) {
  return {segment, nullptr, 7, static_cast<std::uint16_t>(page), static_cast<std::uint16_t>(pages)};
}

void check_ring() {
  RangeRing<4> ring{};
  alignas(Segment) static char places[2 * sizeof(Segment)];
  auto* a = reinterpret_cast<Segment*>(places);
  auto* b = a + 1;
  CHECK(ring.add(range_of(a, 10, 2), 4) == Added::kQueued, "the first range is not queued");
  CHECK(ring.add(range_of(a, 12, 1), 4) == Added::kMerged && ring.front().page == 10 &&
            ring.front().pages == 3,
        "a range behind: %u+%u", ring.front().page, ring.front().pages);
  CHECK(ring.add(range_of(a, 8, 2), 4) == Added::kMerged && ring.front().page == 8 &&
            ring.front().pages == 5,
        "a range before: %u+%u", ring.front().page, ring.front().pages);
  CHECK(ring.add(range_of(b, 13, 1), 4) == Added::kQueued, "merged across segments");
  CHECK(ring.add(range_of(a, 14, 2), 4) == Added::kQueued, "merged across a gap");
  CHECK(ring.add(range_of(a, 13, 1), 4) == Added::kMerged && ring.front().page == 8 &&
            ring.front().pages == 8 && ring.count() == 3,
        "a gap closed: %u+%u of %u", ring.front().page, ring.front().pages, ring.count());
  CHECK(ring.add(range_of(a, 16, 1), 1) == Added::kQueued, "merged deeper than asked");
  CHECK(ring.add(range_of(b, 40, 1), 4) == Added::kFull, "five ranges in a ring of four");
  ring.pop();
  CHECK(ring.add(range_of(b, 40, 1), 4) == Added::kQueued && ring.count() == 4, "no place reused");
}

// Whatever the order, a ring of ranges covers exactly the pages that were added.
void check_ring_covers(std::uint64_t seed, std::uint32_t depth) {
  static RangeRing<512> ring;
  ring = {};
  Rng rng(seed);
  alignas(Segment) static char places[3 * sizeof(Segment)];
  bool added[3][kPagesPerSegment] = {};
  bool seen[3][kPagesPerSegment] = {};
  for (int i = 0; i < 400; ++i) {
    const auto s = static_cast<std::uint32_t>(rng.below(3));
    const auto page = static_cast<std::uint32_t>(rng.below(kPagesPerSegment - 8));
    const auto pages = static_cast<std::uint32_t>(1 + rng.below(8));
    ring.add(range_of(reinterpret_cast<Segment*>(places) + s, page, pages), depth);
    for (std::uint32_t p = page; p < page + pages; ++p) added[s][p] = true;
  }
  for (; !ring.empty(); ring.pop()) {
    const auto s = ring.front().segment - reinterpret_cast<Segment*>(places);
    for (std::uint32_t p = 0; p < ring.front().pages; ++p) seen[s][ring.front().page + p] = true;
  }
  for (int s = 0; s < 3; ++s) {
    for (std::uint32_t p = 0; p < kPagesPerSegment; ++p)
      CHECK(added[s][p] == seen[s][p], "page %u of segment %d %s", p, s,
            added[s][p] ? "was lost" : "came from nowhere");
  }
}

// A range is a hint: what is in use again stays, and a segment that went is not touched.
void check_stale_ranges() {
  Shard& shard = g_shards[kShards - 1];
  const std::uint32_t c = class_of(4096);
  void* blocks[8];
  for (void*& block : blocks) block = take_written(shard, c, 0x77);
  Segment& segment = segment_of(blocks[0]);
  const FreedRange all{&segment, &shard, 0, kHeaderPages, kUsablePages};
  give_back(batch_of_one(blocks[3]));
  {
    os::LockGuard guard(shard.lock);
    release_empty_runs(shard, c, ReleaseReason::kMediumRunReclaim);
  }
  PurgeBudget budget;
  const FreedPurge some = purge_freed<true>(all, budget);
  CHECK(some.count.pages >= 1 && !some.gone && !some.waiting, "%u pages went", some.count.pages);
  for (int i = 0; i < 8; ++i) {
    const auto* bytes = static_cast<unsigned char*>(blocks[i]);
    CHECK(bytes[0] == (i == 3 ? 0 : 0x77), "block %d reads %u", i, bytes[0]);
  }
  for (int i = 0; i < 8; ++i) {
    if (i != 3) give_back(batch_of_one(blocks[i]));
  }
  {
    os::LockGuard guard(shard.lock);
    release_empty_runs(shard, c, ReleaseReason::kMediumRunReclaim);
    CHECK(is_empty(segment), "%u pages are free", segment.free_pages);
  }
  PurgeBudget little{.pages = kUsablePages - 1};
  CHECK(purge_freed<true>(all, little).waiting, "a segment went back in part");
  g_calls = 0;
  const FreedPurge whole = purge_freed<true>(all, budget);
  CHECK(whole.count.segments == 1 && g_calls == 1, "%u segments with %d calls",
        whole.count.segments, g_calls);
  CHECK(purge_freed<true>(all, budget).gone && purge_freed<false>(all, budget).gone && g_calls == 1,
        "a segment that went was purged again");
}

// The gate sees who uses memory, whichever thread it is, and not who frees it.
void check_gate() {
  if constexpr (!flag::S65_IDLE_GATE) return;
  const auto idle = [] { return g_gate_stats.idle_ticks.value(); };
  const auto busy = [] { return g_gate_stats.busy_ticks.value(); };
  Blocks blocks(3);
  epochs(1);
  const std::uint64_t busy_before = busy();
  blocks.make(20000, 100, 4096);
  epochs(1);
  CHECK(busy() > busy_before, "20,000 blocks were made and nobody was busy");
  epochs(1);
  const std::uint64_t busy_then = busy();
  const std::uint64_t idle_then = idle();
  blocks.keep_one_in(0);
  epochs(1);
  CHECK(busy() == busy_then && idle() > idle_then, "frees are taken for use");
  std::thread other([] {
    Blocks theirs(4);
    theirs.make(20000, 100, 4096);
  });
  other.join();
  const std::uint64_t busy_after = busy();
  epochs(1);
  CHECK(busy() == busy_after + 1, "another thread's use is not seen");
}

// A range waits for as many epochs as the knob of the gate's answer says.
void check_delay() {
  if constexpr (!flag::S65_IDLE_GATE) return;
  const auto purged = [] { return g_ledger_stats.purged_pages.value(); };
  hz3_knob_set("s65_ledger_overflow", 0);
  hz3_knob_set("s65_delay_epochs_busy", 65536);
  hz3_knob_set("s65_delay_epochs_idle", 65536);
  {
    Blocks blocks(5);
    blocks.make(3000, 4096, 30000);
  }
  const std::uint64_t before = purged();
  epochs(3);
  CHECK(purged() == before, "%lu pages went that should wait", purged() - before);
  hz3_knob_set("s65_delay_epochs_busy", 0);
  const std::uint64_t busy_then = g_gate_stats.busy_ticks.value();
  {
    Blocks use(6);
    use.make(20000, 100, 2000);
    epochs(1);
    CHECK(g_gate_stats.busy_ticks.value() > busy_then && purged() > before,
          "nothing went while busy");
    const std::uint64_t then = purged();
    epochs(3);
    CHECK(purged() == then, "%lu pages went while idle", purged() - then);
  }
  hz3_knob_set("s65_delay_epochs_idle", 0);
  const std::uint64_t then = purged();
  epochs(1);
  CHECK(purged() > then, "nothing went when idle");
  hz3_knob_set("s65_delay_epochs_busy", flag::S65_DELAY_EPOCHS_BUSY);
  hz3_knob_set("s65_delay_epochs_idle", flag::S65_DELAY_EPOCHS_IDLE);
  hz3_knob_set("s65_ledger_overflow", flag::S65_LEDGER_OVERFLOW);
}

// A full ledger returns at once or forgets, as the knob says, and forgets for a busy program. What
// was forgotten goes at an epoch when it is idle.
void check_overflow() {
  if constexpr (!flag::S65_RELEASE_LEDGER) return;
  Shard& shard = g_shards[kShards - 2];
  const std::uint32_t c = class_of(4096);
  auto& ledger = t_cache->boxes.ranges.ledger;
  void* const stays = take_written(shard, c, 1);  // keeps the segment
  const struct {
    std::uint64_t rule;
    bool busy, returned;
  } cases[] = {{0, false, false}, {1, false, true}, {1, true, false}};
  for (const auto& now : cases) {
    hz3_knob_set("s65_ledger_overflow", now.rule);
    while (!ledger.empty()) ledger.pop();
    while (ledger.add(range_of(nullptr, 1, 0), 0) == Added::kQueued) {
    }
    void* block = take_written(shard, c, 1);
    give_back(batch_of_one(block));
    const std::uint64_t drops = g_ledger_stats.drop.value();
    t_cache->boxes.gate.busy = now.busy;
    {
      os::LockGuard guard(shard.lock);
      release_empty_runs(shard, c, ReleaseReason::kMediumRunReclaim);
    }
    CHECK(g_ledger_stats.drop.value() == drops + 1, "a full ledger was not noticed");
    CHECK((resident_pages(block, 4096) == 0) == now.returned, "rule %lu, %s: the page is %s",
          now.rule, now.busy ? "busy" : "idle", now.returned ? "there" : "gone");
    epochs(2);
    CHECK(resident_pages(block, 4096) == 0, "rule %lu: the page was forgotten for good", now.rule);
  }
  give_back(batch_of_one(stays));
  hz3_knob_set("s65_ledger_overflow", flag::S65_LEDGER_OVERFLOW);
}

// A burst of all kinds of blocks, freed but for one in 64: pages go, few calls, nothing live with
// them. `least` of what the burst held must be gone after `n` epochs.
void check_fires(double least, int n) {
  constexpr std::uint32_t kCount = 12000;
  Blocks blocks(7);
  blocks.make(kCount, 64, 2000);         // small
  blocks.make(kCount, 2049, 4000);       // sub4k
  blocks.make(kCount / 8, 4096, 60000);  // medium
  const std::uint64_t peak = resident_heap();
  blocks.keep_one_in(64);
  g_calls = 0;
  epochs(n);
  const std::uint64_t left = resident_heap();
  CHECK(static_cast<double>(peak - left) >= least * static_cast<double>(peak),
        "%lu of %lu pages are left", left, peak);
  CHECK(g_calls > 0, "nobody asked the system");
  blocks.check_all();
}

void check_s65() {
  if constexpr (!flag::S65_RELEASE_COVERAGE) return;
  check_fires(0.4, 60);
  const auto& s = g_coverage_stats;
  CHECK(s.small_pages.value() > 0 && s.sub4k_pages.value() > 0 && s.reclaim_pages.value() > 0,
        "%lu small, %lu sub4k, %lu medium pages", s.small_pages.value(), s.sub4k_pages.value(),
        s.reclaim_pages.value());
  // Without survivors: nearly all, and with a call for many pages.
  const std::uint64_t pages = g_ledger_stats.purged_pages.value();
  const std::uint64_t calls = g_ledger_stats.madvise_calls.value();
  {
    Blocks blocks(8);
    blocks.make(40000, 64, 4000);
  }
  epochs(60);
  CHECK(g_ledger_stats.purged_pages.value() - pages > 10000, "%lu pages went",
        g_ledger_stats.purged_pages.value() - pages);
  CHECK((g_ledger_stats.madvise_calls.value() - calls) * 10 <=
            g_ledger_stats.purged_pages.value() - pages,
        "%lu calls for %lu pages", g_ledger_stats.madvise_calls.value() - calls,
        g_ledger_stats.purged_pages.value() - pages);
  CHECK(resident_heap() < 3000, "%lu pages are left", resident_heap());
}

// What a parked thread left in empty runs goes by another thread's epochs.
void check_parked_shard() {
  if constexpr (!flag::S65_RELEASE_COVERAGE) return;
  std::uint64_t before = 0;
  std::thread parked([&] {
    {
      Blocks blocks(9);
      blocks.make(20000, 64, 4000);
    }
    flush_bins(*t_cache, 1, kClasses);
    before = resident_heap();
    std::thread other([] { epochs(3 * static_cast<int>(kShards)); });
    other.join();
    CHECK(resident_heap() * 3 < before, "%lu of %lu pages are left", resident_heap(), before);
  });
  parked.join();
}

// While the system refuses an epoch asks no more often than it may; afterwards all goes.
void check_refusals() {
  if constexpr (!flag::S65_RELEASE_COVERAGE) return;
  const std::uint64_t empty = resident_heap();
  {
    Blocks blocks(13);
    blocks.make(4000, 2049, 8000);
    g_refuse = true;
  }
  epochs(2);
  const std::uint64_t before = resident_heap();
  g_calls = 0;
  epochs(40);
  CHECK(g_calls > 0 && g_calls <= 40 * (flag::S65_PURGE_MAX_CALLS + 1) && resident_heap() >= before,
        "%d calls while refused, %lu of %lu pages left", g_calls, resident_heap(), before);
  g_refuse = false;
  epochs(100);
  CHECK(resident_heap() <= empty + 300, "later %lu of %lu pages are left, %lu before it all",
        resident_heap(), before, empty);
}

// What a thread noted of other shards nobody else knows; its end returns it.
void check_end_of_thread() {
  if constexpr (!flag::S65_RELEASE_LEDGER) return;
  Shard& shard = g_shards[kShards - 2];
  const std::uint32_t c = class_of(4096);
  void* block = take_written(shard, c, 1);
  void* other = take_written(shard, c, 1);  // keeps the segment
  std::thread thread([&] {
    deallocate(allocate(1));
    give_back(batch_of_one(block));
    os::LockGuard guard(shard.lock);
    release_empty_runs(shard, c, ReleaseReason::kMediumRunReclaim);
    CHECK(t_cache->boxes.ranges.ledger.count() > 0, "the ledger is empty");
    CHECK(resident_pages(block, 4096) == 1, "the page went at once");
  });
  thread.join();
  CHECK(resident_pages(block, 4096) == 0, "the page is still there");
  give_back(batch_of_one(other));
}

void check_s57() {
  if constexpr (!flag::S57_PARTIAL_SUBRELEASE) return;
  check_fires(0.001, 60);
  CHECK(g_subrelease_stats.pages_purged.value() > 0, "no page went");
}

void check_s60() {
  if constexpr (!flag::S60_PURGE_RANGE_QUEUE) return;
  check_fires(0.001, 60);
  const auto& s = g_range_queue_stats;
  CHECK(s.queued.value() > 0 && s.madvised_pages.value() > 0, "%lu queued, %lu pages",
        s.queued.value(), s.madvised_pages.value());
}

void check_s64() {
  if constexpr (!flag::S64_PURGE_DELAY) return;
  const auto& s = g_epoch_retire_stats;
  Blocks blocks(11);
  blocks.make(4000, 64, 4000);
  blocks.keep_one_in(0);
  const std::uint64_t before = s.purged_pages.value();
  epochs(static_cast<int>(flag::S64_PURGE_DELAY_EPOCHS) - 1);
  CHECK(s.dumped_objs.value() > 0 && s.pages_retired.value() > 0 && s.enq.value() > 0,
        "%lu blocks dumped, %lu pages retired, %lu ranges queued", s.dumped_objs.value(),
        s.pages_retired.value(), s.enq.value());
  epochs(20);
  CHECK(s.purged_pages.value() > before, "no page went");
  check_fires(0.001, 60);
}

std::uint64_t resident_map() {
  const ArenaSet& set = g_arenas;
  const std::uint8_t* from = map_bytes_of(set.window.address(set.used_first));
  const std::uint8_t* to = map_bytes_of(set.window.address(set.used_end - 1)) + kPagesPerSegment;
  const auto page = ~(os::g_system_page - 1);
  const auto first = reinterpret_cast<std::uintptr_t>(from) & page;
  const auto end = (reinterpret_cast<std::uintptr_t>(to) + os::g_system_page - 1) & page;
  return resident_pages(reinterpret_cast<const void*>(first), end - first);
}

// The map's pages go with the heap they describe, those of what is live stay, and the heap works
// there again.
void check_s63() {
  if constexpr (!flag::S63_MAP_RELEASE) return;
  for (int round = 0; round < 3; ++round) {
    void* live = allocate(100);
    std::uint64_t peak = 0;
    {
      Blocks blocks(12);
      blocks.make(8000, 20000, 60000);
      peak = resident_map();
    }
    trim_all();
    CHECK(peak > 8 && resident_map() <= 2, "round %d: %lu of %lu pages of the map are left", round,
          resident_map(), peak);
    CHECK(class_of_pointer(live) == class_of(100), "a live block's class went");
    deallocate(live);
  }
  CHECK(g_map_page_stats.purged_pages.value() > 0 && g_map_page_stats.madvise_fail.value() == 0,
        "%lu pages went, %lu refused", g_map_page_stats.purged_pages.value(),
        g_map_page_stats.madvise_fail.value());
}

}  // namespace

}  // namespace hz3_test

int main() {
  using namespace hz3_test;
  hz3::deallocate(hz3::allocate(1));
  check_ring();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const std::uint32_t depth : {0u, 1u, 8u, 512u}) check_ring_covers(seed, depth);
  }
  check_stale_ranges();
  check_overflow();
  check_gate();
  check_delay();
  check_s65();
  check_parked_shard();
  check_refusals();
  check_end_of_thread();
  check_s57();
  check_s60();
  check_s63();
  check_s64();
  return verdict();
}
