// bench_mt_remote: slot toggle in every thread, with a share of the frees done by the next thread.
//
// Models programs that hand blocks along a chain of threads. Each thread toggles its own slots as
// bench_ssot does; a block due to be freed goes, with probability remote_pct, into the ring to the
// next thread, which frees it before its next step. Lanes: guard 16–2048, main 16–32768, cross128
// 16–131072, remote 0, 50, 90. An op is one malloc or one free, wherever it happens; the figure is
// ops_per_s of all threads.
//
// `written` 0 leaves memory alone: what faults then, the allocator touched. 1 writes every byte, as
// programs do, and checks the ends before the free. Short rings keep few blocks under way, and
// those in the processors' caches; long ones let a sender that has its processor for a while fill
// the memory of a whole queue, which is then a matter of page faults.
//
// A full ring makes the free local ("fallback"), and a run with many of them measures another
// workload than the one named: at 0.1 % of the intended hand-overs the exit status is 3. With
// `full` 1 the sender waits for room instead, and frees what comes to it meanwhile.

#include <sched.h>

#include <atomic>

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/ring.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr int kExitFallback = 3;
constexpr double kMostFallback = 0.001;

struct Plan {
  unsigned threads;
  std::uint64_t iters;
  std::uint32_t ws;
  Range sizes;
  std::uint32_t remote_pct;
  std::size_t ring_slots;
  bool written;
  bool wait_when_full;
};

struct alignas(64) Lane {
  Tally tally;
  std::uint64_t local_frees;
  std::uint64_t sent;
  std::uint64_t fallbacks;
  std::atomic<bool> sending_done;
};

class MtRemote {
 public:
  explicit MtRemote(const Plan& plan)
      : plan_(plan),
        slots_(std::size_t{plan.threads} * plan.ws),
        lanes_(plan.threads),
        rings_(plan.threads, plan.ring_slots) {}

  void prepare(unsigned) {}

  void work(unsigned index) {
    Lane& lane = lanes_[index];
    void** slots = slots_.data() + std::size_t{index} * plan_.ws;
    Ring& out = rings_[index];
    Ring& in = rings_[sender_to(index)];
    Random random(0x12345678, index);
    const UniformSizes sizes(plan_.sizes);
    const std::uint64_t remote_below = (std::uint64_t{plan_.remote_pct} << 32) / 100;
    Tally tally;
    std::uint64_t sent = 0, fallbacks = 0, local_frees = 0;
    for (std::uint64_t i = 0; i < plan_.iters; ++i) {
      receive(in, tally);
      void*& slot = slots[random.below(plan_.ws)];
      if (slot == nullptr) {
        const std::size_t bytes = sizes(random);
        slot = take(bytes, tally);
        if (plan_.written) fill(slot, bytes);
        continue;
      }
      void* object = slot;
      slot = nullptr;
      if (random.next() < remote_below) {
        bool pushed = out.push(object);
        while (!pushed && plan_.wait_when_full) {
          receive(in, tally);
          ::sched_yield();
          pushed = out.push(object);
        }
        if (pushed) {
          ++sent;
          continue;
        }
        ++fallbacks;
      }
      finish(object, tally);
      ++local_frees;
    }
    lane.sending_done.store(true, std::memory_order_release);
    drain_until_done(in, lanes_[sender_to(index)], tally);
    lane.tally = tally;
    lane.sent = sent;
    lane.fallbacks = fallbacks;
    lane.local_frees = local_frees;
  }

  void clean(unsigned index) {
    Tally tally;
    for (std::uint32_t i = 0; i < plan_.ws; ++i) {
      void* object = slots_[std::size_t{index} * plan_.ws + i];
      if (object != nullptr) finish(object, tally);
    }
    lanes_[index].tally.add(tally);
  }

  const Lane& lane(unsigned i) const { return lanes_[i]; }

 private:
  void finish(void* object, Tally& tally) const {
    if (plan_.written) check(object);
    give(object, tally);
  }
  void receive(Ring& in, Tally& tally) const {
    while (void* object = in.pop()) finish(object, tally);
  }
  // The sender may have many steps to go: sleep between looks, a spinning receiver would take its
  // CPU away and count as the allocator's CPU time.
  void drain_until_done(Ring& in, const Lane& sender, Tally& tally) const {
    for (;;) {
      const bool done = sender.sending_done.load(std::memory_order_acquire);
      receive(in, tally);
      if (done) return;
      sleep_until_ns(wall_ns() + 50000);
    }
  }
  unsigned sender_to(unsigned index) const { return (index + plan_.threads - 1) % plan_.threads; }

  const Plan plan_;
  Table<void*> slots_;
  Table<Lane> lanes_;
  Rings rings_;
};

int run(const Plan& plan) {
  Phases phases;
  Team team(plan.threads);
  MtRemote shape(plan);
  Stopwatch measured;
  run_bounded(team, shape, phases, measured);
  Tally tally;
  std::uint64_t sent = 0, fallbacks = 0, local_frees = 0;
  for (unsigned i = 0; i < plan.threads; ++i) {
    const Lane& lane = shape.lane(i);
    tally.add(lane.tally);
    sent += lane.sent;
    fallbacks += lane.fallbacks;
    local_frees += lane.local_frees;
  }
  const auto share = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  const double remote_share = share(sent, sent + local_frees);
  const double fallback_rate = share(fallbacks, sent + fallbacks);
  Result result;
  report(result, plan.iters * plan.threads, "steps", measured, tally);
  result.number("remote_share", remote_share);
  result.number("fallback_rate", fallback_rate);
  result.number("remote_frees", sent);
  result.number("fallbacks", fallbacks);
  result.write();
  say("remote frees: wanted %u %%, got %.2f %%; fallback rate %.4f %%\n", plan.remote_pct,
      remote_share * 100, fallback_rate * 100);
  if (fallback_rate < kMostFallback) return 0;
  complain(
      "fallback rate %.4f %% is not below 0.1 %%: this run does not count; use more than %zu "
      "ring slots",
      fallback_rate * 100, plan.ring_slots);
  return kExitFallback;
}

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "threads iters ws min max remote_pct [ring_slots written full]\n"
            "  iters       steps of each thread: one malloc or one free\n"
            "  ws          slots of each thread\n"
            "  min max     block sizes in bytes, uniform\n"
            "  remote_pct  share of frees handed to the next thread; above 0 needs 2 threads\n"
            "  ring_slots  of each hand-over ring (65536)\n"
            "  written     0: memory is left alone; 1: every byte is written (0)\n"
            "  full        0: into a full ring the free is local; 1: it waits for room (0)\n"
            "exit status 3: fallback rate 0.1 % or more, the run does not count");
  Plan plan;
  plan.threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  plan.iters = args.number("iters", 1, 1ull << 40);
  plan.ws = static_cast<std::uint32_t>(args.number("ws", 1, 1u << 28));
  plan.sizes.low = static_cast<std::uint32_t>(args.number("min", 1, 1u << 30));
  plan.sizes.high = static_cast<std::uint32_t>(args.number("max", 1, 1u << 30));
  plan.remote_pct = static_cast<std::uint32_t>(args.number("remote_pct", 0, 100));
  plan.ring_slots = args.number_or("ring_slots", 1, 1u << 28, 65536);
  plan.written = args.number_or("written", 0, 1, 0) == 1;
  plan.wait_when_full = args.number_or("full", 0, 1, 0) == 1;
  args.finish();
  if (plan.written && plan.sizes.low < kLeastFilled) args.fail("min", "below 16 cannot be written");
  if (plan.sizes.low > plan.sizes.high) args.fail("max", "below min");
  if (plan.remote_pct > 0 && plan.threads < 2) args.fail("remote_pct", "needs at least 2 threads");
  return run(plan);
}
