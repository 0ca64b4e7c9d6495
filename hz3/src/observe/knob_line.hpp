// The line that reads the knobs back at exit, in builds that print lines: [HZ3_KNOBS] name=value …,
// when one of them is not as it was built. So whoever set one has proof that it was followed.
#pragma once

#include "config/knobs.hpp"
#include "os/fatal.hpp"

namespace hz3 {

inline void print_knobs() {
  bool changed = false;
  LineWriter line;
  line.text("[HZ3_KNOBS]");
  for (std::uint32_t i = 0; i < knob::kKnobs; ++i) {
    if (!knob::kSpecs[i].exists) continue;
    const std::uint64_t value = knob::value(static_cast<knob::Name>(i));
    line.text(" ").text(knob::kSpecs[i].name).text("=").decimal(value);
    changed |= value != knob::kSpecs[i].initial;
  }
  if (changed) line.write_to(2);
}

}  // namespace hz3
