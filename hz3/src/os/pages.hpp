// Pages from the operating system: reserve address space, make parts of it usable, give the memory
// behind parts of it back. All functions are thread-safe, report failure by their result and leave
// errno changed; callers on an API path restore it (free must not change errno: POSIX.1-2024).
//
// Two sizes of page. The heap counts in pages of kPageSize everywhere; the system's own may be
// larger (16 or 64 KiB on some kernels) and is known only when the program runs. Nothing here takes
// one for the other: what makes memory usable is rounded outwards to whole system pages, what takes
// memory away is rounded inwards, so that a neighbour is never touched.
#pragma once

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "os/fatal.hpp"

namespace hz3::os {

inline constexpr std::size_t kPageSize = 4096;  // of the heap
inline constexpr int kPageShift = 12;
inline constexpr std::size_t kLargestSystemPage = std::size_t{64} << 10;

// From the kernel's auxiliary vector, which needs neither memory nor a system call.
inline std::size_t system_page_size() { return ::getauxval(AT_PAGESZ); }

// The same for the functions below. Set before the first reservation; until then nothing is mapped
// with which the heap's own could be wrong.
inline constinit std::size_t g_system_page = kPageSize;

// A page size that hz3 cannot work with stops the program, at its first allocation, with one line.
inline void learn_page_size() {
  const std::size_t size = system_page_size();
  if (size < kPageSize || size > kLargestSystemPage || (size & (size - 1)) != 0) {
    LineWriter line;
    line.text("hz3: this system has pages of ").decimal(size).text(" bytes; hz3 works with pages ");
    line.text("from ").decimal(kPageSize).text(" to ").decimal(kLargestSystemPage).text(" bytes");
    line.write_to(STDERR_FILENO);
    std::abort();
  }
  g_system_page = size;
}

// A range of addresses as the kernel takes it.
struct PageRange {
  char* start;
  std::size_t bytes;
};

inline PageRange pages_around(void* p, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const std::uintptr_t start = address & ~(g_system_page - 1);
  const std::uintptr_t end = (address + bytes + g_system_page - 1) & ~(g_system_page - 1);
  return {reinterpret_cast<char*>(start), end - start};
}

inline PageRange pages_within(void* p, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const std::uintptr_t start = (address + g_system_page - 1) & ~(g_system_page - 1);
  const std::uintptr_t end = (address + bytes) & ~(g_system_page - 1);
  return {reinterpret_cast<char*>(start), end > start ? end - start : 0};
}

inline std::size_t round_to_system_pages(std::size_t bytes) {
  return (bytes + g_system_page - 1) & ~(g_system_page - 1);
}

// Address space only: no memory, no commit charge. At `near` if it is free and not null, else where
// the system likes. nullptr when the system refuses.
inline void* reserve(std::size_t bytes, void* near = nullptr) {
  void* p = ::mmap(near, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  // Whatever the system's policy, hz3 returns single pages; a huge page would have to be split for
  // that (17 us) or would be formed again behind our back. Set on the mapping, not by prctl, which
  // every child process would inherit. A kernel without huge pages refuses, and that is fine.
  ::madvise(p, bytes, MADV_NOHUGEPAGE);
  return p;
}

// Gives addresses and the memory behind them back. False when the system has no room to split a
// mapping; the range is then as it was.
inline bool unreserve(void* p, std::size_t bytes) { return ::munmap(p, bytes) == 0; }

// As reserve(), at a multiple of `alignment` (a power of two of at least a system page). What is
// mapped to find such a place is given back.
inline void* reserve_aligned(std::size_t bytes, std::size_t alignment, void* near = nullptr) {
  const auto aligned = [&](void* p) {
    return (reinterpret_cast<std::uintptr_t>(p) & (alignment - 1)) == 0;
  };
  if (near != nullptr) {
    void* p = reserve(bytes, near);
    if (p == nullptr) return nullptr;
    if (aligned(p)) return p;
    unreserve(p, bytes);
  }
  std::size_t whole = 0;
  if (__builtin_add_overflow(bytes, alignment - g_system_page, &whole)) return nullptr;
  auto* p = static_cast<char*>(reserve(whole));
  if (p == nullptr) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const std::size_t head = ((address + alignment - 1) & ~(alignment - 1)) - address;
  const std::size_t tail = whole - head - bytes;
  if (head != 0) unreserve(p, head);
  if (tail != 0) unreserve(p + head + bytes, tail);
  return p + head;
}

// Makes reserved addresses readable; they read as zero, and cost neither memory nor commit charge.
[[nodiscard]] inline bool make_readable(void* p, std::size_t bytes) {
  const PageRange range = pages_around(p, bytes);
  return ::mprotect(range.start, range.bytes, PROT_READ) == 0;
}

// Makes reserved addresses readable and writable; they read as zero until written.
[[nodiscard]] inline bool commit(void* p, std::size_t bytes) {
  const PageRange range = pages_around(p, bytes);
  return ::mprotect(range.start, range.bytes, PROT_READ | PROT_WRITE) == 0;
}

// Makes addresses that can be used inaccessible again; what is behind them stays.
inline void forbid(void* p, std::size_t bytes) {
  const PageRange range = pages_within(p, bytes);
  (void)!::mprotect(range.start, range.bytes, PROT_NONE);
}

// After mlockall(MCL_FUTURE) making addresses usable would make all of them resident at once, used
// or not. Asks the kernel to lock each page of the range when it is first touched instead. Nothing
// happens to memory that is not locked. The range must be reserved and not committed: whether it is
// locked shows in that DONTNEED is refused.
inline void lock_on_touch_if_locked(void* p, std::size_t bytes) {
  constexpr unsigned kOnFault = 1;  // MLOCK_ONFAULT, since Linux 4.4; older headers do not name it
  if (::madvise(p, bytes, MADV_DONTNEED) != 0 && errno == EINVAL)
    ::syscall(SYS_mlock2, p, bytes, kOnFault);
}

// Gives the memory behind the range back, as far as it covers whole system pages; those read as
// zero afterwards, the rest is left alone. Always DONTNEED: pages freed with MADV_FREE still count
// as resident and may keep old bytes. Fails (EINVAL) on locked memory.
[[nodiscard]] inline bool purge(void* p, std::size_t bytes) {
  const PageRange range = pages_within(p, bytes);
  return range.bytes == 0 || ::madvise(range.start, range.bytes, MADV_DONTNEED) == 0;
}

// Bytes of the range that are resident: of it all when the system does not say.
inline std::size_t count_resident(void* p, std::size_t bytes) {
  unsigned char pages[1024];
  std::size_t resident = 0;
  const PageRange range = pages_around(p, bytes);
  const std::size_t step = sizeof pages * g_system_page;
  for (std::size_t at = 0; at < range.bytes; at += step) {
    const std::size_t some = range.bytes - at < step ? range.bytes - at : step;
    if (::mincore(range.start + at, some, pages) != 0) return bytes;
    for (std::size_t i = 0; i < some / g_system_page; ++i) resident += pages[i] & 1u;
  }
  return resident * g_system_page;
}

// Faults a range in with one call, at about half the price of touching its pages one by one. Only a
// hint: a kernel without it (before Linux 5.14) or without memory leaves the pages to be touched.
inline void populate(void* p, std::size_t bytes) {
  const PageRange range = pages_around(p, bytes);
#ifdef MADV_POPULATE_WRITE
  ::madvise(range.start, range.bytes, MADV_POPULATE_WRITE);
#else
  ::madvise(range.start, range.bytes, 23);  // its number since 5.14; older headers do not name it
#endif
}

// Whether no part of the range is a hole.
inline bool is_mapped(void* p, std::size_t bytes) {
  const PageRange range = pages_around(p, bytes);
  return ::msync(range.start, range.bytes, MS_ASYNC) == 0;
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
  const bool whole = is_mapped(to, room) || detail::map_in_place(to, room, MAP_FIXED_NOREPLACE);
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
  return detail::map_in_place(p, bytes, MAP_FIXED) || is_mapped(p, bytes);
}

}  // namespace hz3::os
