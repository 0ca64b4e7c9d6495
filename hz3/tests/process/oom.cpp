// oom [LIMIT_MB] [--strict]: the program starts itself again under RLIMIT_AS and uses up all memory
// there is. Every way to allocate must end in null with ENOMEM, not in a crash; what was allocated
// before must be intact; and once it is freed, memory must be there again, for other sizes too.
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/check.h"
#include "../support/pattern.h"

namespace {

using namespace hz3_test;

constexpr const char* kLimited = "HZ3_TEST_OOM_LIMITED";

// The blocks of an exhausted heap, chained through themselves: there is no room for books.
struct Link {
  Link* next;
};

void touch(void* block, size_t size) {
  fill(block, size < 4096 ? size : 4096, Pattern{size, false}, sizeof(Link));
}

bool touched(const void* block, size_t size) {
  const Pattern pattern{size, false};
  const size_t length = size < 4096 ? size : 4096;
  for (size_t at = sizeof(uint64_t); at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, static_cast<const char*>(block) + at, sizeof word);
    if (word != pattern.word(at)) return false;
  }
  return true;
}

// Allocates until there is nothing left; returns how many blocks there were. All are freed again.
size_t exhaust(size_t size) {
  Link* all = nullptr;
  size_t count = 0;
  for (;;) {
    errno = 0;
    auto* link = static_cast<Link*>(malloc(size));
    if (link == nullptr) break;
    touch(link, size);
    link->next = all;
    all = link;
    ++count;
  }
  CHECK(errno == ENOMEM, "malloc(%zu) with no memory left set errno to %d", size, errno);
  errno = 0;
  CHECK(calloc(1, size + (64 << 20)) == nullptr && errno == ENOMEM,
        "calloc with no memory left: errno %d", errno);
  if (all != nullptr) {
    errno = 0;
    CHECK(realloc(all, size + (64 << 20)) == nullptr && errno == ENOMEM,
          "realloc with no memory left: errno %d", errno);
    CHECK(touched(all, size), "a failed realloc changed the block of %zu bytes", size);
  }
  bool threw = false;
  try {
    free(::operator new(size + (64 << 20)));
  } catch (const std::bad_alloc&) {
    threw = true;
  }
  CHECK(threw, "operator new with no memory left did not throw");
  size_t damaged = 0;
  while (all != nullptr) {
    Link* next = all->next;
    if (!touched(all, size)) ++damaged;
    free(all);
    all = next;
  }
  CHECK(damaged == 0, "%zu of %zu blocks of %zu bytes were damaged when memory ran out", damaged,
        count, size);
  return count;
}

pthread_barrier_t g_start;

void* exhaust_in_thread(void* size) {
  pthread_barrier_wait(&g_start);
  exhaust(reinterpret_cast<size_t>(size));
  return nullptr;
}

// Two threads at once, each losing races for the last page. They are started while there is room
// for their stacks.
void exhaust_in_two_threads() {
  pthread_barrier_init(&g_start, nullptr, 2);
  pthread_t threads[2];
  for (pthread_t& thread : threads) {
    if (pthread_create(&thread, nullptr, exhaust_in_thread, reinterpret_cast<void*>(1000)) != 0) {
      say("FAIL oom: a thread cannot be started under the limit");
      _exit(1);
    }
  }
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

int run_limited(size_t least) {
  constexpr size_t kSizes[] = {16, 256, 2048, 4000, 30000, 300000, 3 << 20};
  exhaust_in_two_threads();
  for (const size_t size : kSizes) {
    const size_t first = exhaust(size);
    CHECK(first * size >= least, "only %zu blocks of %zu bytes fit under the limit, want %zu bytes",
          first, size, least);
    const size_t second = exhaust(size);
    CHECK(second * 4 >= first * 3, "%zu blocks of %zu bytes fit, after freeing them only %zu",
          first, size, second);
    // Memory of one size must come back for every other.
    for (const size_t other : kSizes) {
      void* block = malloc(other);
      CHECK(block != nullptr, "after freeing all blocks of %zu bytes malloc(%zu) fails", size,
            other);
      free(block);
    }
  }
  return verdict();
}

}  // namespace

int main(int argc, char** argv) {
  const bool strict = argc > 1 && strcmp(argv[argc - 1], "--strict") == 0;
  const int numbers = argc - 1 - (strict ? 1 : 0);
  const long limit_mb = numbers == 1 ? atol(argv[1]) : 150;
  if (numbers > 1 || limit_mb < 32) {
    say("usage: oom [LIMIT_MB] [--strict]");
    return 2;
  }
  // Of a limit of 150 MB program and stacks take about 25; glibc uses half of each of its blocks of
  // 16 bytes, and one arena of two.
  if (getenv(kLimited) != nullptr)
    return run_limited(static_cast<size_t>(limit_mb) * (strict ? 70 : 20) / 100 << 20);
  const auto bytes = static_cast<rlim_t>(limit_mb) << 20;
  const rlimit limit{bytes, bytes};
  setenv(kLimited, "1", 1);
  if (setrlimit(RLIMIT_AS, &limit) != 0) return 3;
  execv("/proc/self/exe", argv);
  say("FAIL oom: the program does not start under RLIMIT_AS of %ld MB: %s", limit_mb,
      strerror(errno));
  return 1;
}
