// The large cache: spans of freed large blocks that keep their memory for a moment, because a
// program that frees a large block often wants one of that size again, and returning and faulting 1
// MiB costs about half a millisecond.
//
// Bounded three ways: by bytes (HZ3_LARGE_CACHE_BYTES), by entries, and by age: every large
// operation, every thread's epoch and every thread exit returns what has lain here longer than
// HZ3_LARGE_CACHE_MS. Thread-safe; its lock comes before the arenas'.
//
// Invariant (under the lock): an entry's head slot has kind kLargeCached, so it is no live block,
// and no other list knows its slots.
#pragma once

#include "heap/arena.hpp"
#include "os/clock.hpp"

namespace hz3 {

struct CachedSpan {
  Arena* arena;
  std::size_t slot;
  std::uint32_t slots;
  std::size_t bytes;       // that may be resident
  std::uint64_t freed_ms;  // when it came here
};

class LargeCache {
 public:
  // Keeps a span; false when it is too large, so that the caller returns it.
  bool put(Arena& arena, std::size_t slot, std::uint32_t slots, std::size_t bytes,
           std::uint64_t now_ms) {
    if (bytes > kCapacity) return false;
    os::LockGuard guard(lock_);
    while (count_ == kEntries || bytes_ + bytes > kCapacity) release_oldest();
    set_kind(arena.table[slot], SlotKind::kLargeCached);
    spans_[count_] = {&arena, slot, slots, bytes, now_ms};
    __atomic_store_n(&count_, count_ + 1, __ATOMIC_RELAXED);
    bytes_ += bytes;
    return true;
  }

  // The best fitting span of at least `slots` slots and at most a quarter more; arena is nullptr if
  // there is none. The span may hold old bytes.
  CachedSpan take(std::size_t slots) {
    if (kCapacity == 0) return {};
    os::LockGuard guard(lock_);
    std::uint32_t best = count_;
    for (std::uint32_t i = 0; i < count_; ++i) {
      if (spans_[i].slots < slots || spans_[i].slots > slots + slots / 4) continue;
      if (best == count_ || spans_[i].slots <= spans_[best].slots) best = i;
    }
    if (best == count_) return {};
    const CachedSpan span = spans_[best];
    remove(best);
    return span;
  }

  // Returns spans that came before `before_ms`; all of them for UINT64_MAX.
  void expire(std::uint64_t before_ms) {
    if (__atomic_load_n(&count_, __ATOMIC_RELAXED) == 0) return;
    os::LockGuard guard(lock_);
    while (count_ > 0 && spans_[0].freed_ms < before_ms) release_oldest();
  }

  os::Lock& lock() { return lock_; }

 private:
  static constexpr std::uint32_t kEntries = 64;
  static constexpr std::size_t kCapacity = static_cast<std::size_t>(flag::LARGE_CACHE_BYTES);

  void remove(std::uint32_t index) {
    bytes_ -= spans_[index].bytes;
    for (std::uint32_t i = index + 1; i < count_; ++i) spans_[i - 1] = spans_[i];
    __atomic_store_n(&count_, count_ - 1, __ATOMIC_RELAXED);
  }
  void release_oldest() {
    const CachedSpan span = spans_[0];
    remove(0);
    release_slots(*span.arena, span.slot, span.slots);
  }

  os::Lock lock_;
  std::uint32_t count_ = 0;
  std::size_t bytes_ = 0;
  CachedSpan spans_[kEntries] = {};  // oldest first
};

inline constinit LargeCache g_large_cache;

// Returns what has been cached for too long.
inline void expire_large_cache(std::uint64_t now_ms) {
  const auto age = static_cast<std::uint64_t>(flag::LARGE_CACHE_MS);
  g_large_cache.expire(now_ms < age ? 0 : now_ms - age);
}

}  // namespace hz3
