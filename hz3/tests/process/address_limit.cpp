// address_limit [--strict] [CASE]: the program starts itself again under limits of its address
// space (RLIMIT_AS). A request that fails must leave the address space as it was, and what was
// freed must be there again for others: for mmap, for threads. --strict asks more than libc gives:
// nearly all of the limit is usable for blocks of every size, and all of it comes back.
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/check.h"
#include "../support/child.h"

namespace {

using namespace hz3_test;

constexpr size_t kMiB = 1 << 20;
constexpr const char* kSelf = "/proc/self/exe";

// Keeps the compiler from knowing the value.
template <typename T>
T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

size_t mapped_bytes() {
  char text[64] = {};
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == nullptr || fgets(text, sizeof text, file) == nullptr) _exit(3);
  fclose(file);
  return strtoull(text, nullptr, 10) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

bool can_map(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p != MAP_FAILED && munmap(p, bytes) == 0;
}

void* nothing(void*) { return nullptr; }

// With a small stack, because the C library keeps stacks and so takes room from what comes next.
bool can_start_thread() {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 128 << 10);
  pthread_t thread;
  const bool started = pthread_create(&thread, &small, nothing, nullptr) == 0;
  pthread_attr_destroy(&small);
  return started && pthread_join(thread, nullptr) == 0;
}

// Under 4 GiB: a block of most of it, beside which others still live.
void large_beside_others() {
  void* most = malloc(opaque(3000 * kMiB));
  CHECK(most != nullptr, "malloc of 3000 MiB fails under a limit of 4096");
  CHECK(can_map(200 * kMiB), "mmap of 200 MiB fails beside a block of 3000 under a limit of 4096");
  CHECK(can_start_thread(), "no thread starts beside a block of 3000 MiB under a limit of 4096");
  free(most);
  CHECK(can_map(3500 * kMiB), "what free returned cannot be mapped");
}

template <typename Request>
void check_refusal(const char* what, Request request) {
  errno = 0;
  const size_t before = mapped_bytes();
  void* block = request();
  const int error = errno;
  CHECK(block == nullptr && error == ENOMEM, "%s: %p and errno %d", what, block, error);
  const size_t after = mapped_bytes();
  CHECK(after <= before, "%s failed and left %zu KiB more mapped", what, (after - before) >> 10);
  free(block);
}

void refusal_leaves_nothing() {
  void* kept = malloc(5 * kMiB);
  (void)mapped_bytes();  // stdio's own memory
  const size_t sizes[] = {5000 * kMiB, 70000 * kMiB, size_t{1} << 45};
  for (const size_t size : sizes) {
    check_refusal("malloc", [&] { return malloc(opaque(size)); });
    check_refusal("calloc", [&] { return calloc(opaque(size), 1); });
    check_refusal("realloc(NULL)", [&] { return realloc(nullptr, opaque(size)); });
    check_refusal("memalign", [&] { return memalign(kMiB * 64, opaque(size)); });
    check_refusal("new", [&] { return ::operator new(opaque(size), std::nothrow); });
    errno = 0;
    const size_t before = mapped_bytes();
    CHECK(realloc(kept, opaque(size)) == nullptr && errno == ENOMEM, "realloc to %zu", size);
    CHECK(mapped_bytes() <= before, "realloc failed and left more mapped");
  }
  // There may or may not be such a place.
  void* wide = memalign(size_t{1} << 40, 100);
  CHECK(reinterpret_cast<uintptr_t>(wide) % (size_t{1} << 40) == 0, "memalign gave %p", wide);
  free(wide);
  CHECK(can_map(3500 * kMiB), "after refusals 3500 MiB cannot be mapped under a limit of 4096");
  CHECK(can_start_thread(), "after refusals no thread starts");
  free(kept);
}

struct Link {
  Link* next;
};

// Bytes of blocks of one size that fit; all are freed again.
size_t fill_up(size_t size) {
  Link* all = nullptr;
  size_t bytes = 0;
  while (auto* link = static_cast<Link*>(malloc(size))) {
    link->next = all;
    all = link;
    bytes += size;
  }
  while (all != nullptr) {
    Link* next = all->next;
    free(all);
    all = next;
  }
  return bytes;
}

// `limit_mb` less the program itself, in percent, for sizes of every kind of block.
void most_is_usable(size_t limit_mb, size_t least_percent) {
  const size_t sizes[] = {16,     1000,    4000, 16000,    32000,   65536,
                          200000, 1000000, kMiB, 3 * kMiB, 5 * kMiB};
  const size_t room = (limit_mb << 20) - mapped_bytes();
  for (const size_t size : sizes) {
    const size_t used = fill_up(size);
    CHECK(used * 100 >= room * least_percent,
          "limit of %zu MiB: of %zu KiB only %zu hold blocks of %zu bytes", limit_mb, room >> 10,
          used >> 10, size);
    malloc_trim(0);
    CHECK(can_map(room / 100 * 85),
          "limit of %zu MiB: blocks of %zu bytes were freed, not returned", limit_mb, size);
    CHECK(can_start_thread(), "limit of %zu MiB: no thread starts after blocks of %zu bytes",
          limit_mb, size);
  }
}

// Growing a block where there is no room for two of it.
void realloc_in_little_room() {
  char* block = static_cast<char*>(malloc(40 * kMiB));
  block[0] = 1;
  block[40 * kMiB - 1] = 2;
  for (const size_t mb : {41, 55, 80, 30, 1, 70}) {
    const size_t had = malloc_usable_size(block);
    auto* grown = static_cast<char*>(realloc(block, mb * kMiB));
    CHECK(grown != nullptr, "realloc from %zu bytes to %zu MiB fails under 100", had, mb);
    if (grown == nullptr) break;
    block = grown;
    memset(block + kMiB - 4096, static_cast<int>(mb), mb * kMiB - kMiB + 4096);
    CHECK(block[0] == 1, "realloc to %zu MiB lost the content", mb);
    CHECK(can_map((85 - mb) * kMiB), "beside a block of %zu MiB there is less than there should be",
          mb);
  }
  free(block);
}

// Blocks that grow in turn, in each other's way, and new ones between them.
void grow_in_turn() {
  constexpr size_t kBlocks = 12;
  char* blocks[kBlocks] = {};
  char* between[kBlocks * 8] = {};
  size_t made = 0;
  for (size_t mb = 3; mb < 60; mb += mb / 2) {
    for (size_t i = 0; i < kBlocks; ++i) {
      const size_t size = mb * kMiB + 12345 * i;
      auto* grown = static_cast<char*>(realloc(blocks[i], size));
      CHECK(grown != nullptr, "realloc to %zu bytes under 4096 MiB", size);
      if (grown == nullptr) return;
      CHECK(blocks[i] == nullptr || (grown[0] == static_cast<char>(i) && grown[2 * kMiB] == 7),
            "realloc to %zu bytes lost the content", size);
      blocks[i] = grown;
      memset(grown, 7, size);
      grown[0] = static_cast<char>(i);
      if (made < kBlocks * 8) {
        between[made] = static_cast<char*>(malloc(kMiB * (1 + i % 3)));
        memset(between[made], static_cast<int>(made), kMiB);
        ++made;
      }
    }
  }
  for (size_t i = 0; i < made; ++i) {
    CHECK(between[i][0] == static_cast<char>(i) && between[i][kMiB - 1] == static_cast<char>(i),
          "block %zu lost its content", i);
    free(between[i]);
  }
  for (char* block : blocks) free(block);
}

// Blocks in all places that addresses may come from, used in every way.
void use_many() {
  constexpr size_t kCount = 1000;
  static void* blocks[kCount];
  for (size_t i = 0; i < kCount; ++i) {
    blocks[i] = malloc(kMiB);
    CHECK(blocks[i] != nullptr, "block %zu of 1 MiB does not fit under 1465 MiB", i);
  }
  for (size_t i = 0; i < kCount; ++i) {
    if (blocks[i] == nullptr) continue;
    CHECK(malloc_usable_size(blocks[i]) >= kMiB, "usable size of block %zu", i);
    if (i % 3 == 0) blocks[i] = realloc(blocks[i], 100);
    free(blocks[i]);
  }
}

enum class Layout { kUsual, kBottomUp };  // kBottomUp: as `setarch -L` has it

struct Case {
  const char* name;
  long limit_kb;
  Layout layout;
  bool strict;
  void (*body)();
};

void usable_100() { most_is_usable(100, 90); }
void usable_200() { most_is_usable(200, 91); }
void usable_400() { most_is_usable(400, 92); }
void use_little() { free(malloc(100000)); }

constexpr Case kCases[] = {
    {"large_beside_others", 4194304, Layout::kUsual, false, large_beside_others},
    {"refusal_leaves_nothing", 4194304, Layout::kUsual, false, refusal_leaves_nothing},
    {"usable_100", 100 << 10, Layout::kUsual, true, usable_100},
    {"usable_200", 200 << 10, Layout::kUsual, true, usable_200},
    {"usable_400", 400 << 10, Layout::kUsual, true, usable_400},
    {"realloc_in_little_room", 100 << 10, Layout::kUsual, false, realloc_in_little_room},
    {"grow_in_turn", 4194304, Layout::kUsual, false, grow_in_turn},
    {"free", 1500000, Layout::kUsual, false, use_many},
    {"tiny", 60000, Layout::kUsual, false, use_little},
    {"tinier", 20000, Layout::kUsual, false, use_little},
    {"bottom_up_free", 1500000, Layout::kBottomUp, false, use_many},
    {"bottom_up_refusal", 4194304, Layout::kBottomUp, false, refusal_leaves_nothing},
    {"bottom_up_usable", 200 << 10, Layout::kBottomUp, true, usable_200},
};

int start_again(const Case& wanted) {
  const auto bytes = static_cast<rlim_t>(wanted.limit_kb) << 10;
  const rlimit limit{bytes, bytes};
  if (wanted.layout == Layout::kBottomUp && personality(ADDR_COMPAT_LAYOUT) < 0) return 3;
  if (setrlimit(RLIMIT_AS, &limit) != 0) return 3;
  execl(kSelf, kSelf, "--case", wanted.name, nullptr);
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "--case") == 0) {
    for (const Case& wanted : kCases) {
      if (strcmp(argv[2], wanted.name) != 0) continue;
      wanted.body();
      return verdict();
    }
    return 2;
  }
  const bool strict = argc > 1 && strcmp(argv[1], "--strict") == 0;
  const char* only = argc > 1 + strict ? argv[1 + strict] : nullptr;
  for (const Case& wanted : kCases) {
    if (only != nullptr ? strcmp(only, wanted.name) != 0 : wanted.strict && !strict) continue;
    const ChildEnd end = run_child([&] { return start_again(wanted); }, 60);
    CHECK(end.ok(), "%s: ended with %s %d", wanted.name, end.how(), end.status);
  }
  return verdict();
}
