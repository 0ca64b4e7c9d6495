// Counters of cold-path events and the line each box prints about itself when the process exits.
//
// A box keeps its counters in its own file, and they exist in every build; with HZ3_STATS=0 nothing
// is counted and nothing is printed. Lines have the form `[NAME] key=value …`, appear once, on
// stderr, and only for boxes that are on; policy/points.hpp lists them. hz3/README.md says how to
// read each number. Counting is thread-safe and never happens on the hot path.
#pragma once

#include <atomic>
#include <cstdint>

#include "config/flags.hpp"
#include "os/fatal.hpp"

namespace hz3 {

class Counter {
 public:
  void add(std::uint64_t n) {
    if constexpr (flag::STATS)
      value_.fetch_add(n, std::memory_order_relaxed);
    else
      (void)n;
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Thread exits, however many shards each looked at: `dtor_calls` in the line of every box that acts
// there.
inline constinit Counter g_thread_exits;

struct Field {
  const char* key;
  const Counter& counter;
};

template <std::size_t n>
void print_line(const char* name, const Field (&fields)[n]) {
  LineWriter line;
  line.text("[").text(name).text("]");
  for (const Field& field : fields)
    line.text(" ").text(field.key).text("=").decimal(field.counter.value());
  line.write_to(2);
}

}  // namespace hz3
