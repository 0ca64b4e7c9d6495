// The public functions of knobs, and the constructor that reads them from the environment in case
// nothing was allocated before.
#pragma once

#include "api/functions.hpp"
#include "observe/report_signal.hpp"
#include "os/environment.hpp"
#include "release/purger.hpp"

static_assert(HZ3_KNOB_SET == static_cast<int>(hz3::knob::Result::kSet));
static_assert(HZ3_KNOB_UNKNOWN == static_cast<int>(hz3::knob::Result::kUnknown));
static_assert(HZ3_KNOB_OUT_OF_RANGE == static_cast<int>(hz3::knob::Result::kOutOfRange));

extern "C" {

HZ3_PUBLIC int hz3_knob_set(const char* name, uint64_t value) {
  const auto result = hz3::knob::set(hz3::knob::find(name), value);
  hz3::install_report_signal();
  if (result == hz3::knob::Result::kSet) hz3::heed_purger_knob();
  return static_cast<int>(result);
}

HZ3_PUBLIC int hz3_knob_get(const char* name, uint64_t* value) {
  const uint32_t knob = hz3::knob::find(name);
  if (knob == hz3::knob::kKnobs) return HZ3_KNOB_UNKNOWN;
  if (value != nullptr) *value = hz3::knob::value(static_cast<hz3::knob::Name>(knob));
  return HZ3_KNOB_SET;
}

HZ3_PUBLIC size_t hz3_knob_list(struct hz3_knob* knobs, size_t room) {
  size_t n = 0;
  for (uint32_t i = 0; i < hz3::knob::kKnobs; ++i) {
    const hz3::knob::Spec& spec = hz3::knob::kSpecs[i];
    if (!spec.exists) continue;
    if (n < room) {
      knobs[n] = {spec.name,
                  spec.environment,
                  spec.meaning,
                  spec.low,
                  spec.high,
                  spec.initial,
                  hz3::knob::value(static_cast<hz3::knob::Name>(i))};
    }
    ++n;
  }
  return n;
}
}

[[gnu::constructor]] static void hz3_read_environment() {
  const hz3::KeepErrno keep;
  hz3::read_environment_once();
  hz3::install_report_signal();
  hz3::heed_purger_knob();
}
