// Box S309. Pages kept at thread exit: a shard may keep so many free pages that hold memory, so
// that short-lived threads do not fault in the same pages again and again.
#pragma once

#include "heap/shard.hpp"

namespace hz3 {

// Whether the shard holds more free pages than it may keep. Counts no further than needed. The
// caller holds the shard's lock.
inline bool worth_purging(const Shard& shard) {
  std::uint32_t pages = 0;
  for (const List<Segment>& list : shard.segments) {
    for (const Segment* s = list.front(); s != nullptr; s = s->next) {
      pages += (s->free_bits & s->dirty_bits).count();
      if (pages > static_cast<std::uint32_t>(flag::S309_EXIT_KEEP_PAGES)) return true;
    }
  }
  return flag::S309_EXIT_KEEP_PAGES == 0;
}

}  // namespace hz3
