#include "common/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "common/say.h"

namespace workload {
namespace {

struct Mapping {
  void* base;
  std::size_t bytes;
};

constexpr std::size_t kMostMappings = 128;
Mapping g_mappings[kMostMappings];

// Asked every time: a guarded static would link parts of the C++ library that take heap memory.
std::size_t page_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
Mapping* find_mapping(void* base) {
  for (Mapping& mapping : g_mappings) {
    if (mapping.base == base) return &mapping;
  }
  complain("more than %zu bookkeeping tables", kMostMappings);
  std::abort();
}

}  // namespace

std::size_t mapped_bytes(std::size_t bytes) {
  const std::size_t page = page_bytes();
  return std::max(page, (bytes + page - 1) / page * page);
}

void* map_bookkeeping(std::size_t bytes) {
  bytes = mapped_bytes(bytes);
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    complain("mmap of %zu bytes of bookkeeping failed", bytes);
    std::exit(1);
  }
  ::madvise(base, bytes, MADV_NOHUGEPAGE);  // EINVAL on kernels without huge pages: as good
  *find_mapping(nullptr) = {base, bytes};
  return base;
}

void unmap_bookkeeping(void* base, std::size_t bytes) {
  *find_mapping(base) = {};
  ::munmap(base, mapped_bytes(bytes));
}

void release_bookkeeping(void* base, std::size_t from, std::size_t to) {
  const std::size_t page = page_bytes();
  const std::size_t begin = (from + page - 1) / page * page;
  const std::size_t end = to / page * page;
  if (begin < end) ::madvise(static_cast<char*>(base) + begin, end - begin, MADV_DONTNEED);
}

std::uint64_t resident_kb(const void* base, std::size_t bytes) {
  // A window at a time: the answer takes a byte a page, and this must not need memory of its own.
  constexpr std::size_t kWindowPages = 4096;
  unsigned char present[kWindowPages];
  const std::size_t page = page_bytes();
  std::size_t pages = mapped_bytes(bytes) / page;
  char* at = static_cast<char*>(const_cast<void*>(base));
  std::uint64_t resident = 0;
  while (pages > 0) {
    const std::size_t window = std::min(pages, kWindowPages);
    if (::mincore(at, window * page, present) == 0) {
      for (std::size_t i = 0; i < window; ++i) resident += present[i] & 1;
    }
    at += window * page;
    pages -= window;
  }
  return resident * page / 1024;
}

std::uint64_t bookkeeping_kb() {
  std::uint64_t sum = 0;
  for (const Mapping& mapping : g_mappings) {
    if (mapping.base) sum += resident_kb(mapping.base, mapping.bytes);
  }
  return sum;
}

}  // namespace workload
