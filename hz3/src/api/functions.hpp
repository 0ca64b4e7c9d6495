// hz3's public functions, under their own names. The C library's names are aliases of these
// (malloc_family.hpp), so both spellings run the same code.
#pragma once

#include <cstring>

#include "heap/heap.hpp"
#include "hz3/hz3.h"
#include "release/trim.hpp"

namespace hz3 {

// The record as data, readable from the file without running it: harness and `readelf -p
// .hz3.build`.
[[gnu::section(".hz3.build"), gnu::used,
  gnu::retain]] inline constexpr char kBuildRecord[kBuildRecordBytes] = HZ3_BUILD_RECORD;

constexpr bool is_power_of_two(std::size_t n) { return n != 0 && (n & (n - 1)) == 0; }

namespace detail {

// Shard from which a thread is about to take a block past its bin, a slow path.
[[gnu::noinline]] inline Shard& home_shard(std::uint32_t c) {
  ThreadCache* cache = current_cache();
  if (cache == nullptr) return shared_home();
  tick(*cache);
  count_taken(*cache, c, 1);
  return *cache->home;
}

inline void* allocate_above_page_alignment(std::size_t alignment, std::size_t size) {
  if (alignment <= kMediumMax && size <= kMediumMax) {
    const std::uint32_t c = kClassByPage[(size + os::kPageSize - 1) >> os::kPageShift];
    const std::uint32_t medium = is_medium(c) ? c : kFirstMedium;
    void* run = take_aligned_run(home_shard(medium), medium, alignment);
    if (run != nullptr) mark_live(run);
    return run;
  }
  return large_block(size, alignment, false);
}

inline void* try_aligned(std::size_t alignment, std::size_t size) {
  void* p = nullptr;
  {
    const KeepErrno keep;
    if (alignment > os::kPageSize)
      p = allocate_above_page_alignment(alignment, size);
    else if (size <= kMediumMax)
      p = allocate_class(aligned_class_of(size, alignment));
    else
      p = large_block(size, kSegmentSize, false);
  }
  return p;
}

}  // namespace detail

// Memory at a multiple of `alignment`, a power of two; nullptr with ENOMEM.
inline void* allocate_aligned(std::size_t alignment, std::size_t size) {
  if (size > kSizeLimit) return detail::out_of_memory();
  if (alignment <= 16) return allocate(size);
  if (size == 0) size = 1;
  void* p = detail::try_aligned(alignment, size);
  if (p != nullptr) return p;
  if (!trim_may_help(size, alignment)) return detail::out_of_memory();
  return detail::retry_after_trim([=] { return detail::try_aligned(alignment, size); });
}

namespace detail {

// From this size on calloc asks the central store for clean pages: clearing one that is clean costs
// more than a visit there, and makes memory resident that the program may never touch.
inline constexpr std::size_t kZeroedRunMin = 16384;

[[gnu::noinline]] inline void* allocate_zeroed_run(std::size_t bytes) {
  const std::uint32_t c = kClassByPage[(bytes + os::kPageSize - 1) >> os::kPageShift];
  if (count_of(t_cache->bins[c]) > 0) return std::memset(allocate_class(c), 0, bytes);
  const auto attempt = [=] {
    const KeepErrno keep;
    return take_zeroed_run(home_shard(c), c, bytes);
  };
  void* p = attempt();
  return p != nullptr ? p : retry_after_trim(attempt);
}

}  // namespace detail

inline void* allocate_zeroed(std::size_t count, std::size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > kSizeLimit)
    return detail::out_of_memory();
  if (bytes > largest_run()) return detail::allocate_large_or_fail(bytes, true);
  if (bytes >= detail::kZeroedRunMin) return detail::allocate_zeroed_run(bytes);
  void* p = allocate(bytes);
  return p != nullptr ? std::memset(p, 0, bytes) : nullptr;
}

namespace detail {

[[gnu::noinline]] inline void* reallocate_by_copy(void* p, std::size_t old, std::size_t size) {
  void* fresh = allocate(size);
  if (fresh == nullptr) return nullptr;
  std::memcpy(fresh, p, old < size ? old : size);
  deallocate(p);
  return fresh;
}

[[gnu::noinline]] inline void* reallocate_large(const LargeBlock& block, void* p,
                                                std::size_t size) {
  if (size > largest_run()) {
    if (size > kSizeLimit) return out_of_memory();
    const auto attempt = [&] {
      const KeepErrno keep;
      tick_if_attached();
      on_growth();
      return resize_large(block, p, size);
    };
    void* resized = attempt();
    if (resized != nullptr) return resized;
    return trim_may_help(size, kSegmentSize) ? retry_after_trim(attempt) : out_of_memory();
  }
  return reallocate_by_copy(p, block.head->size, size);
}

}  // namespace detail

// As ISO C realloc; size 0 with a block frees it and returns nullptr, as glibc does.
inline void* reallocate(void* p, std::size_t size) {
  if (p == nullptr) return allocate(size);
  if (size == 0) {
    deallocate(p);
    return nullptr;
  }
  if (const std::uint32_t c = class_of_pointer(p); c != 0) {
    if (is_marked_free(p)) stop_double_free(p, c, t_cache->bins[c]);
    const std::size_t old = kSizeClasses[c].size;
    // Stay while the block fits and is not more than twice as large as needed.
    if (size <= old && (size > old / 2 || old <= 64)) return p;
    return detail::reallocate_by_copy(p, old, size);
  }
  const LargeBlock large = find_large(p);
  if (large.head != nullptr) return detail::reallocate_large(large, p, size);
  if (find_arena(p) != nullptr) fatal("invalid realloc: no block starts here", p);
  return realloc_foreign(p, size);
}

}  // namespace hz3

extern "C" {
#define HZ3_PUBLIC [[gnu::visibility("default")]]

HZ3_PUBLIC void* hz3_malloc(size_t size) { return hz3::allocate(size); }

HZ3_PUBLIC void hz3_free(void* p) { hz3::deallocate(p); }

HZ3_PUBLIC void* hz3_calloc(size_t count, size_t size) { return hz3::allocate_zeroed(count, size); }

HZ3_PUBLIC void* hz3_realloc(void* p, size_t size) { return hz3::reallocate(p, size); }

HZ3_PUBLIC void* hz3_aligned_alloc(size_t alignment, size_t size) {
  if (!hz3::is_power_of_two(alignment)) {
    errno = EINVAL;
    return nullptr;
  }
  return hz3::allocate_aligned(alignment, size);
}

HZ3_PUBLIC size_t hz3_usable_size(void* p) { return hz3::usable_size(p); }

HZ3_PUBLIC void hz3_epoch_force(void) {
  const hz3::KeepErrno keep;
  if (hz3::ThreadCache* cache = hz3::detail::current_cache(); cache != nullptr)
    hz3::force_epoch(*cache);
}

HZ3_PUBLIC int hz3_trim(size_t pad) {
  (void)pad;
  const hz3::KeepErrno keep;
  return hz3::trim_all() ? 1 : 0;
}

HZ3_PUBLIC const char* hz3_build_info(void) { return hz3::kBuildRecord; }
}
