// The joints below the thread cache, tested from the inside: batches and bins, the store in
// whatever form this variant has it, and the purge. Linked with the allocator under its own names;
// the program's malloc is the system's, and madvise is the test's.
#define HZ3_NO_OVERRIDE
#include <sys/syscall.h>

#include "../support/check.h"
#include "hz3.cpp"

namespace {

int g_calls = 0;        // madvise calls that give memory back
bool g_refuse = false;  // whether they fail

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

[[maybe_unused]] void give_places(ListBin&, void**) {}
[[maybe_unused]] void give_places(ArrayBin& bin, void** places) { bin.blocks = places; }

void check_batch_and_bin() {
  alignas(16) static char blocks[8][16];
  Batch batch;
  CHECK(batch.empty() && batch.count() == 0, "a new batch holds %u blocks", batch.count());
  for (char* block : blocks) batch.push(block);
  CHECK(batch.count() == 8, "8 blocks pushed, the batch holds %u", batch.count());
  CHECK(batch.pop() == blocks[7], "a batch gives back the last block first");

  Bin bin{};
  void* places[10] = {};
  give_places(bin, places);
  set_limit(bin, 10);
  fill(bin, batch);
  CHECK(count_of(bin) == 7 && room_of(bin) == 3, "a bin filled with 7 blocks holds %u, takes %u",
        count_of(bin), room_of(bin));
  push(bin, blocks[7]);
  CHECK(pop(bin) == blocks[7] && count_of(bin) == 7, "push and pop do not undo each other");
  Batch top = pop_batch(bin, 3);
  CHECK(top.count() == 3 && count_of(bin) == 4, "3 of 7 taken: %u taken, %u left", top.count(),
        count_of(bin));
  for (int i = 6; i >= 4; --i) CHECK(top.pop() == blocks[i], "block %d is not where it was", i);
  CHECK(top.empty(), "a batch of 3 is not empty after 3 blocks");
  for (int i = 3; i >= 0; --i) CHECK(pop(bin) == blocks[i], "block %d is not where it was", i);
  CHECK(pop(bin) == nullptr && room_of(bin) == 10, "an empty bin gives a block");
  CHECK(pop_batch(bin, 0).empty(), "nothing taken is something");
}

std::uint32_t live_at(const void* block) { return run_of(segment_of(block), block).live; }

// Whatever the form: blocks come out once, not more than can be taken, and go home when drained.
void check_store() {
  Shard& home = g_shards[1];
  const std::uint32_t c = class_of(64);
  void* seen[64];
  std::uint32_t taken = 0;
  while (taken < 40) {
    Batch batch = g_store.take(home, c, {8, 12});
    CHECK(!batch.empty() && batch.count() <= 12, "asked for at most 12, got %u", batch.count());
    if (batch.empty()) return;
    while (!batch.empty()) {
      void* block = batch.pop();
      std::memset(block, 0xa5, 64);
      for (std::uint32_t i = 0; i < taken; ++i) CHECK(seen[i] != block, "%p came twice", block);
      seen[taken++] = block;
    }
  }
  Batch back;
  for (std::uint32_t i = 0; i < taken; ++i) back.push(seen[i]);
  g_store.put(home, c, back);
  if constexpr (flag::S42_SMALL_XFER) {
    CHECK(g_store.bytes() == taken * 64, "%u blocks put, the store holds %lu bytes", taken,
          g_store.bytes());
    CHECK(live_at(seen[0]) > 0, "blocks in the store are not live for their run");
  } else {
    CHECK(g_store.bytes() == 0 && live_at(seen[0]) == 0, "the blocks did not reach their run");
  }
  // More lies there than the taker has room for.
  Batch one = g_store.take(home, c, {1, 1});
  CHECK(one.count() == 1, "asked for one, got %u", one.count());
  g_store.put(home, c, one);
  g_store.drain();
  CHECK(g_store.bytes() == 0, "a drained store holds %lu bytes", g_store.bytes());
  for (std::uint32_t i = 0; i < taken; ++i)
    CHECK(live_at(seen[i]) == 0, "after a drain block %u is live for its run", i);
}

// Leaves a segment with `runs` runs of four pages, every second of them free, and returns it.
Segment& checkered_segment(Shard& shard, std::uint32_t runs, Batch& kept) {
  const std::uint32_t c = class_of(2048);
  Batch freed;
  Segment* segment = nullptr;
  for (std::uint32_t i = 0; i < runs; ++i) {
    for (std::uint32_t left = kSizeClasses[c].objects; left > 0;) {
      Batch some = take_blocks(shard, c, {left, left});
      left -= some.count();
      while (!some.empty()) {
        void* block = some.pop();
        segment = &segment_of(block);
        (i % 2 == 0 ? freed : kept).push(block);
      }
    }
  }
  give_back(freed);
  os::LockGuard guard(shard.lock);
  release_empty_runs(shard, c, ReleaseReason::kSmallPageRetire);
  return *segment;
}

std::uint32_t purgeable(const Segment& segment) {
  return (segment.free_bits & segment.dirty_bits).count();
}

// One call a range: the form without S304, and with it where the system cannot do more.
void check_purge() {
  os::g_purges_many = false;
  Shard& shard = g_shards[2];
  Batch kept;
  Segment& segment = checkered_segment(shard, 8, kept);
  // A run's own pages, and what S308 faulted in ahead of need behind the last run.
  const std::uint32_t all = purgeable(segment);
  CHECK(all >= 4 * 4, "4 free runs of 4 pages, %u pages to purge", all);
  os::LockGuard guard(shard.lock);

  PurgeBudget none{.calls = 0};
  CHECK(purge_segment(shard, segment, none).calls == 0 && purgeable(segment) == all,
        "a purge without calls changed something");
  PurgeBudget one{.calls = 1};
  const PurgeCount first = purge_segment(shard, segment, one);
  CHECK(first.calls == 1 && first.pages == 4 && one.spent(), "one call: %u calls, %u pages",
        first.calls, first.pages);
  PurgeBudget three{.pages = 3};
  const PurgeCount part = purge_segment(shard, segment, three);
  CHECK(part.pages == 3 && part.calls == 1 && three.spent(), "three pages: %u in %u calls",
        part.pages, part.calls);
  CHECK(purgeable(segment) == all - 7, "7 of %u pages went, %u left", all, purgeable(segment));

  g_refuse = true;
  PurgeBudget refused_budget;
  const PurgeCount refused = purge_segment(shard, segment, refused_budget);
  g_refuse = false;
  CHECK(refused.refused == refused.calls && refused.calls > 0 && !refused.any(),
        "all refused: %u of %u calls, %u pages", refused.refused, refused.calls, refused.pages);
  CHECK(purgeable(segment) == all - 7, "a refusal was forgotten: %u pages left of %u",
        purgeable(segment), all - 7);

  g_calls = 0;
  PurgeBudget rest_budget;
  const PurgeCount rest = purge_segment(shard, segment, rest_budget);
  CHECK(rest.pages == all - 7 && purgeable(segment) == 0, "the next purge returned %u of %u pages",
        rest.pages, all - 7);
  CHECK(g_calls == static_cast<int>(rest.calls) && rest.calls <= 4,
        "%d calls for 3 ranges and the tail, %u counted", g_calls, rest.calls);
}

// With S304 one call takes all ranges, but no more pages than the budget has; where the system
// cannot, it says so once and each range has a call of its own.
void check_purge_together() {
  if constexpr (!flag::S304_BATCHED_PURGE) return;
  os::g_purges_many = true;
  Shard& shard = g_shards[5];
  Batch kept;
  Segment& segment = checkered_segment(shard, 8, kept);
  const std::uint32_t all = purgeable(segment);
  os::LockGuard guard(shard.lock);
  g_calls = 0;
  PurgeBudget six{.pages = 6};
  const PurgeCount part = purge_segment(shard, segment, six);
  const bool together = os::g_purges_many;
  CHECK(part.pages == 6 && six.spent() && purgeable(segment) == all - 6, "6 pages: %u went",
        part.pages);
  CHECK(part.calls == (together ? 1u : 2u) && g_calls == (together ? 0 : 2),
        "6 pages in 2 ranges: %u calls counted, %d by madvise", part.calls, g_calls);
  PurgeBudget budget;
  const PurgeCount rest = purge_segment(shard, segment, budget);
  CHECK(rest.pages == all - 6 && purgeable(segment) == 0 && rest.refused == 0,
        "%u of %u pages went", rest.pages, all - 6);
  CHECK(!together || rest.calls == 1, "%u calls for the rest", rest.calls);
}

void check_purge_of_a_free_segment() {
  Shard& shard = g_shards[3];
  Batch kept;
  Segment& segment = checkered_segment(shard, 4, kept);
  give_back(kept);
  os::LockGuard guard(shard.lock);
  release_empty_runs(shard, class_of(2048), ReleaseReason::kSmallPageRetire);
  CHECK(is_empty(segment), "%u pages free of %u", segment.free_pages, kUsablePages);
  const std::uint32_t dirty = segment.dirty_bits.count();
  PurgeBudget small{.pages = kUsablePages - 1};
  CHECK(purge_segment(shard, segment, small).calls == 0, "a segment went back in part");
  PurgeBudget budget;
  const PurgeCount count = purge_segment(shard, segment, budget);
  CHECK(count.segments == 1 && count.calls == 1 && count.pages == dirty,
        "%u segments, %u calls, %u pages of %u", count.segments, count.calls, count.pages, dirty);
  CHECK(shard.segments[0].empty(), "the shard still lists the segment");
}

// A segment whose memory the system keeps is free for other uses, and its memory is asked for
// again.
void check_refused_slots() {
  Shard& shard = g_shards[4];
  Batch kept;
  Segment& segment = checkered_segment(shard, 4, kept);
  char* const tail = page_address(segment, kPagesPerSegment - 1);
  *tail = 1;
  give_back(kept);
  PurgeBudget budget;
  {
    os::LockGuard guard(shard.lock);
    release_empty_runs(shard, class_of(2048), ReleaseReason::kSmallPageRetire);
    g_refuse = true;
    const PurgeCount count = purge_segment(shard, segment, budget);
    CHECK(count.refused == 1 && !count.any(), "%u refused, %u segments", count.refused,
          count.segments);
  }
  const PurgeCount still = purge_refused_slots(budget);
  CHECK(still.refused == 1 && still.calls == 1, "while refused: %u of %u calls", still.refused,
        still.calls);
  g_refuse = false;
  CHECK(*tail == 1, "memory went although the system refused");
  const PurgeCount later = purge_refused_slots(budget);
  CHECK(later.any() && later.refused == 0, "%u pages went later, %u refused", later.pages,
        later.refused);
  CHECK(*tail == 0, "the memory of a free slot is still there");
  CHECK(purge_refused_slots(budget).calls == 0, "there is no refusal left, and yet a call");
}

}  // namespace

}  // namespace hz3_test

int main() {
  // No shard is without threads, so none is adopted from.
  for (hz3::Shard& shard : hz3::g_shards) shard.threads.store(1);
  hz3_test::check_batch_and_bin();
  hz3_test::check_store();
  hz3_test::check_purge();
  hz3_test::check_purge_together();
  hz3_test::check_purge_of_a_free_segment();
  hz3_test::check_refused_slots();
  return hz3_test::verdict();
}
