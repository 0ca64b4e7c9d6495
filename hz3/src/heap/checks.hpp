// What is looked at when the program hands a block back, before anything is done with it: boxes
// S319 (was it freed before), S330 (does a block start there) and S332 (did something write past
// its end).
//
// HZ3_S330_POINTER_CHECK. The page map says only which class the blocks of a page have; the box
// looks the run up and refuses what is not exactly the start of one of its blocks. Without it such
// a pointer is found when the block reaches its run.
#pragma once

#include "heap/canary.hpp"
#include "heap/free_key.hpp"

namespace hz3 {

inline constexpr bool kChecksBlocks = flag::S330_POINTER_CHECK || kHasCanary;

namespace detail {

// Whether a block starts at p, which lies in a page of class c. `carved` may be growing meanwhile,
// by other blocks.
[[gnu::no_sanitize("thread")]] inline bool starts_block(const void* p, std::uint32_t c) {
  Segment& segment = segment_of(p);
  const Run& run = run_of(segment, p);
  const SizeClass& info = kSizeClasses[c];
  const char* start = page_address(segment, first_page(segment, run));
  const auto offset = static_cast<std::uint64_t>(static_cast<const char*>(p) - start);
  const std::uint64_t index = (offset * info.reciprocal) >> 32;
  return index * info.size == offset && index < run.carved;
}

inline void check_start(void* p, std::uint32_t c) {
  if constexpr (!flag::S330_POINTER_CHECK) return;
  if (!starts_block(p, c)) [[unlikely]]
    stop_misuse(reinterpret_cast<std::uintptr_t>(p) % 16 != 0
                    ? "invalid free: misaligned pointer"
                    : "invalid free: pointer into the middle of a block",
                p);
}

}  // namespace detail

// The size of the live block p of class c; stops the program if it is none. `bin` is the caller's
// bin of that class.
inline std::size_t check_block(void* p, std::uint32_t c, const Bin& bin) {
  detail::check_start(p, c);
  if (is_marked_free(p)) [[unlikely]]
    stop_double_free(p, c, bin);
  return size_in_run(p, c);
}

// A sized free: `given` must be the size of the block.
inline void check_given_size(void* p, std::size_t given, std::size_t size) {
  if constexpr (!flag::S333_SIZED_CHECK) return;
  if (given != size) [[unlikely]]
    stop_misuse("mismatched sized free: freed as ", given, " bytes, allocated as ", size, p);
}

}  // namespace hz3
