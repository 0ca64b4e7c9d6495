// Running a team over a measured part: all threads start together, the clock stops when the last
// one is done, and only then do they clean up and end.
//
// A shape is a class with three members, each called once in every thread: prepare(i) before the
// clock runs, work(i) while it does, clean(i) after it has stopped. A bounded shape returns from
// work by itself; one that works for a time looks at a StopFlag, raised when the time is over.
#pragma once

#include <atomic>

#include "common/clocks.h"
#include "common/futex.h"
#include "common/heap.h"
#include "common/phase.h"
#include "common/team.h"

namespace workload {

class StopFlag {
 public:
  bool raised() const { return raised_.load(std::memory_order_relaxed); }
  void raise() { raised_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> raised_{false};
};

// Phases: `run`, whose end (the mark `end`) is when all work is done and nothing yet cleaned.
// `while_running` runs in the main thread beside the team.
template <class Shape, class WhileRunning>
void run_measured(Team& team, Shape& shape, Phases& phases, Stopwatch& measured,
                  WhileRunning while_running) {
  Barrier meeting(team.size() + 1);
  auto body = [&](unsigned index) {
    shape.prepare(index);
    meeting.wait();  // everyone is prepared
    meeting.wait();  // the mark is written and the clock runs
    shape.work(index);
    meeting.wait();  // the last one stops the clock
    meeting.wait();  // the end mark is written
    shape.clean(index);
  };
  team.start(body);
  meeting.wait();
  phases.mark("run", 1);
  measured.start();
  meeting.wait();
  while_running();
  meeting.wait();
  measured.stop();
  phases.end();
  meeting.wait();
  team.join();
}

template <class Shape>
void run_bounded(Team& team, Shape& shape, Phases& phases, Stopwatch& measured) {
  run_measured(team, shape, phases, measured, [] {});
}

template <class Shape>
void run_for(std::uint64_t ns, StopFlag& stop, Team& team, Shape& shape, Phases& phases,
             Stopwatch& measured) {
  run_measured(team, shape, phases, measured, [&] {
    sleep_until_ns(wall_ns() + ns);
    stop.raise();
  });
}

inline Tally sum(const Table<Tally>& tallies) {
  Tally all;
  for (std::size_t i = 0; i < tallies.size(); ++i) all.add(tallies[i]);
  return all;
}

}  // namespace workload
