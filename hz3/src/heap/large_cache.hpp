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
#include "heap/span_pieces.hpp"
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
          add({span, bytes, now_ms});
          return true;
        }
        oldest = count_ < kEntries ? trim(bytes_ + bytes - capacity) : remove(0);
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
      if (has < slots || (has > most && !may_cut(entries_[i].span))) continue;
      if (best == count_ || has <= entries_[best].span.slots) best = i;
    }
    if (best == count_) return {};
    if (entries_[best].span.slots > slots && may_cut(entries_[best].span))
      return cut_front(entries_[best], slots, resident);
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

  os::Lock& lock() { return lock_; }

  // In a forked child: forgets every span if a dead thread may have left the list half changed.
  // Returns whether it did; the spans' head slots are kLargeCached still.
  bool repair_child() {
    if (!lock_.reset()) return false;
    __atomic_store_n(&count_, 0u, __ATOMIC_RELAXED);
    bytes_ = 0;
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

  Span remove(std::uint32_t index) {
    const Span span = entries_[index].span;
    bytes_ -= entries_[index].bytes;
    for (std::uint32_t i = index + 1; i < count_; ++i) entries_[i - 1] = entries_[i];
    set_count(count_ - 1);
    return span;
  }

  // Adds an entry, joined with its neighbours if they wait here; the age is that of the oldest.
  void add(Entry entry) {
    for (std::uint32_t i = 0; flag::S316_PIECES && i < count_; ++i) {
      Entry before = entries_[i];
      if (join_spans(before.span, before.bytes, entry.span, entry.bytes))
        entry.span = before.span, entry.bytes = before.bytes;
      else if (!join_spans(entry.span, entry.bytes, before.span, before.bytes))
        continue;
      entry.freed_ms = before.freed_ms < entry.freed_ms ? before.freed_ms : entry.freed_ms;
      remove(i);
      i = UINT32_MAX;  // once more from the start: there may be one at the other end
    }
    std::uint32_t at = count_;
    for (; at > 0 && entries_[at - 1].freed_ms > entry.freed_ms; --at)
      entries_[at] = entries_[at - 1];
    entries_[at] = entry;
    bytes_ += entry.bytes;
    set_count(count_ + 1);
  }

  // The first `slots` slots of an entry that has more; the rest stays.
  Span cut_front(Entry& entry, std::size_t slots, std::size_t& resident) {
    g_piece_stats.cuts.add(1);
    Span front = entry.span;
    bytes_ -= entry.bytes;
    resident = entry.bytes;
    entry.span = cut_span(front, resident, slots, entry.bytes);
    bytes_ += entry.bytes;
    return front;
  }

  // Removes the oldest entry, or so much of its end that `over` bytes go.
  Span trim(std::size_t over) {
    Entry& oldest = entries_[0];
    const std::size_t slots = (over + kSegmentSize - 1) >> kSegmentShift;
    if (oldest.span.slots <= slots || !may_cut(oldest.span)) return remove(0);
    g_piece_stats.trims.add(1);
    std::size_t gone = 0;
    const Span tail = cut_span(oldest.span, oldest.bytes, oldest.span.slots - slots, gone);
    bytes_ -= gone;
    return tail;
  }

  os::Lock lock_;
  std::uint32_t count_ = 0;
  std::size_t bytes_ = 0;
  Entry entries_[kEntries] = {};  // oldest first
};

inline constinit LargeCache g_large_cache;

// Returns what has been cached for too long.
inline void expire_large_cache(std::uint64_t now_ms) {
  const auto age = knob::value(knob::Name::large_cache_ms);
  g_large_cache.expire(now_ms < age ? 0 : now_ms - age);
}

}  // namespace hz3
