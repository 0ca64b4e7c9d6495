// libcount_malloc.so: counts what a program asks of malloc, to check the programs against.
//
// Preloaded over libc's allocator, to which it passes everything on. Calls are told apart by where
// they return to: into the program itself, or into a library (libc's own needs, a thread's vector).
// At exit it writes one JSON line to the descriptor named by HZ_COUNT_FD. HZ_COUNT_FAIL_AT=k makes
// the program's k-th allocation fail; HZ_COUNT_DAMAGE_AT=k clears the first 8 bytes of the
// block before it (with HZ_COUNT_DAMAGE_END set, the last 8), as a purge of a page in use would. It
// also stands in for hz3's hz3_epoch_force and counts who calls it. The sequence hash is over all
// sizes the program asked for, in order, with a mark for each free; it means something only with
// one thread.

#include <link.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

using Counter = std::atomic<std::uint64_t>;

struct Counts {
  Counter malloc, calloc, realloc, aligned, operator_new, free, sized_delete, bytes, sized_bytes;
};

Counts g_counts[2];  // [0] of libraries, [1] of the program
Counter g_hash{14695981039346656037ull};
Counter g_epoch_calls, g_epoch_threads;
std::uint64_t g_fail_at, g_damage_at;
char* g_previous;
std::size_t g_previous_bytes;
std::uintptr_t g_program_begin, g_program_end;

Counts& counts_for(const void* caller) {
  const auto at = reinterpret_cast<std::uintptr_t>(caller);
  return g_counts[at >= g_program_begin && at < g_program_end];
}

void add(Counter& counter, std::uint64_t n = 1) { counter.fetch_add(n, std::memory_order_relaxed); }

void hash_in(std::uint64_t value) {
  const std::uint64_t hash = g_hash.load(std::memory_order_relaxed);
  g_hash.store((hash ^ value) * 1099511628211ull, std::memory_order_relaxed);
}

// Notes an allocation; false when this is the one to fail.
bool admit(Counter Counts::*kind, std::size_t bytes, const void* caller) {
  static Counter allocations{0};
  Counts& counts = counts_for(caller);
  if (&counts == &g_counts[1]) {
    if (allocations.fetch_add(1) + 1 == g_fail_at) {
      errno = ENOMEM;
      return false;
    }
    hash_in(bytes);
  }
  add(counts.*kind);
  add(counts.bytes, bytes);
  return true;
}

void note_free(void* object, const void* caller) {
  if (object == nullptr) return;
  Counts& counts = counts_for(caller);
  if (&counts == &g_counts[1]) hash_in(~std::uint64_t{0});
  add(counts.free);
}

void note_sized(std::size_t bytes, const void* caller) {
  Counts& counts = counts_for(caller);
  add(counts.sized_delete);
  add(counts.sized_bytes, bytes);
}

int find_program(dl_phdr_info* info, std::size_t, void*) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
    g_program_begin = info->dlpi_addr + segment.p_vaddr;
    g_program_end = g_program_begin + segment.p_memsz;
  }
  return 1;  // the program is the first in the list, and the only one wanted
}

__attribute__((constructor)) void begin() {
  const auto setting = [](const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
  };
  g_fail_at = setting("HZ_COUNT_FAIL_AT");
  g_damage_at = setting("HZ_COUNT_DAMAGE_AT");
  dl_iterate_phdr(find_program, nullptr);
}

__attribute__((destructor)) void report() {
  const char* text = std::getenv("HZ_COUNT_FD");
  if (text == nullptr) return;
  char line[1024];
  int length = std::snprintf(line, sizeof line, "{\"hash\":\"%016llx\"",
                             static_cast<unsigned long long>(g_hash.load()));
  const auto put = [&](const char* key, const Counter& counter) {
    length += std::snprintf(line + length, sizeof line - static_cast<std::size_t>(length),
                            ",\"%s\":%llu", key, static_cast<unsigned long long>(counter.load()));
  };
  const Counts& program = g_counts[1];
  put("malloc", program.malloc);
  put("calloc", program.calloc);
  put("realloc", program.realloc);
  put("aligned", program.aligned);
  put("operator_new", program.operator_new);
  put("free", program.free);
  put("sized_delete", program.sized_delete);
  put("bytes", program.bytes);
  put("sized_bytes", program.sized_bytes);
  const Counts& other = g_counts[0];
  put("other_malloc", other.malloc);
  put("other_calloc", other.calloc);
  put("other_bytes", other.bytes);
  put("epoch_calls", g_epoch_calls);
  put("epoch_threads", g_epoch_threads);
  line[length++] = '}';
  line[length++] = '\n';
  if (::write(std::atoi(text), line, static_cast<std::size_t>(length)) != length) std::abort();
}

}  // namespace

#define CALLER __builtin_return_address(0)

extern "C" {

void* malloc(std::size_t bytes) {
  if (!admit(&Counts::malloc, bytes, CALLER)) return nullptr;
  void* block = __libc_malloc(bytes);
  if (g_damage_at != 0) {
    if (g_counts[1].malloc.load() == g_damage_at) {
      const bool end = std::getenv("HZ_COUNT_DAMAGE_END") != nullptr;
      std::memset(g_previous + (end ? g_previous_bytes - 8 : 0), 0, 8);
    }
    g_previous = static_cast<char*>(block);
    g_previous_bytes = bytes;
  }
  return block;
}
void* calloc(std::size_t count, std::size_t each) {
  return admit(&Counts::calloc, count * each, CALLER) ? __libc_calloc(count, each) : nullptr;
}
void* realloc(void* old, std::size_t bytes) {
  return admit(&Counts::realloc, bytes, CALLER) ? __libc_realloc(old, bytes) : nullptr;
}
void* aligned_alloc(std::size_t align, std::size_t bytes) {
  return admit(&Counts::aligned, bytes, CALLER) ? __libc_memalign(align, bytes) : nullptr;
}
void* memalign(std::size_t align, std::size_t bytes) {
  return admit(&Counts::aligned, bytes, CALLER) ? __libc_memalign(align, bytes) : nullptr;
}
int posix_memalign(void** object, std::size_t align, std::size_t bytes) {
  if (!admit(&Counts::aligned, bytes, CALLER)) return ENOMEM;
  *object = __libc_memalign(align, bytes);
  return *object != nullptr ? 0 : ENOMEM;
}
void free(void* object) {
  note_free(object, CALLER);
  __libc_free(object);
}

void hz3_epoch_force() {
  static thread_local bool seen = false;
  add(g_epoch_calls);
  if (!seen) add(g_epoch_threads);
  seen = true;
}

}  // extern "C"

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return admit(&Counts::operator_new, bytes, CALLER) ? __libc_malloc(bytes) : nullptr;
}
void operator delete(void* object) noexcept {
  note_free(object, CALLER);
  __libc_free(object);
}
void operator delete(void* object, std::size_t bytes) noexcept {
  note_free(object, CALLER);
  note_sized(bytes, CALLER);
  __libc_free(object);
}
