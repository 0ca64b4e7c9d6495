// The server of Larson and Krishnan ("Memory Allocation for Long-Running Server Applications",
// ISMM 1998), shared by larson (malloc, free) and larson_sized (operator new, sized delete).
//
// Every thread owns `chunks` blocks of random size and keeps replacing a random one by a fresh one.
// After chunks × rounds replacements it starts a successor, leaves it all its blocks, and ends: so
// blocks are freed by threads other than the one that allocated them, and threads come and go, as
// in a server that hands connections on. The main thread allocates the first blocks. First and last
// byte are written. One op is one replacement (a free and a malloc); the figure is ops_per_s.
#pragma once

#include "common/args.h"
#include "common/crew.h"
#include "common/latency.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {

struct LarsonPlan {
  std::uint64_t run_ns;
  Range sizes;
  std::uint32_t chunks;
  std::uint64_t rounds;
  std::uint64_t seed;
  unsigned threads;
};

inline LarsonPlan larson_arguments(int argc, char** argv) {
  Args args(argc, argv,
            "seconds min max chunks rounds seed threads\n"
            "  min max  block sizes in bytes, uniform\n"
            "  chunks   live blocks of each thread\n"
            "  rounds   a thread ends after chunks x rounds replacements; its successor goes on");
  LarsonPlan plan;
  plan.run_ns = args.seconds("seconds");
  plan.sizes.low = static_cast<std::uint32_t>(args.number("min", 1, 1u << 30));
  plan.sizes.high = static_cast<std::uint32_t>(args.number("max", 1, 1u << 30));
  plan.chunks = static_cast<std::uint32_t>(args.number("chunks", 1, 1u << 24));
  plan.rounds = args.number("rounds", 1, 1ull << 32);
  plan.seed = args.number("seed", 0, UINT64_MAX);
  plan.threads = static_cast<unsigned>(args.number("threads", 1, 512));
  args.finish();
  if (plan.sizes.low > plan.sizes.high) args.fail("max", "below min");
  return plan;
}

// `Heap` has static take(bytes, tally) and give(object, bytes, tally).
template <class Heap>
class Larson {
 public:
  explicit Larson(const LarsonPlan& plan)
      : plan_(plan),
        blocks_(std::size_t{plan.threads} * plan.chunks),
        lanes_(plan.threads),
        latency_every_(latency_every()),
        latencies_(plan.threads),
        team_(2 * plan.threads),
        ready_(plan.threads + 1),
        done_(plan.threads + 1) {}

  int run() {
    fill_all();
    for (unsigned lane = 0; lane < plan_.threads; ++lane) team_.start_one(2 * lane, *this);
    ready_.wait();
    phases_.mark("run", 1);
    measured_.start();
    ready_.wait();
    sleep_until_ns(wall_ns() + plan_.run_ns);
    stop_.raise();
    done_.wait();
    measured_.stop();
    phases_.end();
    team_.join();
    finish();
    return 0;
  }

  // The life of one thread. A lane has two seats, used in turn: a successor waits for its
  // predecessor to be gone before it does anything, so the seat it will itself start next is free.
  void operator()(unsigned seat) {
    const unsigned index = seat / 2;
    Lane& lane = lanes_[index];
    if (lane.generations == 0) {
      ready_.wait();
      ready_.wait();
    } else {
      team_.join_one(seat ^ 1);
    }
    ++lane.generations;
    Block* blocks = &blocks_[std::size_t{index} * plan_.chunks];
    Random random(plan_.seed + lane.generations, index + 1);
    const UniformSizes sizes(plan_.sizes);
    if (latency_every_ == 0) {
      live(lane, blocks, random, sizes, Untimed<Heap>());
    } else {
      live(lane, blocks, random, sizes,
           Timed<Heap>(latency_every_, latencies_[index], plan_.seed + lane.generations));
    }
    if (stop_.raised()) {
      done_.wait();
    } else {
      team_.start_one(seat ^ 1, *this);
    }
  }

 private:
  struct Block {
    void* object;
    std::uint32_t bytes;
  };
  struct alignas(64) Lane {
    std::uint64_t generations;
    std::uint64_t replacements;
    Tally tally;
  };

  // A thread's replacements, to the end of its life or of the run.
  template <class Calls>
  void live(Lane& lane, Block* blocks, Random random, const UniformSizes& sizes, Calls calls) {
    const std::uint64_t life = plan_.rounds * plan_.chunks;
    Tally tally;
    std::uint64_t replaced = 0;
    while (replaced < life && !stop_.raised()) {
      replace(calls, blocks[random.below(plan_.chunks)], sizes(random), tally);
      ++replaced;
    }
    lane.tally.add(tally);
    lane.replacements += replaced;
  }

  void fill_all() {
    Random random(plan_.seed);
    const UniformSizes sizes(plan_.sizes);
    Untimed<Heap> calls;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      replace(calls, blocks_[i], sizes(random), tally_);
  }

  template <class Calls>
  static void replace(Calls& calls, Block& block, std::size_t bytes, Tally& tally) {
    if (block.object != nullptr) calls.give(block.object, block.bytes, tally);
    block.object = calls.take(bytes, tally);
    block.bytes = static_cast<std::uint32_t>(bytes);
    touch_ends(block.object, bytes);
  }

  void finish() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      Heap::give(blocks_[i].object, blocks_[i].bytes, tally_);
    }
    std::uint64_t generations = 0, replacements = 0;
    for (unsigned i = 0; i < plan_.threads; ++i) {
      generations += lanes_[i].generations;
      replacements += lanes_[i].replacements;
      if (i > 0) latencies_[0].add(latencies_[i]);
      tally_.add(lanes_[i].tally);
    }
    Result result;
    report(result, replacements, "replacements", measured_, tally_);
    result.number("threads_started", generations);
    if (latency_every_ != 0) report_latencies(result, latencies_[0]);
    result.write();
  }

  const LarsonPlan plan_;
  Phases phases_;
  Table<Block> blocks_;
  Table<Lane> lanes_;
  const std::uint32_t latency_every_;
  Table<Latencies> latencies_;  // a lane each, never two threads of it at once
  Team team_;
  Barrier ready_, done_;
  StopFlag stop_;
  Stopwatch measured_;
  Tally tally_;
};

}  // namespace workload
