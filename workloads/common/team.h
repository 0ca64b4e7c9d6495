// A team of threads on stacks of ours.
//
// libc keeps the stacks of ended threads in a cache, dirty pages and all, and whether that cache
// shrinks depends on chance. Here stacks are mapped once a team, used again by the next start, and
// their pages given back at join, so that "threads gone" is also gone from RSS. What remains is
// libc's per-thread vector (about 300 bytes of calloc inside pthread_create), the same in all arms.
// Thread-local data of preloaded libraries lies on these stacks too: `stacks_kb` counts it.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>

#include "common/memory.h"

namespace workload {

class Team {
 public:
  explicit Team(unsigned threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  unsigned size() const { return threads_; }

  // Starts all threads; thread i runs body(i). `body` must live until join().
  template <class Body>
  void start(Body& body) {
    for (unsigned i = 0; i < threads_; ++i) start_one(i, body);
  }
  // Starts thread `index` alone; it must not be running.
  template <class Body>
  void start_one(unsigned index, Body& body) {
    launch(index, &body, [](void* context, unsigned i) { (*static_cast<Body*>(context))(i); });
  }
  void join_one(unsigned index);
  // Waits for all and gives the stacks' pages back.
  void join();

  std::uint64_t stacks_kb() const;

 private:
  using Entry = void (*)(void* context, unsigned index);
  struct Seat {
    pthread_t thread;
    Entry entry;
    void* context;
    unsigned index;
    bool running;
  };
  void launch(unsigned index, void* context, Entry entry);
  static void* enter(void* seat);

  const unsigned threads_;
  Table<Seat> seats_;
  char* stacks_;
};

// Starts all, waits for all.
template <class Body>
void run_team(Team& team, Body& body) {
  team.start(body);
  team.join();
}

}  // namespace workload
