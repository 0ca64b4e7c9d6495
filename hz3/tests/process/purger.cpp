// purger: the thread that returns what lies free while the program's own threads sleep.
//   - it is there only while the knob asks for it, and takes no signal
//   - it returns free pages and cached large blocks of a program that does nothing
//   - it is never woken when there is nothing to do
//   - a forked child has none until it asks, and both sides work on
//   - blocks keep their contents while it purges as often as it can
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/resources.h"
#include "../support/rng.h"
#include "../support/symbols.h"

namespace {

using namespace hz3_test;

constexpr size_t kMiB = size_t{1} << 20;

void sleep_ms(long ms) {
  const timespec time{ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&time, nullptr);
}

// Waits for what another thread will do soon; false after ten seconds.
template <typename Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    sleep_ms(10);
  }
  return condition();
}

void set_period(uint64_t ms) {
  static const auto set = provided_function<int(const char*, uint64_t)>("hz3_knob_set");
  if (set == nullptr) {
    CHECK(false, "the allocator has no knobs");
    _exit(verdict());
  }
  CHECK(set("purger_ms", ms) == 0, "purger_ms cannot be set to %lu",
        static_cast<unsigned long>(ms));
}

// The id of the thread of that name, 0 if there is none.
int find_thread(const char* name) {
  DIR* threads = opendir("/proc/self/task");
  int found = 0;
  for (const dirent* entry; found == 0 && (entry = readdir(threads)) != nullptr;) {
    char path[320], text[64] = {};
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
    const int fd = open(path, O_RDONLY);
    if (fd < 0) continue;
    const ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got > 0 && strncmp(text, name, strlen(name)) == 0) found = atoi(entry->d_name);
  }
  closedir(threads);
  return found;
}

int purger() { return find_thread("hz3-purger"); }

// A number behind `key` in the thread's status file, in the base given.
uint64_t status_of(int tid, const char* key, int base) {
  char path[64], text[4096] = {};
  snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
  const int fd = open(path, O_RDONLY);
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  const char* found = got > 0 ? strstr(text, key) : nullptr;
  return found != nullptr ? strtoull(found + strlen(key), nullptr, base) : 0;
}

void it_is_there_while_asked_for() {
  free(malloc(100));
  CHECK(purger() == 0, "a purger runs and nobody asked for one");
  set_period(20);
  CHECK(comes_true([] { return purger() != 0; }), "the knob started no purger");
  const uint64_t blocked = status_of(purger(), "SigBlk:", 16);
  for (const int signal : {SIGTERM, SIGUSR1, SIGALRM, SIGCHLD, SIGPROF})
    CHECK((blocked >> (signal - 1) & 1) != 0, "the purger takes signal %d", signal);
  set_period(0);
  CHECK(comes_true([] { return purger() == 0; }), "the purger outlives its knob");
  for (int i = 0; i < 200; ++i) set_period(i % 2 != 0 ? 1 : 0);
  set_period(20);
  CHECK(comes_true([] { return purger() != 0; }), "no purger after the knob went up and down");
}

// Less than half is freed, in one stretch, so no collapse is seen.
void free_pages_of_a_sleeping_program_go() {
  constexpr size_t kBlocks = 50000, kSize = 1000;
  static char* blocks[kBlocks];
  set_period(0);
  CHECK(comes_true([] { return purger() == 0; }), "the purger outlives its knob");
  for (char*& block : blocks) {
    block = static_cast<char*>(malloc(kSize));
    memset(block, 7, kSize);
  }
  const long full = resident_kb();
  for (size_t i = 0; i < kBlocks * 2 / 5; ++i) free(blocks[i]);
  sleep_ms(200);
  const long kept = resident_kb();
  CHECK(full - kept < 8 * 1024, "without the purger %ld KiB went already: this shows nothing",
        full - kept);
  set_period(10);
  CHECK(comes_true([&] { return full - resident_kb() > 14 * 1024; }),
        "only %ld KiB of 20 MiB went back", full - resident_kb());
  for (size_t i = kBlocks * 2 / 5; i < kBlocks; ++i) {
    CHECK(blocks[i][0] == 7 && blocks[i][kSize - 1] == 7, "live block %zu was changed", i);
    free(blocks[i]);
  }
}

void large_blocks_of_a_sleeping_program_go() {
  set_period(10);
  const long before = resident_kb();
  void* blocks[8];
  for (void*& block : blocks) {
    block = malloc(4 * kMiB);
    memset(block, 7, 4 * kMiB);
  }
  for (void* block : blocks) free(block);
  CHECK(comes_true([=] { return resident_kb() - before < 1024; }),
        "%ld KiB of freed large blocks stay", resident_kb() - before);
}

void an_idle_program_is_not_woken() {
  set_period(5);
  const int tid = purger();
  uint64_t last = 0;
  const bool slept = comes_true([&] {
    const uint64_t switches = status_of(tid, "\nvoluntary_ctxt_switches:", 10);
    const bool same = switches == last && switches != 0;
    last = switches;
    if (!same) sleep_ms(90);
    return same;
  });
  CHECK(slept, "the purger goes on waking up with nothing to do (%lu times)",
        static_cast<unsigned long>(last));
}

void a_child_has_none_until_it_asks() {
  set_period(1);
  for (int round = 0; round < 50; ++round) {
    void* busy[64];
    for (void*& block : busy) block = malloc(20000);
    for (void* block : busy) free(block);
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      for (int i = 0; i < 1000; ++i) free(malloc(static_cast<size_t>(i) * 37));
      if (find_thread("hz3-purger") != 0) _exit(2);
      if (round % 10 == 0) {
        set_period(1);
        if (!comes_true([] { return purger() != 0; })) _exit(3);
        void* large = malloc(8 * kMiB);
        free(large);
      }
      _exit(verdict());
    }
    const ChildEnd end = wait_for(child);
    CHECK(end.ok(), "round %d: the child ended with %s %d", round, end.how(), end.status);
  }
}

std::atomic<bool> g_stop{false};

void* use_memory(void* seed) {
  Rng rng(reinterpret_cast<uintptr_t>(seed));
  constexpr int kSlots = 600;
  struct Held {
    unsigned char* at;
    size_t size;
  } held[kSlots] = {};
  while (!g_stop.load(std::memory_order_relaxed)) {
    Held& slot = held[rng.below(kSlots)];
    if (slot.at != nullptr) {
      const auto mark = static_cast<unsigned char>(reinterpret_cast<uintptr_t>(slot.at) >> 5);
      for (size_t i = 0; i < slot.size; i += slot.size / 8 + 1)
        CHECK(slot.at[i] == mark, "a live block of %zu bytes was changed", slot.size);
      free(slot.at);
    }
    slot.size = rng.below(20) == 0 ? rng.below(3 << 20) + 1 : rng.below(30000) + 1;
    slot.at = static_cast<unsigned char*>(malloc(slot.size));
    memset(slot.at, static_cast<int>(reinterpret_cast<uintptr_t>(slot.at) >> 5) & 255, slot.size);
    if (rng.below(2000) == 0) sleep_ms(5);  // a shard at rest, so that it is purged
  }
  for (const Held& slot : held) free(slot.at);
  return nullptr;
}

void contents_stay() {
  set_period(1);
  pthread_t threads[4];
  for (size_t i = 0; i < 4; ++i)
    pthread_create(&threads[i], nullptr, use_memory, reinterpret_cast<void*>(i + 1));
  for (int i = 0; i < 30; ++i) {
    sleep_ms(50);
    if (i % 10 == 9) set_period(static_cast<uint64_t>(i % 3));
  }
  g_stop = true;
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

}  // namespace

int main() {
  it_is_there_while_asked_for();
  free_pages_of_a_sleeping_program_go();
  large_blocks_of_a_sleeping_program_go();
  an_idle_program_is_not_woken();
  a_child_has_none_until_it_asks();
  contents_stay();
  return verdict();
}
