// giving_back: when the allocator asks the system to take memory back, and what it makes of the
// answer. The program defines madvise, which the allocator then calls, and so sees every request.
// An allocator that calls libc's own past it (libc itself) passes.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/real_syscall.h"
#include "../support/resources.h"

namespace {

using namespace hz3_test;

std::atomic<bool> g_refuse{false};        // as for locked memory
std::atomic<int> g_requests{0};           // that gave memory back, or would have
std::atomic<bool> g_meet_at_next{false};  // the next one waits for the other thread, see below
sem_t g_in_request;
sem_t g_other_done;

}  // namespace

extern "C" int madvise(void* p, size_t bytes, int advice) noexcept {
  if (advice == MADV_DONTNEED) {
    g_requests.fetch_add(1);
    if (bytes >= (1 << 20) && g_meet_at_next.exchange(false)) {
      sem_post(&g_in_request);
      while (sem_wait(&g_other_done) != 0) {
      }
    }
    if (g_refuse.load()) {
      errno = EINVAL;
      return -1;
    }
  }
  return static_cast<int>(hz3_test::real_syscall()(SYS_madvise, p, bytes, advice));
}

// Requests for many ranges go past libc.
extern "C" long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == hz3_test::kProcessMadvise) {
    g_requests.fetch_add(1);
    if (g_refuse.load()) {
      errno = EINVAL;
      return -1;
    }
  }
  return hz3_test::real_syscall()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

namespace {

constexpr size_t kSizes[] = {48, 1000, 3000, 20000, 300000, 1 << 20, 3 << 20};

// Blocks of all sizes, about 8 MiB of each, written and freed but for every tenth small one.
void use_memory(void** kept, size_t most) {
  size_t n = 0;
  for (const size_t size : kSizes) {
    const size_t count = (size_t{8} << 20) / size;
    auto** blocks = map_array<void*>(count);
    for (size_t i = 0; i < count; ++i) {
      blocks[i] = malloc(size);
      memset(blocks[i], 1, size);
    }
    for (size_t i = 0; i < count; ++i) {
      if (i % 1000 == 999 && n < most)
        kept[n++] = blocks[i];
      else
        free(blocks[i]);
    }
    munmap(blocks, count * sizeof(void*));
  }
}

// malloc_trim answers 1 exactly if memory went back; what was refused once goes back later.
int check_trim_answer() {
  void* kept[256] = {};
  malloc_trim(0);
  g_refuse = true;
  use_memory(kept, 256);
  CHECK(malloc_trim(0) == 0, "malloc_trim says that memory went back that the system refused");
  const long refused_kb = resident_kb();
  CHECK(malloc_trim(0) == 0, "a second malloc_trim says so");
  g_refuse = false;
  CHECK(malloc_trim(0) == 1, "malloc_trim does not say that memory went back");
  const long left_kb = resident_kb();
  CHECK(left_kb + (8 << 10) < refused_kb,
        "malloc_trim after a refusal left %ld of %ld KiB resident", left_kb, refused_kb);
  CHECK(malloc_trim(0) == 0, "with nothing to give back malloc_trim says that memory went back");
  // Memory that was refused is not zero, whoever gets it.
  for (const size_t size : kSizes) {
    auto* block = static_cast<unsigned char*>(calloc(1, size));
    CHECK(block[0] == 0 && memcmp(block, block + 1, size - 1) == 0, "calloc(%zu) is not zero",
          size);
    free(block);
  }
  for (void* block : kept) free(block);
  return verdict();
}

void* use_large_meanwhile(void*) {
  while (sem_wait(&g_in_request) != 0) {
  }
  for (size_t size = 2 << 20; size < (size_t{40} << 20); size *= 2) {
    void* block = malloc(size);
    memset(block, 1, 4096);
    free(block);
  }
  sem_post(&g_other_done);
  return nullptr;
}

// Giving memory back takes milliseconds; other threads' large blocks may not wait for it.
int check_not_under_lock() {
  sem_init(&g_in_request, 0, 0);
  sem_init(&g_other_done, 0, 0);
  pthread_t other;
  if (pthread_create(&other, nullptr, use_large_meanwhile, nullptr) != 0) return 3;
  constexpr size_t kCount = 100;
  void* blocks[kCount];
  for (void*& block : blocks) {
    block = malloc(3 << 20);
    memset(block, 1, 4096);
  }
  g_meet_at_next = true;
  for (void* block : blocks) free(block);  // more than is kept
  pthread_join(other, nullptr);            // or the alarm
  return verdict();
}

void* do_little(void*) {
  free(malloc(100));
  return nullptr;
}

bool resident(void* block, size_t bytes) {
  unsigned char pages[4096];
  if (mincore(block, bytes, pages) != 0) return false;
  for (size_t i = 0; i < bytes / 4096; ++i) {
    if ((pages[i] & 1) == 0) return false;
  }
  return true;
}

// What one thread freed for the moment stays when another ends. It may go by age, so one of many
// times is enough.
int check_exit_keeps_large() {
  constexpr size_t kSize = 4 << 20;
  bool cached = false;
  for (int round = 0; round < 100; ++round) {
    auto* block = static_cast<char*>(malloc(kSize));
    memset(block, 1, kSize);
    void* page = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(block) + 4095) & ~4095ul);
    free(block);
    if (!resident(page, kSize - 8192)) continue;
    cached = true;
    pthread_t thread;
    if (pthread_create(&thread, nullptr, do_little, nullptr) != 0) return 3;
    pthread_join(thread, nullptr);
    if (resident(page, kSize - 8192)) return verdict();
  }
  CHECK(!cached, "each time a thread ends, the large blocks that others freed lose their memory");
  return verdict();
}

// Lets the policies that give memory back on epochs do what they want to.
void sit_out_epochs() {
  auto* force = reinterpret_cast<void (*)()>(dlsym(RTLD_DEFAULT, "hz3_epoch_force"));
  if (force == nullptr) return;
  for (int epoch = 0, quiet = 0; epoch < 1000 && quiet < 8; ++epoch) {
    const int before = g_requests.load();
    force();
    quiet = g_requests.load() == before ? quiet + 1 : 0;
  }
}

// A request that no trim can fulfil must not cost everybody their free memory.
int check_hopeless_request() {
  void* kept[256] = {};
  use_memory(kept, 256);
  sit_out_epochs();
  const int before = g_requests.load();
  constexpr size_t kHopeless = size_t{1} << 50;
  volatile size_t size = kHopeless;
  errno = 0;
  CHECK(malloc(size) == nullptr && errno == ENOMEM, "malloc of 1 PiB: errno %d", errno);
  CHECK(calloc(1, size) == nullptr && errno == ENOMEM, "calloc of 1 PiB: errno %d", errno);
  CHECK(realloc(kept[0], size) == nullptr && errno == ENOMEM, "realloc to 1 PiB: errno %d", errno);
  CHECK(aligned_alloc(1 << 22, size) == nullptr && errno == ENOMEM, "aligned_alloc: errno %d",
        errno);
  void* large = malloc(3 << 20);
  CHECK(realloc(large, size) == nullptr && errno == ENOMEM, "realloc to 1 PiB: errno %d", errno);
  CHECK(g_requests.load() == before,
        "hopeless requests made the allocator give memory back %d times",
        g_requests.load() - before);
  free(large);
  malloc_trim(0);
  CHECK(g_requests.load() > before, "there was nothing to give back");
  for (void* block : kept) free(block);
  return verdict();
}

struct Part {
  const char* name;
  int (*run)();
};

}  // namespace

int main() {
  malloc_trim(0);
  use_memory(nullptr, 0);
  malloc_trim(0);
  if (g_requests.load() == 0) {
    CHECK(dlsym(RTLD_DEFAULT, "hz3_malloc") == nullptr, "hz3 does not call this program's madvise");
    return verdict();
  }
  for (const Part part :
       {Part{"trim's answer", check_trim_answer}, Part{"not under a lock", check_not_under_lock},
        Part{"a thread's exit", check_exit_keeps_large},
        Part{"hopeless requests", check_hopeless_request}}) {
    const ChildEnd end = run_child(part.run, 60);
    CHECK(end.ok(), "%s: the child ended with %s %d", part.name, end.how(), end.status);
  }
  return verdict();
}
