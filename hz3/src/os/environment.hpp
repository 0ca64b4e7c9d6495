// Knobs from the environment: HZ3_<NAME>=number, read once, when the first thread attaches or, if
// the C library had no environment yet, when the library's constructor runs. Needs no memory and no
// function of the C library. Programs with raised privileges (AT_SECURE) keep the values they were
// built with.
//
// What cannot be followed is said in one line on stderr and leaves the knob as it was: a variable
// of that form that is no knob, one that is a compile-time flag, and a value that is no number or
// out of range.
#pragma once

#include <sys/auxv.h>
#include <unistd.h>

#include <atomic>

#include "config/knobs.hpp"
#include "os/fatal.hpp"

namespace hz3 {

namespace detail {

// Whether `entry`, NAME=value, has that name.
inline bool names(const char* entry, const char* name) {
  while (*name != '\0' && *entry == *name) ++entry, ++name;
  return *name == '\0' && *entry == '=';
}

template <std::size_t n>
bool names_any(const char* entry, const char* const (&list)[n]) {
  for (const char* name : list) {
    if (names(entry, name)) return true;
  }
  return false;
}

// Decimal digits and nothing else; false also when the number does not fit.
inline bool parse_number(const char* text, std::uint64_t& number) {
  number = 0;
  const char* digit = text;
  for (; *digit >= '0' && *digit <= '9'; ++digit) {
    if (__builtin_mul_overflow(number, std::uint64_t{10}, &number)) return false;
    if (__builtin_add_overflow(number, static_cast<std::uint64_t>(*digit - '0'), &number))
      return false;
  }
  return digit != text && *digit == '\0';
}

inline void set_from_environment(const char* entry) {
  std::uint32_t knob = 0;
  while (knob < knob::kKnobs && !names(entry, knob::kSpecs[knob].environment)) ++knob;
  char shown[80] = {};  // the rest of a long value would push the reason out of the line
  for (std::uint32_t i = 0; i + 1 < sizeof shown && entry[i] != '\0'; ++i) shown[i] = entry[i];
  LineWriter line;
  line.text("hz3: environment: ").text(shown);
  if (knob < knob::kKnobs && knob::kSpecs[knob].exists) {
    const knob::Spec& spec = knob::kSpecs[knob];
    const char* value = entry;
    while (*value != '=') ++value;
    std::uint64_t number = 0;
    if (parse_number(value + 1, number) && knob::set(knob, number) == knob::Result::kSet) return;
    line.text(": give a number from ").decimal(spec.low).text(" to ").decimal(spec.high);
    line.text("; it stays ").decimal(knob::value(static_cast<knob::Name>(knob)));
  } else if (knob < knob::kKnobs) {
    line.text(": this build has no box that looks at it; ignored");
  } else if (names_any(entry, knob::kFlagNames)) {
    line.text(": a flag is chosen when the library is built; ignored");
  } else {
    line.text(": no such knob; ignored");
  }
  line.write_to(STDERR_FILENO);
}

inline constinit std::atomic<bool> g_environment_read{false};

}  // namespace detail

inline void read_environment_once() {
  if (detail::g_environment_read.load(std::memory_order_relaxed) || environ == nullptr) return;
  if (detail::g_environment_read.exchange(true)) return;
  if (getauxval(AT_SECURE) != 0) return;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const char* e = *entry;
    if (e[0] != 'H' || e[1] != 'Z' || e[2] != '3' || e[3] != '_') continue;
    if (!detail::names_any(e, knob::kEnvironmentOfOthers)) detail::set_from_environment(e);
  }
}

}  // namespace hz3
