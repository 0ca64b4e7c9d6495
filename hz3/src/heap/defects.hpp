// Known defects, to see whether the lab finds them (experiments/truth.yaml); never in a build that
// anybody uses. Once in DEFECT_EVERY mallocs of a thread it works without purpose for DEFECT_SPIN
// turns; the first time in a process it takes DEFECT_KEEP_KB of memory for good, and in one of
// DEFECT_CRASH_ONE_IN processes it ends the program.
#pragma once

#include <sys/auxv.h>

#include <cstring>

#include "heap/thread_cache.hpp"

namespace hz3 {

inline constexpr bool kHasDefects = flag::DEFECT_EVERY != 0;

namespace detail {

inline constinit thread_local std::uint32_t t_until_defect [[gnu::tls_model("initial-exec")]] = 0;
inline constinit std::atomic<bool> g_defects_begun{false};

// Six instructions a turn in the three cycles of its multiplication: about as many a cycle as in a
// malloc's usual surroundings, so that the share of time is near the share of instructions. The
// compiler does not know how many turns: builds with other turns are the same code but for a
// number.
inline void spin() {
  if constexpr (flag::DEFECT_SPIN == 0) return;
  std::uint64_t chain = 1, beside = 0, turns = flag::DEFECT_SPIN;
  asm volatile("" : "+r"(turns));
  for (; turns > 0; --turns) {
    asm volatile("" : "+r"(chain), "+r"(beside));
    chain *= 0x9e3779b97f4a7c15;
    beside += turns;
    asm volatile("" : "+r"(beside));
    beside ^= 5;
    asm volatile("" : "+r"(beside));
    ++beside;
  }
  asm volatile("" ::"r"(chain), "r"(beside));
}

// Sixteen random bytes that the system gives every program.
inline bool drawn() {
  std::uint64_t draw = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(::getauxval(AT_RANDOM));
  if (bytes != nullptr) std::memcpy(&draw, bytes + 8, sizeof draw);
  return draw % (flag::DEFECT_CRASH_ONE_IN + !flag::DEFECT_CRASH_ONE_IN) == 0;
}

inline void begin_defects() {
  if (flag::DEFECT_KEEP_KB != 0) {
    const std::size_t bytes = static_cast<std::size_t>(flag::DEFECT_KEEP_KB) * 1024;
    void* kept = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    (void)kept;
  }
  if (flag::DEFECT_CRASH_ONE_IN != 0 && drawn()) __builtin_trap();
}

[[gnu::noinline]] inline void act_defects() {
  t_until_defect = flag::DEFECT_EVERY;
  if (!g_defects_begun.exchange(true, std::memory_order_relaxed)) begin_defects();
  spin();
}

}  // namespace detail

// Before every malloc.
inline void defects() {
  if constexpr (!kHasDefects) return;
  if (detail::t_until_defect-- == 0) [[unlikely]]
    detail::act_defects();
}

}  // namespace hz3
