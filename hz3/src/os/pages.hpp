// Pages from the operating system: reserve address space, make parts of it usable, give the memory
// behind parts of it back. Addresses and sizes are in bytes and multiples of the page size. All
// functions are thread-safe, report failure by their result and leave errno changed; callers on an
// API path restore it (free must not change errno: POSIX.1-2024).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace hz3::os {

inline constexpr std::size_t kPageSize = 4096;
inline constexpr int kPageShift = 12;

// Address space only: no memory, no commit charge. nullptr when the system refuses.
inline void* reserve(std::size_t bytes) {
  void* p = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  // Whatever the system's policy, hz3 returns single pages; a huge page would have to be split for
  // that (17 us) or would be formed again behind our back. Set on the mapping, not by prctl, which
  // every child process would inherit. A kernel without huge pages refuses, and that is fine.
  ::madvise(p, bytes, MADV_NOHUGEPAGE);
  return p;
}

inline void unreserve(void* p, std::size_t bytes) { ::munmap(p, bytes); }

// Makes reserved addresses readable and writable; they read as zero until written.
[[nodiscard]] inline bool commit(void* p, std::size_t bytes) {
  return ::mprotect(p, bytes, PROT_READ | PROT_WRITE) == 0;
}

// Gives the memory behind the range back; it reads as zero afterwards. Always DONTNEED: pages freed
// with MADV_FREE still count as resident and may keep old bytes. Fails (EINVAL) on locked memory.
[[nodiscard]] inline bool purge(void* p, std::size_t bytes) {
  return ::madvise(p, bytes, MADV_DONTNEED) == 0;
}

// Faults a range in with one call, at about half the price of touching its pages one by one. Only a
// hint: a kernel without it (before Linux 5.14) or without memory leaves the pages to be touched.
inline void populate(void* p, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  ::madvise(p, bytes, MADV_POPULATE_WRITE);
#else
  ::madvise(p, bytes, 23);  // its number since 5.14; older headers do not name it
#endif
}

// Fresh zeroed memory for the allocator's own tables; never returned. nullptr when refused.
inline void* map_tables(std::size_t bytes) {
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

// Moves the memory of [from, from+bytes) to `to` without copying; both ranges stay mapped, `from`
// then reads as zero. False when the kernel cannot (before Linux 5.7), with nothing changed.
[[nodiscard]] inline bool move_pages(void* from, void* to, std::size_t bytes) {
#ifdef MREMAP_DONTUNMAP
  return ::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == to;
#else
  (void)from, (void)to, (void)bytes;
  return false;
#endif
}

}  // namespace hz3::os
