// The mutants' implementation over libc's __libc_ functions, which no preload replaces.
#include "broken.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" {
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace hz3_test::broken {

namespace {

constexpr uint64_t kMagic = 0x5ca1ab1e0ddba115ull;

// Stands right in front of every block.
struct Header {
  uint64_t magic;
  uint32_t lead;  // bytes from the start of libc's block to the user's
  uint32_t pad;
  uint64_t size;
};
constexpr size_t kLead = 32;

bool is(const char* what) {
  static const char* chosen = getenv("HZ3_BROKEN");
  return chosen != nullptr && strcmp(chosen, what) == 0;
}

Header* header_of(void* block) { return reinterpret_cast<Header*>(block) - 1; }

bool may_be_first_in_mapping(const void* block) {
  const uintptr_t offset = reinterpret_cast<uintptr_t>(block) % 4096;
  return offset > 0 && offset < sizeof(Header);
}

// The header may stand at an odd place, so it is copied, not referred to.
// libc's mapped blocks begin 16 bytes into their first page, with nothing in front of it.
bool read_header(void* block, Header& header) {
  if (may_be_first_in_mapping(block)) return false;
  memcpy(&header, header_of(block), sizeof header);
  return header.magic == kMagic;
}

pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
std::atomic<uint64_t> g_calls{0};
std::atomic<void*> g_victim{nullptr};
pthread_key_t g_key;
pthread_once_t g_key_once = PTHREAD_ONCE_INIT;
thread_local bool t_seen = false;
thread_local bool t_dead = false;

void make_key() {
  pthread_key_create(&g_key, [](void*) { t_dead = true; });
}

void on_first_use_by_thread() {
  t_seen = true;
  if (is("thread_leak")) {
    void* leak = __libc_malloc(64 << 10);
    if (leak != nullptr) memset(leak, 1, 64 << 10);
  }
  if (is("dead_thread")) {
    pthread_once(&g_key_once, make_key);
    pthread_setspecific(g_key, &g_key);
  }
}

void* fail() {
  if (is("abort_oom")) abort();
  if (!is("quiet_enomem")) errno = ENOMEM;
  return nullptr;
}

void* make(size_t alignment, size_t size) {
  if (!t_seen) on_first_use_by_thread();
  if (t_dead) return fail();
  const uint64_t call = g_calls.fetch_add(1, std::memory_order_relaxed);
  const bool late = is("misaligned") && call % 16 == 0;
  const size_t lead = (alignment > kLead ? alignment : kLead) + (late ? 8 : 0);
  if (size > PTRDIFF_MAX - lead - 64) return fail();
  const int before = errno;
  constexpr size_t kStepAside = 32;  // never look like the first block of a mapping
  void* raw = alignment <= 16 ? __libc_malloc(lead + kStepAside + size)
                              : __libc_memalign(is("misaligned") ? 16 : alignment, lead + size);
  errno = before;
  if (raw == nullptr) return fail();
  auto* block = static_cast<char*>(raw) + lead;
  if (alignment <= 16 && may_be_first_in_mapping(block)) block += kStepAside;
  const Header header{kMagic, static_cast<uint32_t>(block - static_cast<char*>(raw)), 0, size};
  memcpy(header_of(block), &header, sizeof header);
  return block;
}

}  // namespace

void* allocate(size_t size) {
  const bool locked = is("fork_deadlock");
  if (locked) pthread_mutex_lock(&g_lock);
  void* block = nullptr;
  if (is("overlap") && size >= 16 && size < 512) {
    const uint64_t call = g_calls.load(std::memory_order_relaxed);
    if (call % 64 == 0) block = g_victim.exchange(nullptr);
    if (block == nullptr) block = make(16, 512);
    if (call % 64 == 32) g_victim.store(block);
  } else {
    block = make(16, size);
  }
  if (locked) pthread_mutex_unlock(&g_lock);
  return block;
}

void* allocate_zeroed(size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) && !is("overflow")) return fail();
  void* block = make(16, bytes);
  if (block == nullptr) return nullptr;
  memset(block, 0, is("dirty_calloc") && bytes >= 1000 ? bytes / 2 : bytes);
  return block;
}

void* allocate_aligned(size_t alignment, size_t size) { return make(alignment, size); }

void* reallocate(void* block, size_t size) {
  if (block == nullptr) return allocate(size);
  Header header;
  if (!read_header(block, header)) {
    if (!is("foreign")) return __libc_realloc(block, size);
    return allocate(size);
  }
  void* moved = make(16, size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, header.size < size ? header.size : size);
  if (is("lossy_realloc") && size >= 32) memset(static_cast<char*>(moved) + 16, 0, 16);
  release(block);
  return moved;
}

void* reallocate_array(void* block, size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) && !is("overflow")) return fail();
  return reallocate(block, bytes);
}

void release(void* block) {
  Header header;
  if (block == nullptr) return;
  const int before = errno;
  if (!read_header(block, header)) {
    __libc_free(block);
  } else if (!is("overlap")) {  // a block with two owners must not be freed twice
    Header gone = header;
    gone.magic = 0;
    memcpy(header_of(block), &gone, sizeof gone);
    __libc_free(static_cast<char*>(block) - header.lead);
  }
  errno = is("errno_free") ? EAGAIN : before;
}

size_t usable_size(void* block) {
  if (block == nullptr) return 0;
  Header header;
  if (read_header(block, header)) return header.size + (is("usable") ? 64 : 0);
  using UsableSize = size_t(void*);
  static auto* next = reinterpret_cast<UsableSize*>(dlsym(RTLD_NEXT, "malloc_usable_size"));
  return next(block);
}

}  // namespace hz3_test::broken
