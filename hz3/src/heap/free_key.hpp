// Box S319. A double free is noticed when it happens, before the block can get two owners.
//
// HZ3_S319_FREE_KEY 1, the key: the second word of a block that the program has freed holds the
// process's secret mixed with the block's address, wherever the block lies, until it is handed
// out again. A free that finds it there is looked into. 2, the top: a free is compared with the
// block on top of its bin, which finds only the commonest case, two frees in a row.
//
// Invariant of the key: a block that was handed out does not carry it, so a live block that does
// was written with it on purpose.
#pragma once

#include "heap/bin.hpp"
#include "heap/central.hpp"
#include "heap/misuse.hpp"

namespace hz3 {

inline constexpr bool kHasFreeKey = flag::S319_FREE_KEY == 1;
inline constexpr bool kHasTopCheck = flag::S319_FREE_KEY == 2;

namespace detail {

inline std::uint64_t& mark_of(void* block) { return static_cast<std::uint64_t*>(block)[1]; }
inline std::uint64_t free_mark(void* block) {
  return os::g_secret ^ reinterpret_cast<std::uintptr_t>(block);
}

}  // namespace detail

inline bool is_marked_free(void* block) {
  if constexpr (!kHasFreeKey) return false;
  return detail::mark_of(block) == detail::free_mark(block);
}
inline void mark_free(void* block) {
  if constexpr (kHasFreeKey) detail::mark_of(block) = detail::free_mark(block);
}
inline void mark_live(void* block) {
  if constexpr (kHasFreeKey) detail::mark_of(block) = 0;
}

namespace detail {

inline bool is_in_run(std::uint32_t index, Segment& segment, Run& run) {
  if (segment.magic != kSegmentMagic || segment.owner == nullptr) return false;
  os::LockGuard guard(segment.owner->lock);
  return RunBlocks::holds(segment, run, index);
}

}  // namespace detail

// Stops the program: `block`, of class c, has been freed before. `bin` is the caller's, of that
// class. Where the block lies now helps to find who freed it.
[[noreturn, gnu::cold, gnu::noinline]] inline void stop_double_free(void* block, std::uint32_t c,
                                                                    const Bin& bin) {
  Segment& segment = segment_of(block);
  Run& run = run_of(segment, block);
  const char* start = page_address(segment, first_page(segment, run));
  const auto offset = static_cast<std::size_t>(static_cast<char*>(block) - start);
  if (offset % kSizeClasses[c].size != 0)
    stop_misuse("invalid free: pointer into the middle of a block", block);
  if (holds(bin, block))
    stop_misuse("double free: the block is free already, in this thread's cache", block);
  const auto index = static_cast<std::uint32_t>(offset / kSizeClasses[c].size);
  if (detail::is_in_run(index, segment, run))
    stop_misuse("double free: the block is free already, in its run", block);
  stop_misuse(
      "double free: the block is free already, in the cache of another thread, or on its way",
      block);
}

}  // namespace hz3
