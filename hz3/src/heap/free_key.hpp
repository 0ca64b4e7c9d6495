// Box S319. A double free is noticed when it happens, before the block can get two owners.
//
// HZ3_S319_FREE_KEY 1, the key: the second word of a block that the program has freed holds the
// process's random key mixed with the block's address, wherever the block lies, until it is handed
// out again. A free that finds it there is looked into. 2, the top: a free is compared with the
// block on top of its bin, which finds only the commonest case, two frees in a row.
//
// Invariant of the key: a block that was handed out does not carry it, so a live block that does
// was written with it on purpose.
#pragma once

#include <sys/random.h>

#include "heap/bin.hpp"
#include "heap/central.hpp"

namespace hz3 {

inline constexpr bool kHasFreeKey = flag::S319_FREE_KEY == 1;
inline constexpr bool kHasTopCheck = flag::S319_FREE_KEY == 2;

// Not zero from the start, so that it lies beside the other word every free reads.
inline constinit std::uint64_t g_free_key = 0x9e3779b97f4a7c15;

// Once, before the first block is marked. Early in the system's start there may be no randomness;
// an address is a little of it.
inline void choose_free_key() {
  if constexpr (!kHasFreeKey) return;
  std::uint64_t key = 0;
  if (::getrandom(&key, sizeof key, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof key))
    key = reinterpret_cast<std::uintptr_t>(&key);
  g_free_key ^= key;
}

namespace detail {

inline std::uint64_t& mark_of(void* block) { return static_cast<std::uint64_t*>(block)[1]; }
inline std::uint64_t free_mark(void* block) {
  return g_free_key ^ reinterpret_cast<std::uintptr_t>(block);
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
  const char* where = "in the cache of another thread, or on its way";
  const auto offset = static_cast<std::size_t>(static_cast<char*>(block) - start);
  if (offset % kSizeClasses[c].size != 0)
    fatal("invalid free: pointer into the middle of a block", block);
  if (holds(bin, block))
    where = "in this thread's cache";
  else if (detail::is_in_run(static_cast<std::uint32_t>(offset / kSizeClasses[c].size), segment,
                             run))
    where = "in its run";
  LineWriter line;
  line.text("hz3: double free: the block is free already, ").text(where).text("; class of ");
  line.decimal(kSizeClasses[c].size).text(" bytes, run at ");
  line.hex(reinterpret_cast<std::uintptr_t>(start)).text(", block at ");
  line.hex(reinterpret_cast<std::uintptr_t>(block)).write_to(STDERR_FILENO);
  std::abort();
}

}  // namespace hz3
