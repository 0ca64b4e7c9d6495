// The heap asks policies at its points: when, and with the locks, that heap/points.hpp says. This
// program answers in place of policy/points.hpp and writes down who asked.
#include <pthread.h>
#include <sys/syscall.h>

#include "../support/check.h"
#include "../support/child.h"
#include "api/functions.hpp"
#include "api/process.hpp"

namespace {

struct Asked {
  int thread_begin, thread_end, budget_short, full, give_back, gave_back;
  int refill, growth, large_freed, overflow, run_empty, pages_free, segment_empty, segment_opened;
  int epoch, thread_exit, memory_refused, fork_child, stays_away;
};
Asked g_asked;  // one thread at a time runs here

bool g_take_all_back = false;  // answer like a box that releases runs and closes segments at once
hz3::os::Lock g_box_lock;
bool g_refuse_memory = false;
std::uint32_t g_attempts = 1;  // that a policy grants when memory was refused
bool g_relent = false;         // grant memory again once the heap has asked

bool is_held(const hz3::os::Lock& lock) {
  std::uint32_t state = 0;
  std::memcpy(&state, &lock, sizeof state);
  return state != 0;
}

bool any_lock_held() {
  for (const hz3::Shard& shard : hz3::g_shards) {
    if (is_held(shard.lock)) return true;
  }
  return is_held(hz3::g_registry.lock) || is_held(hz3::g_arenas.lock) ||
         is_held(hz3::g_large_cache.lock());
}

}  // namespace

extern "C" int mprotect(void* p, size_t bytes, int protection) noexcept {
  if (g_refuse_memory) {
    errno = ENOMEM;
    return -1;
  }
  return static_cast<int>(syscall(SYS_mprotect, p, bytes, protection));
}

std::uint32_t g_limit_when_full = UINT32_MAX;  // what a bin may hold from then on
bool g_stay_away = false;                      // whether blocks that begin a bin go home

namespace hz3 {

inline void on_thread_begin(ThreadCache& cache) {
  ++g_asked.thread_begin;
  CHECK(!any_lock_held(), "on_thread_begin with a lock held");
  cache.budget = std::uint64_t{1} << 20;
}

inline void on_thread_end(ThreadCache& cache) {
  ++g_asked.thread_end;
  CHECK(!any_lock_held(), "on_thread_end with a lock held");
  for (const Bin& bin : cache.bins)
    CHECK(count_of(bin) == 0, "a bin of an ended thread is not empty");
}

inline void on_budget_short(ThreadCache&) {
  ++g_asked.budget_short;
  CHECK(!any_lock_held(), "on_budget_short with a lock held");
}

inline std::uint32_t limit_when_full(ThreadCache& cache, std::uint32_t c, const void* block) {
  CHECK(run_of(segment_of(block), block).size_class == c, "a block of another class");
  ++g_asked.full;
  CHECK(!any_lock_held(), "limit_when_full with a lock held");
  CHECK(room_of(cache.bins[c]) == 0, "limit_when_full of a bin with room for %u",
        room_of(cache.bins[c]));
  return g_limit_when_full;
}

inline bool stays_away(ThreadCache& cache, std::uint32_t c, const void* block) {
  CHECK(run_of(segment_of(block), block).size_class == c, "a block of another class");
  ++g_asked.stays_away;
  CHECK(!any_lock_held(), "stays_away with a lock held");
  CHECK(count_of(cache.bins[c]) == 0, "stays_away of a bin with %u blocks",
        count_of(cache.bins[c]));
  return g_stay_away;
}

inline void on_give_back(ThreadCache&) {
  CHECK(g_asked.give_back == g_asked.gave_back, "on_give_back twice");
  ++g_asked.give_back;
  CHECK(!any_lock_held(), "on_give_back with a lock held");
}

inline void on_gave_back(ThreadCache& cache, std::uint32_t c, std::uint32_t blocks) {
  ++g_asked.gave_back;
  CHECK(g_asked.give_back == g_asked.gave_back, "on_gave_back alone");
  CHECK(!any_lock_held(), "on_gave_back with a lock held");
  CHECK(blocks > 0, "on_gave_back of nothing");
  CHECK(count_of(cache.bins[c]) <= g_limit_when_full, "%u blocks in a bin that may hold %u",
        count_of(cache.bins[c]), g_limit_when_full);
}

inline bool on_growth() {
  ++g_asked.growth;
  CHECK(!any_lock_held(), "on_growth with a lock held");
  return false;
}

inline void on_refill(ThreadCache& cache, std::uint32_t c) {
  ++g_asked.refill;
  CHECK(!any_lock_held(), "on_refill with a lock held");
  CHECK(count_of(cache.bins[c]) == 0, "on_refill of a bin with %u blocks", count_of(cache.bins[c]));
  if (g_take_all_back) flush_bins(cache, 1, kClasses);
}

inline void on_overflow(ThreadCache& cache, std::uint32_t c) {
  ++g_asked.overflow;
  CHECK(!any_lock_held(), "on_overflow with a lock held");
  CHECK(room_of(cache.bins[c]) == 0, "on_overflow of a bin with room for %u",
        room_of(cache.bins[c]));
  // Every other time it shrinks the bin only.
  if (g_take_all_back && g_asked.overflow % 2 == 0) flush_bins(cache, 1, kClasses);
  if (g_take_all_back) shrink_bin(cache, c, detail::kLimits.smallest[c]);
}

inline void on_large_freed(std::uint64_t bytes) {
  ++g_asked.large_freed;
  CHECK(!any_lock_held(), "on_large_freed with a lock held");
  CHECK(bytes > 0, "on_large_freed of nothing");
}

inline void on_run_empty(Shard& shard, Run& run) {
  ++g_asked.run_empty;
  CHECK(is_held(shard.lock), "on_run_empty without the shard's lock");
  CHECK(run.live == 0 && run.state == RunState::kEmpty, "on_run_empty with %u live", run.live);
  if (g_take_all_back) release_run(shard, run, reason_of_class(run.size_class));
}

inline void on_pages_free(Shard& shard, Segment& segment, std::uint32_t page, std::uint32_t pages) {
  ++g_asked.pages_free;
  CHECK(is_held(shard.lock), "on_pages_free without the shard's lock");
  CHECK(segment.free_bits.next_clear(page) >= page + pages, "on_pages_free of pages in use");
}

inline void on_segment_empty(Shard& shard, Segment& segment) {
  ++g_asked.segment_empty;
  CHECK(is_held(shard.lock), "on_segment_empty without the shard's lock");
  CHECK(is_empty(segment), "on_segment_empty with %u pages free", segment.free_pages);
  if (g_take_all_back) close_segment(shard, segment);
}

inline void on_segment_opened(Shard& shard) {
  ++g_asked.segment_opened;
  CHECK(is_held(shard.lock), "on_segment_opened without the shard's lock");
}

inline void on_epoch(ThreadCache& cache) {
  ++g_asked.epoch;
  CHECK(!any_lock_held(), "on_epoch with a lock held");
  run_epoch(cache);  // a policy may come here again; that must not run policies twice
}

inline void on_thread_exit(Shard& home) {
  ++g_asked.thread_exit;
  CHECK(!any_lock_held(), "on_thread_exit with a lock held");
  CHECK(home.threads.load() == 1, "the shard was left before its boxes ran");
  CHECK(t_cache == &kEndedCache, "the thread still has a cache");
}

inline bool on_memory_refused(std::uint32_t attempts) {
  ++g_asked.memory_refused;
  CHECK(!any_lock_held(), "on_memory_refused with a lock held");
  CHECK(attempts > 0 && attempts <= g_attempts, "attempt %u of %u", attempts, g_attempts);
  if (g_relent) g_refuse_memory = false;
  return attempts < g_attempts;
}

inline void on_fork_child() {
  ++g_asked.fork_child;
  g_box_lock.reset();
  g_store.repair_child();
  CHECK(!any_lock_held() && !is_held(g_box_lock), "a lock is held in the child");
}

inline void print_stats() {}

}  // namespace hz3

namespace hz3_test {

namespace {

using namespace hz3;

constexpr std::size_t kSize = 64;
constexpr int kMany = 20000;  // more than a bin ever holds
void* g_blocks[kMany];

void fill_blocks() {
  for (void*& block : g_blocks) {
    block = allocate(kSize);
    std::memset(block, 0x5a, kSize);
  }
}

void empty_blocks() {
  for (void*& block : g_blocks) deallocate(block);
}

void check_bins() {
  g_asked = {};
  fill_blocks();
  CHECK(g_asked.growth > 0, "the heap grew unasked");
  CHECK(g_asked.refill > 0 && g_asked.overflow == 0, "%d refills, %d overflows after allocating",
        g_asked.refill, g_asked.overflow);
  empty_blocks();
  CHECK(g_asked.overflow > 0 && g_asked.run_empty > 0, "%d overflows, %d empty runs after freeing",
        g_asked.overflow, g_asked.run_empty);
  CHECK(g_asked.segment_empty == 0, "a segment became empty although its runs were kept");
  flush_bins(*t_cache, 1, kClasses);
}

// The first block of a class that a thread had none of goes where the policy says, others stay.
void check_bins_that_begin() {
  const std::size_t sizes[] = {80, 96};
  for (const std::size_t size : sizes) {
    g_asked = {};
    g_stay_away = size == sizes[0];
    const std::uint32_t c = class_of(size);
    Batch batch = take_blocks(*t_cache->home, c, {2, 2});
    CHECK(batch.count() == 2 && t_cache->bins[c].limit == 0, "the class was in use");
    count_taken(*t_cache, c, 2);
    void* first = batch.pop();
    void* second = batch.pop();
    const Run& run = run_of(segment_of(first), first);
    deallocate(first);
    CHECK(g_asked.stays_away == 1, "asked %d times", g_asked.stays_away);
    CHECK(run.live == (g_stay_away ? 1 : 2), "%u of 2 blocks live after the first", run.live);
    deallocate(second);
    CHECK(g_asked.stays_away == 1, "asked again of a further block");
    CHECK(count_of(t_cache->bins[c]) == (g_stay_away ? 1u : 2u), "%u blocks stayed",
          count_of(t_cache->bins[c]));
  }
  g_stay_away = false;
  flush_bins(*t_cache, 1, kClasses);
}

// What a thread took and has not given back is what it holds, bins included, whatever a policy
// makes of its bins; and a bin obeys the policy.
void check_lowered_bins() {
  const std::uint32_t c = class_of(kSize);
  for (const std::uint32_t limit : {100u, 3u, 1u, 0u}) {
    g_asked = {};
    fill_blocks();
    const auto held = static_cast<std::int32_t>(kMany + count_of(t_cache->bins[c]));
    CHECK(t_cache->taken[c] == held, "%d blocks taken, %d held", t_cache->taken[c], held);
    g_limit_when_full = limit;
    empty_blocks();
    g_limit_when_full = UINT32_MAX;
    CHECK(g_asked.full > 0 && g_asked.gave_back > 0 && g_asked.overflow == 0,
          "full %d times, lowered %d times, %d overflows", g_asked.full, g_asked.gave_back,
          g_asked.overflow);
    const std::uint32_t left = count_of(t_cache->bins[c]);
    CHECK(left <= limit && t_cache->taken[c] == static_cast<std::int32_t>(left),
          "limit %u: %u blocks left, %d taken", limit, left, t_cache->taken[c]);
  }
  flush_bins(*t_cache, 1, kClasses);
  std::uint64_t outside = 0;
  for (const Shard& shard : g_shards) outside += shard.outside[c].load();
  CHECK(outside == 0, "%lu blocks outside of a heap without any", outside);
}

// Boxes may give runs and segments back at the moment they become empty.
void check_boxes_that_act_at_once() {
  trim_all();
  g_take_all_back = true;
  for (int round = 0; round < 3; ++round) {
    g_asked = {};
    fill_blocks();
    empty_blocks();
    flush_bins(*t_cache, 1, kClasses);
    g_store.drain();
    CHECK(g_asked.run_empty > 0 && g_asked.segment_empty > 0, "%d runs, %d segments became empty",
          g_asked.run_empty, g_asked.segment_empty);
    CHECK(g_asked.pages_free == g_asked.run_empty, "%d runs released, %d times pages free",
          g_asked.run_empty, g_asked.pages_free);
    for (const List<Segment>& list : t_cache->home->segments)
      CHECK(list.empty(), "a segment is left of a heap without blocks");
  }
  g_take_all_back = false;
}

// Every slow path looks at the clock: after so many visits of one kind an epoch is seen.
template <typename Visit>
void check_ticks(const char* what, Visit visit) {
  g_forced_epochs.fetch_add(1);
  g_asked = {};
  for (int i = 0; i < flag::EPOCH_SLOW_OPS; ++i) visit(i);
  CHECK(g_asked.epoch >= 1, "%ld times %s and no epoch", static_cast<long>(flag::EPOCH_SLOW_OPS),
        what);
}

void check_clock() {
  constexpr std::size_t kLarge = std::size_t{3} << 20;
  static void* large[flag::EPOCH_SLOW_OPS];
  check_ticks("malloc of a large block", [](int i) { large[i] = allocate(kLarge); });
  check_ticks("realloc of a large block",
              [](int i) { large[i] = reallocate(large[i], kLarge + (std::size_t{1} << 20)); });
  check_ticks("free of a large block", [](int i) { deallocate(large[i]); });
  CHECK(g_asked.large_freed > 0, "no policy heard of freed large blocks");
  check_ticks("calloc of a large block", [](int i) { large[i] = allocate_zeroed(1, kLarge); });
  for (void* block : large) deallocate(block);
  check_ticks("a large block on its page",
              [](int i) { large[i] = allocate_aligned(4096, kLarge); });
  for (void* block : large) deallocate(block);
  check_ticks("an aligned large block",
              [](int i) { large[i] = allocate_aligned(std::size_t{4} << 20, kLarge); });
  for (void* block : large) deallocate(block);
  check_ticks("an aligned medium block", [](int i) { large[i] = allocate_aligned(8192, 8192); });
  for (void* block : large) deallocate(block);
  // Blocks above a bin's bytes are never cached: each goes through refill and overflow.
  check_ticks("malloc of a block no bin holds", [](int i) { large[i] = allocate(1 << 20); });
  check_ticks("free of a block no bin holds", [](int i) { deallocate(large[i]); });

  g_asked = {};
  force_epoch(*t_cache);
  CHECK(g_asked.epoch == 1, "a forced epoch ran policies %d times", g_asked.epoch);
}

void check_thread_exit() {
  g_asked = {};
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        deallocate(allocate(kSize));
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  CHECK(g_asked.thread_exit == 1, "one thread ended, the heap asked %d times", g_asked.thread_exit);
  CHECK(g_asked.thread_begin == 1 && g_asked.thread_end == 1, "a thread began %d times, ended %d",
        g_asked.thread_begin, g_asked.thread_end);
  pthread_create(
      &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
  pthread_join(thread, nullptr);
  CHECK(g_asked.thread_exit == 1, "a thread that used nothing asked policies at its end");
}

void check_memory_refused() {
  constexpr std::size_t kHuge = std::size_t{1} << 30;
  g_asked = {};
  g_refuse_memory = true;
  errno = 0;
  CHECK(allocate(kHuge) == nullptr && errno == ENOMEM, "memory from nowhere, errno %d", errno);
  CHECK(g_asked.memory_refused == 1, "refused once, asked %d times", g_asked.memory_refused);
  g_attempts = 3;
  CHECK(allocate(kHuge) == nullptr && g_asked.memory_refused == 4,
        "three attempts granted, asked %d times", g_asked.memory_refused - 1);
  g_asked.memory_refused = 1;
  g_relent = true;
  void* block = allocate(kHuge);
  CHECK(block != nullptr && g_asked.memory_refused == 2, "no second attempt: %p, asked %d times",
        block, g_asked.memory_refused);
  deallocate(block);
}

void check_fork() {
  g_asked = {};
  g_box_lock.lock();  // held by a thread that the child does not have
  const ChildEnd end = run_child(
      [] {
        g_box_lock.lock();
        deallocate(allocate(kSize));
        return g_asked.fork_child == 1 ? verdict() : 2;
      },
      20);
  CHECK(end.ok(), "child: %s %d", end.how(), end.status);
  CHECK(g_asked.fork_child == 0 && is_held(g_box_lock), "fork touched the parent's lock");
  g_box_lock.unlock();
}

}  // namespace

}  // namespace hz3_test

int main() {
  hz3_test::check_bins();
  hz3_test::check_bins_that_begin();
  hz3_test::check_lowered_bins();
  hz3_test::check_boxes_that_act_at_once();
  hz3_test::check_clock();
  hz3_test::check_thread_exit();
  hz3_test::check_fork();
  hz3_test::check_memory_refused();
  return hz3_test::verdict();
}
