// move_refused: realloc of large blocks when the kernel does not move memory. The program defines
// mremap and mmap, which the allocator then calls, and lets them fail in turn as kernels do: at
// once; or, as Linux 5.7 to 6.16 for memory that spans several mappings, after the target is
// unmapped already; or so, with another thread's mapping in the hole before the allocator can fill
// it; or so, with no memory to fill it. Locked memory, of which madvise tells, may not be moved at
// all: mremap would unlock what lies beside it. Every block must keep its content, nobody else's
// mapping may be touched, and a block that cannot grow must stay where it is. An allocator that
// calls libc's own functions past these passes.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/pattern.h"

namespace {

using namespace hz3_test;

enum class Fault { kNone, kAtOnce, kHole, kHoleTaken, kHoleStays, kLocked };
constexpr const char* kNames[] = {"no fault",
                                  "refused at once",
                                  "target unmapped",
                                  "hole taken by another",
                                  "hole cannot be filled",
                                  "memory locked"};

Fault g_fault = Fault::kNone;
int g_refused = 0;
int g_moved_locked = 0;
bool g_refuse_mmap = false;

struct Foreign {
  char* page = nullptr;
};
constexpr int kMostForeign = 256;
Foreign g_foreign[kMostForeign];
int g_foreign_count = 0;

void* system_mmap(void* p, size_t bytes, int protection, int flags, int fd, off_t offset) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, p, bytes, protection, flags, fd, offset));
}

void take_hole(char* hole, size_t bytes) {
  if (g_foreign_count == kMostForeign) return;
  char* middle = hole + bytes / 2 / 4096 * 4096;
  void* page = system_mmap(middle, 4096, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (page != middle) return;
  memset(page, 0x5a, 4096);
  g_foreign[g_foreign_count++].page = middle;
}

bool foreign_intact() {
  for (int i = 0; i < g_foreign_count; ++i) {
    for (int at = 0; at < 4096; at += 64) {
      if (g_foreign[i].page[at] != 0x5a) return false;
    }
  }
  return true;
}

}  // namespace

extern "C" void* mremap(void* from, size_t old_bytes, size_t new_bytes, int flags, ...) noexcept {
  va_list arguments;
  va_start(arguments, flags);
  void* to = va_arg(arguments, void*);
  va_end(arguments);
  if (g_fault == Fault::kLocked) ++g_moved_locked;
  const bool fixed = (flags & MREMAP_FIXED) != 0;
  if (g_fault == Fault::kNone || g_fault == Fault::kLocked ||
      (g_fault != Fault::kAtOnce && !fixed)) {
    return reinterpret_cast<void*>(syscall(SYS_mremap, from, old_bytes, new_bytes, flags, to));
  }
  ++g_refused;
  if (g_fault == Fault::kAtOnce) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  syscall(SYS_munmap, to, new_bytes);
  if (g_fault == Fault::kHoleTaken) take_hole(static_cast<char*>(to), new_bytes);
  if (g_fault == Fault::kHoleStays) g_refuse_mmap = true;
  errno = g_fault == Fault::kHole ? EFAULT : ENOMEM;
  return MAP_FAILED;
}

extern "C" int madvise(void* p, size_t bytes, int advice) noexcept {
  if (g_fault == Fault::kLocked && advice == MADV_DONTNEED) {
    ++g_refused;
    errno = EINVAL;
    return -1;
  }
  return static_cast<int>(syscall(SYS_madvise, p, bytes, advice));
}

extern "C" void* mmap(void* p, size_t bytes, int protection, int flags, int fd,
                      off_t offset) noexcept {
  if (g_refuse_mmap) {
    g_refuse_mmap = false;
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return system_mmap(p, bytes, protection, flags, fd, offset);
}

namespace {

constexpr size_t kBlocks = 8;
constexpr size_t kGrowths = 2;

// Blocks side by side, so that none can grow where it is.
void grow_blocks() {
  unsigned char* blocks[kBlocks];
  size_t size = (size_t{3} << 20) + 12345;
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks[i] = static_cast<unsigned char*>(malloc(size));
    fill(blocks[i], size, Pattern{i, false});
  }
  for (size_t growth = 0; growth < kGrowths; ++growth) {
    const size_t larger = size * 2;
    for (size_t i = 0; i < kBlocks; ++i) {
      void* grown = realloc(blocks[i], larger);
      CHECK(grown != nullptr, "%s: realloc to %zu bytes returned null",
            kNames[static_cast<int>(g_fault)], larger);
      if (grown == nullptr) _exit(1);
      blocks[i] = static_cast<unsigned char*>(grown);
      const Mismatch wrong = verify(grown, size, Pattern{i, false});
      CHECK(!wrong.found, "%s: realloc lost the content at offset %zu",
            kNames[static_cast<int>(g_fault)], wrong.offset);
      fill(grown, larger, Pattern{i, false}, size);
    }
    size = larger;
    CHECK(foreign_intact(), "%s: another thread's mapping was overwritten",
          kNames[static_cast<int>(g_fault)]);
  }
  for (size_t i = 0; i < kBlocks; ++i) free(blocks[i]);
  // What comes from the arena afterwards must be usable, and apart from the foreign mappings.
  for (size_t i = 0; i < kBlocks; ++i) {
    auto* block = static_cast<unsigned char*>(calloc(1, size / 4));
    for (size_t at = 0; at < size / 4; at += 4096) {
      CHECK(block[at] == 0, "%s: calloc afterwards is not zero", kNames[static_cast<int>(g_fault)]);
      block[at] = 1;
    }
    blocks[i] = block;
  }
  CHECK(foreign_intact(), "%s: a later block lies in another thread's mapping",
        kNames[static_cast<int>(g_fault)]);
  for (unsigned char* block : blocks) free(block);
}

// A block whose memory the program itself has split into several mappings.
void grow_split_block() {
  const size_t size = size_t{6} << 20;
  auto* block = static_cast<unsigned char*>(malloc(size));
  void* obstacle = malloc(size);
  fill(block, size, Pattern{77, false});
  auto* page = reinterpret_cast<unsigned char*>((reinterpret_cast<uintptr_t>(block) + size / 2) &
                                                ~uintptr_t{4095});
  mprotect(page, 4096, PROT_READ);
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
  madvise(page, 4096, MADV_DONTFORK);
  auto* grown = static_cast<unsigned char*>(realloc(block, 4 * size));
  CHECK(grown != nullptr && !verify(grown, size, Pattern{77, false}).found,
        "realloc of a block of several mappings lost its content");
  if (grown != nullptr) memset(grown, 1, 4 * size);
  free(grown);
  free(obstacle);
}

int run(Fault fault) {
  grow_blocks();  // first without fault, so that some blocks have moved before
  g_fault = fault;
  grow_blocks();
  grow_split_block();
  g_fault = Fault::kNone;
  grow_blocks();
  CHECK(fault == Fault::kNone || g_refused > 0 || dlsym(RTLD_DEFAULT, "hz3_malloc") == nullptr,
        "%s: the allocator never asked", kNames[static_cast<int>(fault)]);
  CHECK(g_moved_locked == 0 || dlsym(RTLD_DEFAULT, "hz3_malloc") == nullptr,
        "locked memory was moved %d times", g_moved_locked);
  return verdict();
}

}  // namespace

int main() {
  for (const Fault fault : {Fault::kNone, Fault::kAtOnce, Fault::kHole, Fault::kHoleTaken,
                            Fault::kHoleStays, Fault::kLocked}) {
    const ChildEnd end = run_child([fault] { return run(fault); }, 120);
    CHECK(end.ok(), "%s: the child ended with %s %d", kNames[static_cast<int>(fault)], end.how(),
          end.status);
  }
  return verdict();
}
