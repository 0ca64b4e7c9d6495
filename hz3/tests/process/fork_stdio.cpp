// fork_stdio FORKS [ALARM_S]: forks while other threads allocate and free inside the C library's
// own locks: getline under a stream's lock, fflush of all streams under that of their list, which
// fork takes too. An allocator that holds its locks while fork waits for one of those stops for
// good. Handlers of this program, before and after every fork, use the heap as well (their
// registration allocates under the lock of the list of handlers), and so do children, their
// threads, and what vfork, posix_spawn and popen start.
//
// Handlers are not registered while a fork runs: glibc 2.36 reads a list it has freed then.
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/pattern.h"
#include "../support/rng.h"

extern char** environ;

namespace {

using namespace hz3_test;

constexpr int kReaders = 3;
constexpr int kHandlers = 60;  // the C library has room for 48 without allocating

unsigned g_alarm_s = 60;
std::atomic<bool> g_stop{false};
std::atomic<int> g_fork{0};

void report_hang(int) {
  say("FAIL fork_stdio: fork %d hung", g_fork.load());
  kill(0, SIGKILL);  // a child may hang with it, or wait to be read from
}

// Runs in the forking thread, before and after every fork. Other threads free the blocks later, so
// that batches move.
std::atomic<void*> g_kept[64];
std::atomic<unsigned> g_calls{0};

void handler() {
  const unsigned call = g_calls.fetch_add(1);
  free(g_kept[call % 64].exchange(malloc(16 + call * 37 % 30000)));
}

void* read_lines(void* stream) {
  char* line = nullptr;
  size_t capacity = 0;
  while (!g_stop.load() && getline(&line, &capacity, static_cast<FILE*>(stream)) > 0) {
    free(line);
    line = nullptr;
    capacity = 0;
    usleep(100);
  }
  free(line);
  return nullptr;
}

void* flush_all(void*) {
  while (!g_stop.load()) {
    fflush(nullptr);
    usleep(200);
  }
  return nullptr;
}

void* churn(void* seed) {
  Rng rng(reinterpret_cast<uintptr_t>(seed));
  void* blocks[64] = {};
  for (int i = 0; i < 300; ++i) {
    void*& block = blocks[rng.below(64)];
    free(block);
    block = malloc(rng.log_uniform(1, rng.one_in(64) ? 3 << 20 : 20000));
    CHECK(block != nullptr, "malloc returned null");
    *static_cast<volatile char*>(block) = 1;
  }
  for (void* block : blocks) free(block);
  return nullptr;
}

// The stream of a reader: whatever it reads is made up under the stream's lock, between many blocks
// of sizes that no cache holds for long.
ssize_t make_up_lines(void* seed, char* buffer, size_t size) {
  auto& rng = *static_cast<Rng*>(seed);
  void* blocks[4];
  for (void*& block : blocks) block = malloc(rng.log_uniform(200000, 900000));
  for (void* block : blocks) free(block);
  memset(buffer, 'x', size);
  if (rng.one_in(4)) buffer[size - 1] = '\n';
  return static_cast<ssize_t>(size);
}

FILE* endless_lines(Rng& rng) {
  cookie_io_functions_t functions{};
  functions.read = make_up_lines;
  FILE* file = fopencookie(new (map_pages(sizeof(Rng))) Rng(rng.next()), "r", functions);
  if (file == nullptr) _exit(3);
  return file;
}

int be_a_child(Rng& rng, int depth, void* inherited, size_t size, const Pattern& pattern) {
  CHECK(!verify(inherited, size, pattern).found, "a block changed on its way into the child");
  free(inherited);
  churn(reinterpret_cast<void*>(rng.next()));
  if (depth == 0) return verdict();
  FILE* null = fopen("/dev/null", "w");
  CHECK(null != nullptr && fprintf(null, "%1000d", 1) == 1000, "a stream in the child");
  if (null != nullptr) fclose(null);
  pthread_t thread;
  CHECK(pthread_create(&thread, nullptr, churn, reinterpret_cast<void*>(rng.next())) == 0,
        "the child cannot start a thread");
  // With that thread at work.
  void* block = malloc(size);
  fill(block, size, pattern);
  const ChildEnd end =
      run_child([&] { return be_a_child(rng, depth - 1, block, size, pattern); }, g_alarm_s);
  CHECK(end.ok(), "the child's own child ended with %s %d", end.how(), end.status);
  pthread_join(thread, nullptr);
  malloc_trim(0);
  return verdict();
}

void start_programs() {
  char name[] = "true";
  char* arguments[] = {name, nullptr};
  pid_t child = -1;
  CHECK(posix_spawnp(&child, name, nullptr, nullptr, arguments, environ) == 0,
        "posix_spawn failed");
  CHECK(wait_for(child).ok(), "the program of posix_spawn failed");
  child = vfork();
  if (child == 0) {
    execvp(name, arguments);
    _exit(9);
  }
  CHECK(wait_for(child).ok(), "the program of vfork failed");
  FILE* answer = popen("echo answer", "r");
  char* line = nullptr;
  size_t capacity = 0;
  CHECK(answer != nullptr && getline(&line, &capacity, answer) == 7, "popen gave no answer");
  free(line);
  if (answer != nullptr) pclose(answer);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3 || atoi(argv[1]) < 1 || (argc == 3 && atoi(argv[2]) < 1)) {
    say("usage: fork_stdio FORKS [ALARM_S]");
    return 2;
  }
  if (argc == 3) g_alarm_s = static_cast<unsigned>(atoi(argv[2]));
  const int forks = atoi(argv[1]);
  setpgid(0, 0);
  signal(SIGALRM, report_hang);
  alarm(3 * g_alarm_s);
  for (int i = 0; i < kHandlers; ++i) pthread_atfork(handler, handler, handler);
  Rng rng(static_cast<uint64_t>(forks));
  pthread_t threads[kReaders + 1];
  for (int i = 0; i < kReaders; ++i) {
    CHECK(pthread_create(&threads[i], nullptr, read_lines, endless_lines(rng)) == 0, "no thread");
  }
  CHECK(pthread_create(&threads[kReaders], nullptr, flush_all, nullptr) == 0, "no thread");
  for (int i = 0; i < forks && g_failures == 0; ++i) {
    g_fork = i;
    alarm(3 * g_alarm_s);
    const Pattern pattern{static_cast<uint64_t>(i) + 1, false};
    const size_t size = rng.log_uniform(16, 100000);
    void* block = malloc(size);
    fill(block, size, pattern);
    Rng child_rng(rng.next());
    const ChildEnd end = run_child(
        [&] {
          signal(SIGALRM, SIG_DFL);
          return be_a_child(child_rng, i % 8 == 0 ? 1 : 0, block, size, pattern);
        },
        g_alarm_s);
    CHECK(end.ok(), "child %d ended with %s %d", i, end.how(), end.status);
    CHECK(!verify(block, size, pattern).found, "child %d changed a block of its parent", i);
    free(block);
    if (i % 50 == 0) start_programs();
  }
  g_stop = true;
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  return verdict();
}
