// api_stress: random use of the whole API by many threads against a shadow of the heap.
//
//   api_stress THREADS OPS SEED MAX_SIZE [GENERATIONS] [--fail-madvise | --limit-addresses]
//
// THREADS workers (1 to 100) make OPS operations each with sizes from 1 to MAX_SIZE bytes
// (log-uniform), spread over GENERATIONS threads that follow one another, so that threads end and
// start all the time while their blocks live on. A worker's choices depend on SEED and its number
// alone; with one worker the run repeats exactly. --fail-madvise makes the kernel refuse every
// MADV_DONTNEED and process_madvise: memory that could not be given back must not be taken for
// zeroed. On a finding: one line with seed, worker, operation and address; status 1.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/mapped.h"
#include "operations.h"

namespace {

using namespace hz3_test;

constexpr size_t kTotalByteBudget = size_t{400} << 20;
constexpr uint64_t kDefaultGenerations = 8;

thread_local Worker* t_worker = nullptr;

void* run_generation(void* argument) {
  Worker& worker = *static_cast<Worker*>(argument);
  t_worker = &worker;
  for (uint64_t i = 0; i < worker.ops_per_generation; ++i) perform_operation(worker);
  return nullptr;
}

struct Job {
  Worker* worker = nullptr;
  uint64_t generations = 0;
};

// Runs the worker's generations one after the other.
void* run_worker(void* argument) {
  auto* job = static_cast<Job*>(argument);
  t_worker = job->worker;
  for (uint64_t i = 0; i < job->generations; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, run_generation, job->worker) != 0) {
      stop(*job->worker, "pthread_create failed");
    }
    pthread_join(thread, nullptr);
  }
  return nullptr;
}

void on_crash(int signal, siginfo_t* info, void*) {
  const Worker* worker = t_worker;
  if (worker == nullptr) {
    say("FAIL api_stress: seed %lu: signal %d at %p outside of the workers", g_arena.seed, signal,
        info->si_addr);
  } else {
    say("FAIL api_stress: seed %lu worker %u op %lu: signal %d at address %p", g_arena.seed,
        worker->index, worker->op, signal, info->si_addr);
  }
  _exit(1);
}

void report_crashes() {
  struct sigaction action {};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO;
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP}) {
    sigaction(signal, &action, nullptr);
  }
}

// From here on madvise(…, MADV_DONTNEED) and process_madvise return EINVAL, as for locked memory.
void refuse_madvise() {
  const auto refuse = static_cast<uint32_t>(SECCOMP_RET_ERRNO | EINVAL);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_madvise, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, refuse),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof program[0], program};
  void* page = map_pages(4096);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0 ||
      madvise(page, 4096, MADV_DONTNEED) == 0) {
    say("api_stress: cannot make madvise fail on this system");
    _exit(3);
  }
}

bool parse(const char* text, uint64_t low, uint64_t high, uint64_t& value) {
  char* end = nullptr;
  value = strtoull(text, &end, 0);
  return end != text && *end == '\0' && value >= low && value <= high;
}

// Starts the program again, without its last argument, in an address space of 8 GiB.
[[noreturn]] void start_again_limited(int argc, char** argv) {
  const rlimit limit{rlim_t{8} << 30, rlim_t{8} << 30};
  argv[argc - 1] = nullptr;
  if (setrlimit(RLIMIT_AS, &limit) == 0) execv("/proc/self/exe", argv);
  say("api_stress: cannot start under a limit of the address space");
  _exit(3);
}

}  // namespace

int main(int argc, char** argv) {
  const char* last = argc > 1 ? argv[argc - 1] : "";
  if (strcmp(last, "--limit-addresses") == 0) start_again_limited(argc, argv);
  const bool fail_madvise = strcmp(last, "--fail-madvise") == 0;
  if (fail_madvise) --argc;
  uint64_t threads = 0, ops = 0, max_size = 0, generations = kDefaultGenerations;
  if (argc < 5 || argc > 6 || !parse(argv[1], 1, 100, threads) ||
      !parse(argv[2], 1, UINT64_MAX, ops) || !parse(argv[3], 0, UINT64_MAX, g_arena.seed) ||
      !parse(argv[4], 1, size_t{1} << 30, max_size) ||
      (argc == 6 && !parse(argv[5], 1, ops, generations))) {
    say("usage: api_stress THREADS(1-100) OPS SEED MAX_SIZE(bytes) [GENERATIONS] "
        "[--fail-madvise | --limit-addresses]");
    return 2;
  }
  report_crashes();
  if (fail_madvise) refuse_madvise();

  g_arena.workers = static_cast<uint32_t>(threads);
  g_arena.worker = map_array<Worker>(threads);
  auto* jobs = map_array<Job>(threads);
  auto* handles = map_array<pthread_t>(threads);
  for (uint32_t i = 0; i < threads; ++i) {
    Worker& worker = g_arena.worker[i];
    worker.index = i;
    worker.ops_per_generation = (ops + generations - 1) / generations;
    worker.max_size = max_size;
    worker.byte_budget = kTotalByteBudget / threads;
    worker.rng = Rng(mix64(g_arena.seed + 1) + i);
    jobs[i] = {&worker, generations};
  }
  for (uint32_t i = 0; i < threads; ++i) {
    if (pthread_create(&handles[i], nullptr, run_worker, &jobs[i]) != 0) {
      stop(g_arena.worker[i], "pthread_create failed");
    }
  }
  for (uint32_t i = 0; i < threads; ++i) pthread_join(handles[i], nullptr);
  for (uint32_t i = 0; i < threads; ++i) {
    t_worker = &g_arena.worker[i];
    release_all(g_arena.worker[i]);
  }
  return 0;
}
