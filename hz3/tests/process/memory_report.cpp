// Where the memory went, as a program and its operator see it: the page, JSON whose sums agree, and
// the report on SIGUSR2, which comes whatever the program is doing and never holds it up.
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <cinttypes>
#include <csignal>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/symbols.h"
#include "hz3/hz3.h"

namespace hz3_test {

namespace {

decltype(hz3_stats_print)* g_print = nullptr;
decltype(hz3_stats_write)* g_write = nullptr;
decltype(hz3_stats_json)* g_json = nullptr;
decltype(hz3_knob_set)* g_set = nullptr;

// A file in memory, for what is written on a descriptor.
class Sheet {
 public:
  Sheet() : fd_(memfd_create("sheet", 0)) {}
  ~Sheet() { close(fd_); }
  int fd() const { return fd_; }
  const char* text() {
    const ssize_t got = pread(fd_, text_, sizeof text_ - 1, 0);
    text_[got > 0 ? got : 0] = '\0';
    return text_;
  }

 private:
  int fd_;
  char text_[1 << 16];
};

// The number behind the first "key": of a text; UINT64_MAX if there is none.
uint64_t number(const char* text, const char* key) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  const char* at = strstr(text, quoted);
  return at != nullptr ? strtoull(at + strlen(quoted), nullptr, 10) : UINT64_MAX;
}

// The sum of a key over the objects of an array.
uint64_t sum(const char* text, const char* array, const char* key) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":[", array);
  const char* at = strstr(text, quoted);
  if (at == nullptr) return UINT64_MAX;
  const char* end = strchr(at, ']');
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  uint64_t total = 0;
  while ((at = strstr(at, quoted)) != nullptr && at < end)
    total += strtoull(at += strlen(quoted), nullptr, 10);
  return total;
}

void check_sums(const char* json) {
  uint64_t resident = 0;
  for (const char* key :
       {"live", "bins", "store", "large_cache", "free_dirty", "headers", "tables"})
    resident += number(json, key);
  CHECK(number(json, "resident") == resident, "places of %" PRIu64 " bytes, %" PRIu64 " resident",
        resident, number(json, "resident"));
  CHECK(number(json, "reserved") >= resident, "more is resident than reserved");
  CHECK(number(json, "missed") == 0, "%" PRIu64 " places were busy", number(json, "missed"));
  CHECK(sum(json, "classes", "bins") == number(json, "bins"), "bins by class and in all");
  CHECK(sum(json, "classes", "store") == number(json, "store"), "the store by class and in all");
  const uint64_t out =
      sum(json, "classes", "live") + sum(json, "classes", "bins") + sum(json, "classes", "store");
  CHECK(sum(json, "shards", "out") == out,
        "%" PRIu64 " bytes out of runs by class, %" PRIu64 " by shard", out,
        sum(json, "shards", "out"));
  CHECK(number(json, "live") >= sum(json, "classes", "live") + number(json, "large_bytes"),
        "live in all, and by class and large");
}

void check_json() {
  constexpr int kBlocks = 5000;
  static void* blocks[kBlocks];
  Sheet before, during;
  CHECK(g_json(before.fd()) == 0, "no JSON");
  check_sums(before.text());
  for (void*& block : blocks) block = malloc(1000);
  void* large = malloc(5 << 20);
  CHECK(g_json(during.fd()) == 0, "no JSON");
  check_sums(during.text());
  const uint64_t more = number(during.text(), "live") - number(before.text(), "live");
  const uint64_t asked = kBlocks * UINT64_C(1024) + (5 << 20);
  CHECK(more >= asked && more <= asked + (1 << 20),
        "%" PRIu64 " bytes more live of %" PRIu64 " allocated", more, asked);
  const char* json = during.text();
  CHECK(json[0] == '{' && strcmp(json + strlen(json) - 2, "}\n") == 0, "not one line of JSON");
  for (void* block : blocks) free(block);
  free(large);
  const int nowhere = open("/dev/full", O_WRONLY);
  CHECK(nowhere < 0 || g_json(nowhere) == -1, "JSON was written where nothing can be");
  CHECK(g_json(-1) == -1, "JSON was written nowhere");
  close(nowhere);
}

void check_page() {
  Sheet plain, shards;
  CHECK(g_write(plain.fd(), 0) == 0 && g_write(shards.fd(), HZ3_STATS_SHARDS) == 0, "no page");
  CHECK(strstr(plain.text(), "resident") != nullptr && strstr(plain.text(), "by class") != nullptr,
        "the page says %.200s", plain.text());
  CHECK(strstr(plain.text(), "by shard") == nullptr && strstr(shards.text(), "by shard") != nullptr,
        "shards are shown whether asked for or not");
  int lines = 0;
  for (const char* at = plain.text(); (at = strchr(at, '\n')) != nullptr; ++at) ++lines;
  CHECK(lines < 60, "a page of %d lines", lines);
  const ChildEnd print = run_child([] { return g_print(), 0; }, 20, true);
  const ChildEnd stats = run_child([] { return malloc_stats(), 0; }, 20, true);
  CHECK(
      strncmp(print.output, "hz3: where", 10) == 0 && strncmp(stats.output, "hz3: where", 10) == 0,
      "on stderr: %.80s and %.80s", print.output, stats.output);
}

volatile sig_atomic_t g_own = 0;
void own_handler(int) { g_own = 1; }

// Asked for by the environment, the report comes from a program that does nothing.
int idle_program() {
  void* block = malloc(3 << 20);
  raise(SIGUSR2);
  free(block);
  return 0;
}

ChildEnd run_with(const char* setting, const char* what) {
  return run_child(
      [=] {
        static char preload[4096];
        snprintf(preload, sizeof preload, "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
        char* environment[] = {preload, const_cast<char*>(setting), nullptr};
        char* arguments[] = {const_cast<char*>("memory_report"), const_cast<char*>(what), nullptr};
        execve("/proc/self/exe", arguments, environment);
        return 3;
      },
      60, true);
}

void check_signal() {
  ChildEnd end = run_with("NOTHING=1", "idle");
  CHECK(!end.exited && end.status == SIGUSR2, "not asked for, the signal ends in %s %d", end.how(),
        end.status);
  end = run_with("HZ3_REPORT_ON_SIGUSR2=1", "idle");
  CHECK(end.ok() && strncmp(end.output, "hz3: where", 10) == 0, "%s %d and %.100s", end.how(),
        end.status, end.output);
  end = run_with("HZ3_REPORT_ON_SIGUSR2=2", "idle");
  CHECK(end.ok() && strncmp(end.output, "{\"reserved\":", 12) == 0, "%s %d and %.100s", end.how(),
        end.status, end.output);
  end = run_with("HZ3_REPORT_ON_SIGUSR2=2", "storm");
  CHECK(end.ok(), "reports while threads allocate: %s %d, %.200s", end.how(), end.status,
        end.output);
}

std::atomic<bool> g_stop{false};

void* work(void* argument) {
  uint64_t seed = reinterpret_cast<uintptr_t>(argument);
  static thread_local void* blocks[256];
  while (!g_stop.load(std::memory_order_relaxed)) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    void*& block = blocks[(seed >> 33) % 256];
    free(block);
    const size_t most = (seed >> 60) == 0 ? 3 << 20 : 20000;
    block = malloc(1 + (seed >> 20) % most);
    if ((seed >> 50) % 1024 == 0) malloc_trim(0);
  }
  for (void*& block : blocks) free(block);
  return nullptr;
}

// Signals hit threads inside the allocator, with every lock held in turn, and in forked children.
int storm() {
  const int nowhere = open("/dev/null", O_WRONLY);
  const int saved = dup(STDERR_FILENO);
  dup2(nowhere, STDERR_FILENO);
  pthread_t threads[4];
  for (uintptr_t n = 0; n < 4; ++n)
    pthread_create(&threads[n], nullptr, work, reinterpret_cast<void*>(n + 1));
  for (int i = 0; i < 1500; ++i) {
    pthread_kill(threads[i % 4], SIGUSR2);
    if (i % 4 == 3) usleep(100);
    if (i % 100 != 0) continue;
    const ChildEnd end =
        run_child([] { return raise(SIGUSR2), free(malloc(99)), raise(SIGUSR2); }, 20);
    if (!end.ok()) return 5;
  }
  g_stop.store(true);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  dup2(saved, STDERR_FILENO);
  Sheet sheet;
  g_json(sheet.fd());
  check_sums(sheet.text());
  return verdict();
}

// A handler that the program has is not replaced; without one, the knob is enough.
void check_knob() {
  signal(SIGUSR2, own_handler);
  g_set("report_on_sigusr2", 1);
  raise(SIGUSR2);
  CHECK(g_own == 1, "the program's own handler was replaced");
  signal(SIGUSR2, SIG_DFL);
  const ChildEnd end =
      run_child([] { return g_set("report_on_sigusr2", 1), idle_program(); }, 20, true);
  CHECK(end.ok() && strncmp(end.output, "hz3: where", 10) == 0, "%s %d", end.how(), end.status);
  g_set("report_on_sigusr2", 0);
}

}  // namespace

}  // namespace hz3_test

int main(int argc, char** argv) {
  using namespace hz3_test;
  g_print = provided_function<decltype(hz3_stats_print)>("hz3_stats_print");
  g_write = provided_function<decltype(hz3_stats_write)>("hz3_stats_write");
  g_json = provided_function<decltype(hz3_stats_json)>("hz3_stats_json");
  g_set = provided_function<decltype(hz3_knob_set)>("hz3_knob_set");
  if (g_print == nullptr) return 0;  // another allocator has no such thing
  if (argc > 1 && strcmp(argv[1], "idle") == 0) return idle_program();
  if (argc > 1 && strcmp(argv[1], "storm") == 0) return storm();
  check_json();
  check_page();
  check_signal();
  check_knob();
  return verdict();
}
