// Boxes S309 and S321. Pages kept at thread exit, so that short-lived threads do not fault in the
// same pages again and again.
//
// S309: a shard may keep so many free pages that hold memory. S321: a segment's worth more after a
// regret, that is when a segment was opened right after a purge at exit, which is what a program
// does that starts a thread for each request; for as long as threads end in quick succession.
#pragma once

#include "config/knobs.hpp"
#include "heap/run_bitmap.hpp"
#include "heap/shard.hpp"
#include "release/epoch.hpp"

namespace hz3 {

namespace detail {

// Idle pages of the shard that hold memory, inside runs too; counted no further than to `enough`.
inline std::uint64_t idle_pages_up_to(const Shard& shard, std::uint64_t enough) {
  if constexpr (!flag::S314_RUN_PURGE) return shard.purgeable.load(std::memory_order_relaxed);
  std::uint64_t pages = 0;
  for (const List<Segment>& list : shard.segments) {
    for (const Segment* s = list.front(); s != nullptr && pages <= enough; s = s->next)
      pages += (idle_pages(*s) & s->dirty_bits).count();
  }
  return pages;
}

inline constexpr std::uint32_t kQuickSuccession = 2;  // epochs

inline std::uint32_t kept_after_regret(Shard& shard) {
  if constexpr (!flag::S321_EXIT_REGRET) return 0;
  ShardExits& state = shard.exits;
  const auto now = static_cast<std::uint32_t>(current_epoch());
  state.quick = now - state.last_epoch <= kQuickSuccession;
  if (!state.quick) state.keeps = false;
  state.last_epoch = now;
  return state.keeps ? kUsablePages : 0;
}

}  // namespace detail

// When a thread ends: whether the shard holds more idle pages than it may keep. The caller holds
// the shard's lock.
inline bool worth_purging(Shard& shard) {
  const std::uint64_t keep =
      knob::value(knob::Name::exit_keep_pages) + detail::kept_after_regret(shard);
  const bool worth = keep == 0 || detail::idle_pages_up_to(shard, keep) > keep;
  if (worth) shard.exits.purged = true;
  return worth;
}

// At on_segment_opened, under the shard's lock.
inline void regret_exit_purge(Shard& shard) {
  if constexpr (!flag::S321_EXIT_REGRET) return;
  ShardExits& state = shard.exits;
  if (!state.purged) return;
  state.purged = false;
  const std::uint32_t since = static_cast<std::uint32_t>(current_epoch()) - state.last_epoch;
  state.keeps = since <= detail::kQuickSuccession;
}

}  // namespace hz3
