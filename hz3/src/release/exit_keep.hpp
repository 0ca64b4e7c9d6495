// Box S309. Pages kept at thread exit: a shard may keep so many free pages that hold memory, so
// that short-lived threads do not fault in the same pages again and again.
#pragma once

#include "config/knobs.hpp"
#include "heap/run_bitmap.hpp"
#include "heap/shard.hpp"

namespace hz3 {

// Whether the shard holds more idle pages than it may keep. Counts no further than needed. The
// caller holds the shard's lock.
inline bool worth_purging(const Shard& shard) {
  const std::uint64_t keep = knob::value(knob::Name::exit_keep_pages);
  std::uint64_t pages = 0;
  for (const List<Segment>& list : shard.segments) {
    for (const Segment* s = list.front(); s != nullptr; s = s->next) {
      pages += (idle_pages(*s) & s->dirty_bits).count();
      if (pages > keep) return true;
    }
  }
  return keep == 0;
}

}  // namespace hz3
