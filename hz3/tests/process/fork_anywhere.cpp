// fork_anywhere STRIDE [--limit-addresses]: what a forked child makes of another thread's work,
// wherever that stood.
//
// A thread runs through the slow paths one machine instruction at a time (the trap flag of x86-64).
// At every STRIDEth instruction at which it holds one of the allocator's locks, and at a few of the
// others, it makes a child. The child takes the place of the main thread, which at that moment is
// outside of the allocator: it gets that thread's cache, and the stepped thread is for it what the
// other threads of a process are for a child of fork. It must find its blocks unchanged, get more
// of all sizes, none of which overlap, give all back, and be left with lists and counts that agree.
//
// The allocator is compiled in, under its own names, as the library is compiled.
#include <sys/resource.h>
#include <sys/syscall.h>

#include <csignal>

#include "../../src/hz3.cpp"
#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/pattern.h"
#include "observe/census.hpp"

#if defined(__x86_64__)

namespace {

using namespace hz3;
using hz3_test::ChildEnd;
using hz3_test::fill;
using hz3_test::first_nonzero;
using hz3_test::map_array;
using hz3_test::Pattern;
using hz3_test::verify;

constexpr unsigned kAlarm_s = 20;
constexpr std::uint64_t kOutsideStride =
    50;  // as many more steps between children outside of locks
// What the stepped thread may have had in its hands or its cache, and the runs these pin.
constexpr std::size_t kLostAtMost = std::size_t{24} << 20;

constexpr std::size_t kEnds = 2048;

struct Block {
  void* address = nullptr;
  std::size_t size = 0;

  // Of a long block its two ends are written.
  std::size_t end() const { return size <= kEnds ? 0 : size - 64; }
  void make(std::size_t bytes, std::uint64_t id, bool zeroed = false) {
    size = bytes;
    address = zeroed ? allocate_zeroed(1, bytes) : allocate(bytes);
    CHECK(address != nullptr, "no memory for %zu bytes", bytes);
    if (address == nullptr) return;
    CHECK(!zeroed || first_nonzero(address, size) == size, "calloc of %zu bytes is not zero", size);
    fill(address, size <= kEnds ? size : kEnds, Pattern{id, false});
    if (end() != 0) fill(static_cast<char*>(address) + end(), 64, Pattern{~id, false});
  }
  bool holds(std::uint64_t id) const {
    if (end() != 0 && verify(static_cast<char*>(address) + end(), 64, Pattern{~id, false}).found)
      return false;
    return !verify(address, size <= kEnds ? size : kEnds, Pattern{id, false}).found;
  }
};

constexpr std::size_t kOwn = 400;
Block* g_own = nullptr;   // of the main thread
Block* g_gift = nullptr;  // made by the main thread, freed by the stepped one
void** g_made = nullptr;  // of the stepped thread
ThreadCache* g_main_cache = nullptr;

std::uint64_t g_stride = 1;
std::uint64_t g_steps = 0, g_children = 0, g_locked_steps = 0;

bool is_held(const os::Lock& lock) {
  return reinterpret_cast<const volatile std::uint32_t&>(lock) != 0;
}

bool any_lock_held() {
  bool any = is_held(g_registry.lock) || is_held(g_arenas.lock) || is_held(g_large_cache.lock()) ||
             is_held(g_cache_pool.lock()) || is_held(g_place_pool.lock()) ||
             is_held(g_arenas.own_pool.lock());
  for (const Shard& shard : g_shards) any = any || is_held(shard.lock);
  return any;
}

// The books of a run: as many free blocks in its list as its counts say.
void check_run(Run& run, RunState state) {
  const std::uint32_t blocks = RunBlocks::recount(segment_of(&run), run);
  CHECK(run.state == state, "a run is in the list of another state");
  CHECK(blocks + run.live == run.carved, "a run of class %u has %u live and %u free of %u blocks",
        run.size_class, run.live, blocks, run.carved);
  CHECK((run.live == 0) == (state == RunState::kEmpty) && run.has_room(), "a run is misfiled");
}

void check_shard(const Shard& shard) {
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    for (Run* r = shard.partial[c].front(); r != nullptr; r = r->next)
      check_run(*r, RunState::kPartial);
    for (Run* r = shard.empty[c].front(); r != nullptr; r = r->next)
      check_run(*r, RunState::kEmpty);
    CHECK(shard.may_offer(c) == !(shard.partial[c].empty() && shard.empty[c].empty()),
          "the offer of class %u is wrong", c);
  }
  for (int kind = 0; kind < kSegmentKinds; ++kind) {
    std::uint32_t pages = 0;
    for (Segment* s = shard.segments[kind].front(); s != nullptr; s = s->next) {
      CHECK(s->magic == kSegmentMagic && s->owner == &shard, "a segment in a wrong list");
      CHECK(s->free_bits.count() == s->free_pages, "free pages of a segment are miscounted");
      pages += s->free_pages;
    }
    CHECK(pages == shard.free_pages[kind].load(), "free pages of a shard are miscounted");
  }
}

// Blocks of every class, more of the smallest than a run holds, and large ones.
std::size_t size_of_new(std::size_t i) {
  if (i < 2 * (kClasses - 1)) return kSizeClasses[1 + i / 2].size;
  if (i < 2 * kClasses + 2) return std::size_t{1500000} + i * 20000;
  return 16 + i % 5 * 16;
}

int be_the_child() {
  constexpr std::size_t kNew = 2 * kClasses + 600;
  Block* fresh = map_array<Block>(kNew);
  t_cache = g_main_cache;
  for (std::size_t i = 0; i < kNew; ++i) fresh[i].make(size_of_new(i), 1000000 + i, i % 2 == 0);
  for (std::size_t i = 0; i < kOwn; ++i) {
    CHECK(g_own[i].holds(i), "own block %zu of %zu bytes changed", i, g_own[i].size);
    deallocate(g_own[i].address);
  }
  for (std::size_t i = 0; i < kNew; ++i) {
    CHECK(fresh[i].holds(1000000 + i), "new block %zu of %zu bytes changed", i, fresh[i].size);
    deallocate(fresh[i].address);
  }
  trim_all();
  for (const Shard& shard : g_shards) check_shard(shard);
  const Books books = take_census();
  CHECK(books.live + books.waiting <= kLostAtMost, "%lu bytes are lost",
        books.live + books.waiting);
  return hz3_test::verdict();
}

// Between two instructions of the stepped thread.
void on_step(int, siginfo_t*, void*) {
  ++g_steps;
  const bool locked = any_lock_held();
  g_locked_steps += locked;
  const bool chosen = locked ? g_locked_steps % g_stride == 0
                             : (g_steps - g_locked_steps) % (g_stride * kOutsideStride) == 0;
  if (!chosen || hz3_test::g_failures > 0) return;
  ++g_children;
  const auto child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (child == 0) {
    alarm(kAlarm_s);
    _exit(be_the_child());
  }
  CHECK(child > 0, "fork failed");
  if (child < 0) return;
  const ChildEnd end = hz3_test::wait_for(child);
  CHECK(end.ok(), "step %lu (%s): the child ended with %s %d", g_steps,
        locked ? "under a lock" : "outside", end.how(), end.status);
}

void set_trap_flag(bool on) {
  std::uint64_t flags = __builtin_ia32_readeflags_u64();
  flags = on ? flags | 0x100 : flags & ~std::uint64_t{0x100};
  __builtin_ia32_writeeflags_u64(flags);
}

template <typename Work>
[[gnu::noinline]] void step_through(Work work) {
  set_trap_flag(true);
  work();
  set_trap_flag(false);
}

void make_and_free(std::size_t count, std::size_t size) {
  for (std::size_t i = 0; i < count; ++i) g_made[i] = allocate(size);
  for (std::size_t i = 0; i < count; ++i) deallocate(g_made[i]);
}

void* be_stepped(void*) {
  step_through([] {  // attaches the thread, takes from dead shards, opens segments, overflows bins
    make_and_free(150, 48);
    make_and_free(20, 3000);
    make_and_free(12, 40000);
    make_and_free(6, 700000);
    make_and_free(3, 2000000);
    deallocate(allocate_aligned(65536, 100000));
    deallocate(reallocate(reallocate(allocate(1800000), 9000000), 2500000));
  });
  step_through([] {  // blocks of the main thread's shard go home
    for (std::size_t i = 0; i < kOwn; ++i) deallocate(g_gift[i].address);
    ThreadCache& cache = *t_cache;
    force_epoch(cache);
    force_epoch(cache);
  });
  step_through([] { trim_all(); });
  step_through([] {
    make_and_free(40, 800);
    make_and_free(4, 2000000);
    detail::end_thread(t_cache);
  });
  pthread_setspecific(g_registry.key, nullptr);
  return nullptr;
}

std::size_t own_size(std::size_t i) {
  constexpr std::size_t kSizes[] = {16, 48, 48, 200, 800, 2048, 3000, 4096, 20000, 40000};
  return i < 4 ? 2000000 : kSizes[i % 10];
}

// Leaves pages in a shard that has no thread afterwards.
void* die_early(void*) {
  make_and_free(300, 48);
  make_and_free(20, 40000);
  return nullptr;
}

void join_thread(void* (*body)(void*)) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, body, nullptr) != 0) _exit(3);
  pthread_join(thread, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const bool limited = argc == 3 && strcmp(argv[2], "--limit-addresses") == 0;
  if ((argc != 2 && !limited) || atoi(argv[1]) < 1) {
    hz3_test::say("usage: fork_anywhere STRIDE [--limit-addresses]");
    return 2;
  }
  const rlimit limit{std::size_t{8} << 30, std::size_t{8} << 30};
  if (limited && setrlimit(RLIMIT_AS, &limit) != 0) return 3;
  g_stride = static_cast<std::uint64_t>(atoi(argv[1]));
  g_own = map_array<Block>(kOwn);
  g_gift = map_array<Block>(kOwn);
  g_made = map_array<void*>(kOwn);
  // Alternately, so that every run holds blocks of both.
  for (std::size_t i = 0; i < kOwn; ++i) {
    g_own[i].make(own_size(i), i);
    g_gift[i].make(own_size(i), i);
  }
  g_main_cache = t_cache;
  join_thread(die_early);
  struct sigaction action {};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, nullptr);
  join_thread(be_stepped);
  for (std::size_t i = 0; i < kOwn; ++i)
    CHECK(g_own[i].holds(i), "the parent's block %zu changed", i);
  CHECK(g_locked_steps > 10000 && g_children * g_stride >= g_locked_steps / 2,
        "only %lu children at %lu steps, %lu of them under a lock", g_children, g_steps,
        g_locked_steps);
  if (getenv("FORK_ANYWHERE_COUNT") != nullptr)
    hz3_test::say("%lu steps, %lu under a lock, %lu children", g_steps, g_locked_steps, g_children);
  return hz3_test::verdict();
}

#else

int main() { return 77; }  // no trap flag: skipped

#endif
