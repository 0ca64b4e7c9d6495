// Pages from the operating system: reserve address space, make parts of it usable, give the memory
// behind parts of it back. Addresses and sizes are in bytes and multiples of the page size. All
// functions are thread-safe, report failure by their result and leave errno changed; callers on an
// API path restore it (free must not change errno: POSIX.1-2024).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

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

namespace detail {

// Maps [p, p+bytes) as reserve and commit leave memory, so that it can be one mapping with its
// neighbours. `fixed` says how: MAP_FIXED replaces what is there, MAP_FIXED_NOREPLACE only fills a
// hole. Whatever else another thread may have mapped into the hole stays.
[[nodiscard]] inline bool map_in_place(void* p, std::size_t bytes, int fixed) {
  void* mapped = ::mmap(p, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
  if (mapped == p) {
    ::madvise(p, bytes, MADV_NOHUGEPAGE);
    return true;
  }
  if (mapped != MAP_FAILED) ::munmap(mapped, bytes);  // before Linux 4.17 NOREPLACE is a hint only
  return false;
}

// Whether no part of the range is a hole.
inline bool is_mapped(void* p, std::size_t bytes) { return ::msync(p, bytes, MS_ASYNC) == 0; }

}  // namespace detail

// Copies a range of pages. If `to` is known to read as zero, pages that do so in `from` are left
// out: reading them costs no memory, writing them would.
inline void copy_pages(const void* from, void* to, std::size_t bytes, bool to_is_zero) {
  if (!to_is_zero) {
    std::memcpy(to, from, bytes);
    return;
  }
  const auto* source = static_cast<const char*>(from);
  for (std::size_t at = 0; at < bytes; at += kPageSize) {
    const char* page = source + at;
    if (page[0] == 0 && std::memcmp(page, page + 1, kPageSize - 1) == 0) continue;
    std::memcpy(static_cast<char*>(to) + at, page, kPageSize);
  }
}

enum class Moved {
  kYes,
  kNo,          // the kernel refused; `from` is as it was, `to` is mapped
  kTargetLost,  // as kNo, but addresses of `to` are no longer ours and must not be used
};

// Moves the memory of [from, from+bytes) to [to, to+bytes) without copying it. [to, to+room) is
// then one mapping that can never merge with its neighbours (remap undoes that); its remainder
// reads as zero. `from` stays mapped and reads as zero. Both ranges must be mapped, may not overlap
// and `to` must hold nothing of value. Needs Linux 5.7, and `from` must lie in one mapping.
//
// In two steps, for two reasons. A single mremap cannot both keep `from` mapped and make the target
// larger, so that every block would end up as two mappings. And what a mremap to a fixed address
// refuses, for example memory in several mappings, kernels before 6.17 refuse only after they have
// unmapped the target; the first step has no target that could be lost.
[[nodiscard]] inline Moved move_pages(void* from, std::size_t bytes, void* to, std::size_t room) {
#ifdef MREMAP_DONTUNMAP
  // The last argument is a hint, which DONTUNMAP reads even without FIXED.
  void* lifted = ::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr);
  if (lifted == MAP_FAILED) return Moved::kNo;
  if (::mremap(lifted, bytes, room, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to) return Moved::kYes;
  copy_pages(lifted, from, bytes, true);
  ::munmap(lifted, bytes);
  const bool whole =
      detail::is_mapped(to, room) || detail::map_in_place(to, room, MAP_FIXED_NOREPLACE);
  return whole ? Moved::kNo : Moved::kTargetLost;
#else
  (void)from, (void)bytes, (void)to, (void)room;
  return Moved::kNo;
#endif
}

// Maps a moved range anew, which gives its memory back and lets it merge with its neighbours again.
// False when the kernel refuses and the addresses are no longer ours. (If it refuses and the old
// mapping still stands, that is as good: it only stays a mapping of its own.)
[[nodiscard]] inline bool remap(void* p, std::size_t bytes) {
  return detail::map_in_place(p, bytes, MAP_FIXED) || detail::is_mapped(p, bytes);
}

}  // namespace hz3::os
