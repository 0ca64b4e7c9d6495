// What boxes remember about a thread, in the thread's cache: one member a box, zero when the thread
// begins, touched by the thread itself only, on slow paths. Apart from the bins, to keep those
// dense.
#pragma once

#include <cstdint>

#include "heap/size_class.hpp"

namespace hz3 {

// Of S58, about a bin.
struct BinHistory {
  std::uint8_t overflows;    // times the bin was full at its largest limit, since the last epoch
  bool refilled;             // the bin ran dry since the last epoch
  std::uint16_t last_count;  // blocks it held at the last epoch
};

struct BoxState {
  BinHistory history[kClasses];  // S58
};

}  // namespace hz3
