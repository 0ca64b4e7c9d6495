// thread_exit_storm WAVES THREADS [--strict]: waves of short-lived threads. Each allocates, frees
// blocks of threads that are already gone, leaves blocks behind for later ones, and ends; some are
// detached, some end at the same instant, some never free anything of their own. What a thread
// leaves behind must be found again: after the first waves the process may not grow any further.
#include <malloc.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "../support/check.h"
#include "../support/mapped.h"
#include "../support/pattern.h"
#include "../support/resources.h"
#include "../support/rng.h"

namespace {

using namespace hz3_test;

constexpr size_t kLegacySlots = 2048;
// By how much what stays beside the live blocks may grow for each further thread. Strict: by less
// than a thread's cache, the smallest thing there is to lose; glibc's arenas take more.
constexpr long kAllowedGrowth_bytes = 6144;
constexpr long kAllowedGrowth_bytes_strict = 1536;

struct Legacy {
  void* block = nullptr;
  size_t size = 0;
  uint64_t id = 0;
};

pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
Legacy* g_legacy = nullptr;
pthread_barrier_t g_barrier;
std::atomic<uint64_t> g_next_id{1};
std::atomic<int> g_running{0};

// Puts a new block in the place of an old one and returns the old one.
Legacy exchange(Rng& rng, const Legacy& given) {
  pthread_mutex_lock(&g_lock);
  Legacy& slot = g_legacy[rng.below(kLegacySlots)];
  const Legacy old = slot;
  slot = given;
  pthread_mutex_unlock(&g_lock);
  return old;
}

void bequeath(Rng& rng, int count) {
  for (int i = 0; i < count; ++i) {
    Legacy mine;
    mine.size = rng.log_uniform(1, rng.one_in(100) ? 300000 : 6000);
    mine.id = g_next_id.fetch_add(1);
    mine.block = malloc(mine.size);
    CHECK(mine.block != nullptr, "malloc(%zu) returned null", mine.size);
    if (mine.block == nullptr) return;
    fill(mine.block, mine.size, Pattern{mine.id, false});
    const Legacy old = exchange(rng, mine);
    if (old.block == nullptr) continue;
    const Mismatch wrong = verify(old.block, old.size, Pattern{old.id, false});
    CHECK(!wrong.found, "block %p of %zu bytes of an earlier thread changed at offset %zu",
          old.block, old.size, wrong.offset);
    free(old.block);
  }
}

// Until every other thread is gone, its exit hooks too: the kernel has a directory for each.
void wait_to_be_alone() {
  struct stat tasks {};
  while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3) usleep(1000);
}

// What the process holds beside the blocks that are alive, when all that can go back went back.
long overhead_kb() {
  wait_to_be_alone();
  size_t live = 0;
  for (size_t i = 0; i < kLegacySlots; ++i) {
    if (g_legacy[i].block != nullptr) live += malloc_usable_size(g_legacy[i].block);
  }
  malloc_trim(0);
  return resident_kb() - static_cast<long>(live >> 10);
}

void* short_life(void* argument) {
  const auto number = reinterpret_cast<uintptr_t>(argument);
  Rng rng(number);
  switch (number % 4) {
    case 0:  // ends having only freed
      free(exchange(rng, Legacy{}).block);
      break;
    case 1:  // ends together with the others of its kind
      bequeath(rng, 40);
      pthread_barrier_wait(&g_barrier);
      break;
    case 2:  // leaves by pthread_exit
      bequeath(rng, 100);
      g_running.fetch_sub(1);
      pthread_exit(nullptr);
    default:
      bequeath(rng, 10);
      break;
  }
  g_running.fetch_sub(1);
  return nullptr;
}

// The last thread to go; the main thread is gone before it.
void* outlive_main(void*) {
  while (g_running.load() > 0) usleep(1000);
  Rng rng(99);
  bequeath(rng, 1000);
  for (size_t i = 0; i < kLegacySlots; ++i) free(g_legacy[i].block);
  exit(verdict());
}

}  // namespace

int main(int argc, char** argv) {
  const bool strict = argc == 4 && strcmp(argv[3], "--strict") == 0;
  if ((argc != 3 && !strict) || atoi(argv[1]) < 2 || atoi(argv[2]) < 4 || atoi(argv[2]) % 4 != 0) {
    say("usage: thread_exit_storm WAVES(>=2) THREADS(multiple of 4) [--strict]");
    return 2;
  }
  const int waves = atoi(argv[1]);
  const int threads = atoi(argv[2]);
  g_legacy = map_array<Legacy>(kLegacySlots);
  pthread_barrier_init(&g_barrier, nullptr, static_cast<unsigned>(threads / 4));
  auto* handles = map_array<pthread_t>(static_cast<size_t>(threads));
  long settled_kb = 0, end_kb = 0;
  for (int wave = 0; wave < waves; ++wave) {
    for (int i = 0; i < threads; ++i) {
      g_running.fetch_add(1);
      const auto number = static_cast<uintptr_t>(wave) * static_cast<uintptr_t>(threads) +
                          static_cast<uintptr_t>(i);
      if (pthread_create(&handles[i], nullptr, short_life, reinterpret_cast<void*>(number)) != 0) {
        say("FAIL thread_exit_storm: pthread_create failed in wave %d", wave);
        return 1;
      }
      if (i % 4 == 3) pthread_detach(handles[i]);
    }
    for (int i = 0; i < threads; ++i) {
      if (i % 4 != 3) pthread_join(handles[i], nullptr);
    }
    // Which blocks happen to live moves the figure by some hundred KiB: the most that three waves
    // show at half time, and the least that three show at the end.
    const bool at_half = wave < waves / 2 && wave >= waves / 2 - 3;
    const bool at_end = wave >= waves - 3 && wave >= waves / 2;
    if (!at_half && !at_end) continue;
    const long now_kb = overhead_kb();
    if (at_half && now_kb > settled_kb) settled_kb = now_kb;
    if (at_end && (end_kb == 0 || now_kb < end_kb)) end_kb = now_kb;
  }
  const long further = (waves - waves / 2) * threads;
  const long allowed = strict ? kAllowedGrowth_bytes_strict : kAllowedGrowth_bytes;
  CHECK(end_kb < settled_kb + (further * allowed >> 10),
        "resident memory grew from %ld to %ld KiB over %ld further threads", settled_kb, end_kb,
        further);
  pthread_t last;
  if (pthread_create(&last, nullptr, outlive_main, nullptr) != 0) return 1;
  pthread_detach(last);
  pthread_exit(nullptr);
}
