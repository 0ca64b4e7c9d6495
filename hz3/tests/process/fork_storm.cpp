// fork_storm FORKS THREADS [ALARM_S]: a process whose threads are inside malloc and free all the
// time forks again and again. Every child must be able to use its copy of the heap, whatever the
// other threads held at that moment: it frees blocks of its parent, allocates, starts a thread of
// its own, forks once more, and exits. A child that hangs is killed by its alarm and counts as a
// finding.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/pattern.h"
#include "../support/rng.h"

namespace {

using namespace hz3_test;

// Long after any child that is merely slow has ended.
unsigned g_child_alarm_s = 60;
constexpr size_t kSharedBlocks = 256;

std::atomic<bool> g_stop{false};
// Blocks travel between the threads through here, so that remote frees are under way at any fork.
std::atomic<void*>* g_exchange = nullptr;

void churn(Rng& rng, int operations) {
  for (int i = 0; i < operations; ++i) {
    const size_t size = rng.log_uniform(1, rng.one_in(64) ? 2 << 20 : 8192);
    auto* block = static_cast<unsigned char*>(malloc(size));
    CHECK(block != nullptr, "malloc(%zu) returned null", size);
    if (block == nullptr) return;
    block[0] = block[size - 1] = 1;
    free(g_exchange[rng.below(kSharedBlocks)].exchange(block));
  }
}

void* busy_thread(void* seed) {
  Rng rng(reinterpret_cast<uintptr_t>(seed));
  while (!g_stop.load(std::memory_order_relaxed)) churn(rng, 100);
  return nullptr;
}

void* thread_in_child(void* seed) {
  Rng rng(reinterpret_cast<uintptr_t>(seed));
  churn(rng, 200);
  return nullptr;
}

// What a child does with the heap it inherited; returns its exit status.
int use_heap(Rng& rng, int depth, void* inherited, size_t inherited_size, const Pattern& pattern) {
  CHECK(!verify(inherited, inherited_size, pattern).found,
        "a block of the parent changed on its way into the child");
  free(inherited);
  churn(rng, 300);
  pthread_t thread;
  const int error =
      pthread_create(&thread, nullptr, thread_in_child, reinterpret_cast<void*>(rng.next()));
  CHECK(error == 0, "the child cannot start a thread: error %d", error);
  if (error == 0) pthread_join(thread, nullptr);
  if (depth > 0) {
    Rng grandchild_rng(rng.next());
    void* block = malloc(777);
    fill(block, 777, pattern);
    const ChildEnd end = run_child(
        [&] { return use_heap(grandchild_rng, depth - 1, block, 777, pattern); }, g_child_alarm_s);
    CHECK(end.ok(), "the child's own child ended with %s %d", end.how(), end.status);
    free(block);
  }
  const int status = verdict();
  // Half of them leave through the exit handlers, destructors and all.
  if (rng.one_in(2)) exit(status);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1 ||
      (argc == 4 && atoi(argv[3]) < 1)) {
    say("usage: fork_storm FORKS THREADS [ALARM_S]");
    return 2;
  }
  if (argc == 4) g_child_alarm_s = static_cast<unsigned>(atoi(argv[3]));
  const int forks = atoi(argv[1]);
  const int threads = atoi(argv[2]);
  g_exchange = map_array<std::atomic<void*>>(kSharedBlocks);
  auto* handles = map_array<pthread_t>(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    if (pthread_create(&handles[i], nullptr, busy_thread, reinterpret_cast<void*>(i + 1l)) != 0) {
      say("FAIL fork_storm: pthread_create failed");
      return 1;
    }
  }
  Rng rng(static_cast<uint64_t>(forks));
  for (int i = 0; i < forks && g_failures == 0; ++i) {
    const Pattern pattern{static_cast<uint64_t>(i) + 1, false};
    const size_t size = rng.log_uniform(1, 100000);
    void* block = malloc(size);
    CHECK(block != nullptr, "malloc(%zu) returned null", size);
    fill(block, size, pattern);
    Rng child_rng(rng.next());
    const ChildEnd end =
        run_child([&] { return use_heap(child_rng, i % 8 == 0 ? 1 : 0, block, size, pattern); },
                  g_child_alarm_s);
    CHECK(end.ok(), "child %d of %d ended with %s %d%s", i, forks, end.how(), end.status,
          !end.exited && end.status == SIGALRM ? " (it hung)" : "");
    CHECK(!verify(block, size, pattern).found, "child %d changed a block of its parent", i);
    free(block);
    churn(rng, 20);
  }
  g_stop = true;
  for (int i = 0; i < threads; ++i) pthread_join(handles[i], nullptr);
  return verdict();
}
