// Ranges of pages that became free, on their way to a later purge: a ring of fixed size in a
// thread's cache. Boxes S60, S64 and S65-1 have one each and differ in what they merge, how long
// they wait and what they do when the ring is full.
//
// An entry is a hint and pins nothing: its pages may be in use again, its segment may be gone, by
// the time it is looked at (purge_freed in release/range_purge.hpp). Only the owning thread touches
// a ring.
#pragma once

#include <cstdint>

namespace hz3 {

struct Segment;
struct Shard;

struct FreedRange {
  Segment* segment;
  Shard* shard;         // that owned the segment
  std::uint32_t epoch;  // in which pages were last added, its low bits
  std::uint16_t page;
  std::uint16_t pages;  // 0: became part of another entry
};

enum class Added { kQueued, kMerged, kFull };

template <std::uint32_t kSize>
class RangeRing {
  static_assert((kSize & (kSize - 1)) == 0, "a power of two");

 public:
  std::uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == kSize; }
  const FreedRange& front() const { return at(0); }
  void pop() {
    first_ = (first_ + 1) & (kSize - 1);
    --count_;
  }

  // Adds a range, as part of one of the `depth` entries that came last if it touches one. A range
  // that closes the gap between two of them makes them one.
  Added add(const FreedRange& range, std::uint32_t depth) {
    FreedRange* whole = nullptr;
    for (std::uint32_t i = 0; i < depth && i < count_; ++i) {
      FreedRange& entry = at(count_ - 1 - i);
      const FreedRange& added = whole == nullptr ? range : *whole;
      if (!touch(entry, added)) continue;
      const bool second = whole != nullptr;
      join(entry, added, range.epoch);
      if (second) whole->pages = 0;
      whole = &entry;
      if (second) break;
    }
    if (whole != nullptr) return Added::kMerged;
    if (full()) return Added::kFull;
    at(count_++) = range;
    return Added::kQueued;
  }

 private:
  FreedRange& at(std::uint32_t i) { return ranges_[(first_ + i) & (kSize - 1)]; }
  const FreedRange& at(std::uint32_t i) const { return ranges_[(first_ + i) & (kSize - 1)]; }

  static bool touch(const FreedRange& a, const FreedRange& b) {
    return a.segment == b.segment && a.pages > 0 && a.page <= b.page + b.pages &&
           b.page <= a.page + a.pages;
  }
  static void join(FreedRange& into, const FreedRange& other, std::uint32_t epoch) {
    const std::uint32_t end = into.page + into.pages;
    const std::uint32_t other_end = other.page + other.pages;
    if (other.page < into.page) into.page = other.page;
    into.pages = static_cast<std::uint16_t>((end > other_end ? end : other_end) - into.page);
    into.epoch = epoch;
  }

  FreedRange ranges_[kSize];
  std::uint32_t first_;
  std::uint32_t count_;
};

}  // namespace hz3
