// The large cache: spans of freed large blocks that keep their memory for a moment, because a
// program that frees a large block often wants one of that size again, and returning and faulting 1
// MiB costs about half a millisecond.
//
// Bounded three ways: by bytes (the knob large_cache_bytes), by entries, and by age: every large
// operation, every thread's epoch and every thread exit returns what has lain here longer than
// large_cache_ms. Thread-safe; its lock comes before the arenas'. Memory goes back outside of
// the lock, which others take meanwhile.
//
// Box S322. With many threads blocked at once nobody comes to look at ages, so the cache also holds
// no more than half of what lives in large blocks: when a program frees them all, all goes back. A
// program that wants one again within kSoonMs regrets what went meanwhile; so much may stay from
// then on, until there was no regret for kForgetMs.
//
// Invariant (under the lock): an entry's head slot has kind kLargeCached, so it is no live block,
// and no other list knows its slots. A span on its way back to the arena has that kind still.
#pragma once

#include <atomic>

#include "config/knobs.hpp"
#include "heap/span.hpp"
#include "os/clock.hpp"

namespace hz3 {

class LargeCache {
 public:
  // Keeps a span of which `bytes` may be resident; false when that is too much, so that the caller
  // returns it.
  bool put(const Span& span, std::size_t bytes, std::uint64_t now_ms) {
    if (bytes > knob::value(knob::Name::large_cache_bytes)) return false;
    for (;;) {
      Span oldest;
      {
        os::LockGuard guard(lock_);
        const std::uint64_t capacity = capacity_at(now_ms);
        if (count_ == 0 && bytes > capacity) {
          note_released(bytes, now_ms);
          return false;
        }
        if (count_ < kEntries && bytes_ + bytes <= capacity) {
          set_kind(span.head(), SlotKind::kLargeCached);
          entries_[count_] = {span, bytes, now_ms};
          set_count(count_ + 1);
          set_bytes(bytes_ + bytes);
          return true;
        }
        note_released(entries_[0].bytes, now_ms);
        oldest = remove(0);
      }
      release_span(oldest);
    }
  }

  // The best fitting span of at least `slots` slots and at most HZ3_LARGE_CACHE_FIT percent more;
  // arena is nullptr if there is none. The span may hold old bytes, up to `resident`.
  Span take(std::size_t slots, std::size_t& resident) {
    if (__atomic_load_n(&count_, __ATOMIC_RELAXED) == 0 &&
        __atomic_load_n(&released_, __ATOMIC_RELAXED) == 0)
      return {};
    const std::size_t most = slots + slots * static_cast<std::size_t>(flag::LARGE_CACHE_FIT) / 100;
    os::LockGuard guard(lock_);
    std::uint32_t best = count_;
    for (std::uint32_t i = 0; i < count_; ++i) {
      const std::size_t has = entries_[i].span.slots;
      if (has < slots || has > most) continue;
      if (best == count_ || has <= entries_[best].span.slots) best = i;
    }
    if (best < count_) {
      resident = entries_[best].bytes;
      return remove(best);
    }
    regret(os::now_ms());
    return {};
  }

  // Large blocks came into being, grew, shrank or were freed by so many bytes in all.
  void count_live(std::int64_t bytes) {
    if constexpr (flag::S322_LARGE_REGRET) live_.fetch_add(bytes, std::memory_order_relaxed);
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

  static constexpr std::uint64_t kSoonMs = 50;
  static constexpr std::uint64_t kForgetMs = 1000;

  // Bytes that may wait here.
  std::uint64_t capacity_at(std::uint64_t now_ms) {
    const std::uint64_t most = knob::value(knob::Name::large_cache_bytes);
    if constexpr (!flag::S322_LARGE_REGRET) return most;
    if (now_ms - regret_ms_ > kForgetMs) allowance_ = 0;
    const std::int64_t live = live_.load(std::memory_order_relaxed);
    std::uint64_t bytes = live > 0 ? static_cast<std::uint64_t>(live) / 2 : 0;
    if (bytes < allowance_) bytes = allowance_;
    return bytes < most ? bytes : most;
  }

  void note_released(std::uint64_t bytes, std::uint64_t now_ms) {
    if constexpr (!flag::S322_LARGE_REGRET) return;
    if (now_ms - released_ms_ <= kSoonMs) bytes += released_;
    __atomic_store_n(&released_, bytes, __ATOMIC_RELAXED);
    released_ms_ = now_ms;
  }

  void regret(std::uint64_t now_ms) {
    if (released_ == 0) return;
    if (now_ms - released_ms_ <= kSoonMs) {
      allowance_ = allowance_ > bytes_ + released_ ? allowance_ : bytes_ + released_;
      regret_ms_ = now_ms;
    }
    __atomic_store_n(&released_, std::uint64_t{0}, __ATOMIC_RELAXED);
  }

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
  std::atomic<std::int64_t> live_{0};  // bytes of large blocks that the program has
  std::uint64_t released_ = 0;         // bytes that went for want of capacity within kSoonMs,
  std::uint64_t released_ms_ = 0;      // the last of them then; read without the lock, as a hint
  std::uint64_t allowance_ = 0;        // bytes that may stay after a regret,
  std::uint64_t regret_ms_ = 0;        // the last of which was then
  Entry entries_[kEntries] = {};       // oldest first
};

inline constinit LargeCache g_large_cache;

// Returns what has been cached for too long.
inline void expire_large_cache(std::uint64_t now_ms) {
  const auto age = knob::value(knob::Name::large_cache_ms);
  g_large_cache.expire(now_ms < age ? 0 : now_ms - age);
}

}  // namespace hz3
