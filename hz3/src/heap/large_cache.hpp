// The large cache: spans of freed large blocks that keep their memory for a moment, because a
// program that frees a large block often wants one of that size again, and returning and faulting 1
// MiB costs about half a millisecond.
//
// Bounded three ways: by bytes (the knob large_cache_bytes), by entries, and by age: every large
// operation, every thread's epoch and every thread exit returns what has lain here longer than
// large_cache_ms. Thread-safe; its lock comes before the arenas'. Memory goes back outside of
// the lock, which others take meanwhile.
//
// Invariant (under the lock): an entry's head slot has kind kLargeCached, so it is no live block,
// and no other list knows its slots. A span on its way back to the arena has that kind still.
#pragma once

#include "config/knobs.hpp"
#include "heap/span.hpp"
#include "os/clock.hpp"

namespace hz3 {

class LargeCache {
 public:
  // Keeps a span of which `bytes` may be resident; false when that is too much, so that the caller
  // returns it.
  bool put(const Span& span, std::size_t bytes, std::uint64_t now_ms) {
    const std::uint64_t capacity = knob::value(knob::Name::large_cache_bytes);
    if (bytes > capacity) return false;
    for (;;) {
      Span oldest;
      {
        os::LockGuard guard(lock_);
        if (count_ < kEntries && bytes_ + bytes <= capacity) {
          set_kind(span.head(), SlotKind::kLargeCached);
          entries_[count_] = {span, bytes, now_ms};
          set_count(count_ + 1);
          set_bytes(bytes_ + bytes);
          return true;
        }
        oldest = remove(0);
      }
      release_span(oldest);
    }
  }

  // The best fitting span of at least `slots` slots and at most HZ3_LARGE_CACHE_FIT percent more;
  // arena is nullptr if there is none. The span may hold old bytes, up to `resident`.
  Span take(std::size_t slots, std::size_t& resident) {
    if (__atomic_load_n(&count_, __ATOMIC_RELAXED) == 0) return {};
    const std::size_t most = slots + slots * static_cast<std::size_t>(flag::LARGE_CACHE_FIT) / 100;
    os::LockGuard guard(lock_);
    std::uint32_t best = count_;
    for (std::uint32_t i = 0; i < count_; ++i) {
      const std::size_t has = entries_[i].span.slots;
      if (has < slots || has > most) continue;
      if (best == count_ || has <= entries_[best].span.slots) best = i;
    }
    if (best == count_) return {};
    resident = entries_[best].bytes;
    return remove(best);
  }

  // Returns spans that came before `before_ms`; all of them for UINT64_MAX. Whether any memory went
  // back.
  bool expire(std::uint64_t before_ms) {
    bool any = false;
    // No more than it can hold, however fast others fill it.
    for (std::uint32_t i = 0; i < kEntries; ++i) {
      if (__atomic_load_n(&count_, __ATOMIC_RELAXED) == 0) break;
      Span oldest;
      {
        os::LockGuard guard(lock_);
        if (count_ == 0 || entries_[0].freed_ms >= before_ms) break;
        oldest = remove(0);
      }
      any |= release_span(oldest);
    }
    return any;
  }

  // Returns the oldest spans until at most `bytes` may be resident, or `most` bytes went; how many
  // went.
  std::uint64_t release_down_to(std::uint64_t bytes, std::uint64_t most) {
    std::uint64_t gone = 0;
    for (std::uint32_t i = 0; i < kEntries && gone < most; ++i) {
      Span oldest;
      {
        os::LockGuard guard(lock_);
        if (bytes_ <= bytes) break;
        gone += entries_[0].bytes;
        oldest = remove(0);
      }
      release_span(oldest);
    }
    return gone;
  }

  // That may be resident, as a hint.
  std::uint64_t bytes() const { return __atomic_load_n(&bytes_, __ATOMIC_RELAXED); }

  bool is_empty() {
    os::LockGuard guard(lock_);
    return count_ == 0;
  }

  os::Lock& lock() { return lock_; }

  // In a forked child: forgets every span if a dead thread may have left the list half changed.
  // Returns whether it did; the spans' head slots are kLargeCached still.
  bool repair_child() {
    if (!lock_.reset()) return false;
    __atomic_store_n(&count_, 0u, __ATOMIC_RELAXED);
    set_bytes(0);
    return true;
  }

 private:
  struct Entry {
    Span span;
    std::size_t bytes;       // that may be resident
    std::uint64_t freed_ms;  // when it came here
  };
  static constexpr std::uint32_t kEntries = 64;

  void set_count(std::uint32_t count) { __atomic_store_n(&count_, count, __ATOMIC_RELAXED); }

  void set_bytes(std::uint64_t bytes) { __atomic_store_n(&bytes_, bytes, __ATOMIC_RELAXED); }

  Span remove(std::uint32_t index) {
    const Span span = entries_[index].span;
    set_bytes(bytes_ - entries_[index].bytes);
    for (std::uint32_t i = index + 1; i < count_; ++i) entries_[i - 1] = entries_[i];
    set_count(count_ - 1);
    return span;
  }

  os::Lock lock_;
  std::uint32_t count_ = 0;
  std::uint64_t bytes_ = 0;
  Entry entries_[kEntries] = {};  // oldest first
};

inline constinit LargeCache g_large_cache;

// Returns what has been cached for too long.
inline void expire_large_cache(std::uint64_t now_ms) {
  const auto age = knob::value(knob::Name::large_cache_ms);
  g_large_cache.expire(now_ms < age ? 0 : now_ms - age);
}

}  // namespace hz3
