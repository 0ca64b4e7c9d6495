// rptest: pools replaced in strides, and whole batches handed to the next thread.
//
// Models the benchmark that comes with rpmalloc. Each thread has a pool of `allocs` slots; a loop
// replaces `ops` of them, walking in strides. In every cross_rate-th loop it also allocates a batch
// of `ops` blocks, hands them as one linked list (linked through the blocks themselves) to the next
// thread, and frees what was handed to it. Blocks are written at both ends and checked. One op is
// one malloc or free; ns_per_op is of all threads together. Usual: 4 0 1 2 500 1000 100 32 16000.

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {
namespace {

struct Plan {
  unsigned threads;
  bool fixed_size;
  std::size_t falloff;  // 0 even, 1 linear, 2 exponential
  std::uint64_t cross_rate, loops;
  std::uint32_t allocs, ops;
  Range sizes;
};

// How sizes fall off between low and high: u, u², or u to the fourth of the range.
class FallingSizes {
 public:
  explicit FallingSizes(const Plan& plan) : plan_(plan) {}
  std::size_t operator()(Random& random) const {
    if (plan_.fixed_size) return plan_.sizes.high;
    double u = random.unit();
    for (std::size_t i = 0; i < plan_.falloff; ++i) u *= u;
    const double width = static_cast<double>(plan_.sizes.high - plan_.sizes.low) + 1;
    return plan_.sizes.low + static_cast<std::size_t>(u * width);
  }

 private:
  const Plan& plan_;
};

// Handed blocks: the link lies behind the mark at the front, so blocks have 32 bytes at least.
struct Link {
  std::uint64_t mark;
  Link* next;
};
constexpr std::size_t kLeastBlock = 32;

struct alignas(64) Inbox {
  std::atomic<Link*> first;
};

class Rptest {
 public:
  explicit Rptest(const Plan& plan)
      : plan_(plan),
        pool_(std::size_t{plan.threads} * plan.allocs),
        inbox_(plan.threads),
        tallies_(plan.threads),
        after_(plan.threads) {}

  void prepare(unsigned) {}

  void work(unsigned index) {
    Random random(plan_.threads, index);
    const FallingSizes sizes(plan_);
    void** pool = pool_.data() + std::size_t{index} * plan_.allocs;
    Tally tally;
    std::uint32_t at = 0;
    for (std::uint64_t loop = 1; loop <= plan_.loops; ++loop) {
      const std::uint32_t stride = 1 + random.below(16);
      for (std::uint32_t i = 0; i < plan_.ops; ++i, at = (at + stride) % plan_.allocs) {
        if (pool[at] != nullptr) put_away(pool[at], tally);
        pool[at] = fetch(sizes(random), tally);
      }
      if (plan_.cross_rate > 0 && loop % plan_.cross_rate == 0) {
        hand_over(index, sizes, random, tally);
        empty_inbox(index, tally);
      }
    }
    tallies_[index].add(tally);
  }

  void clean(unsigned index) {
    Tally tally;
    for (std::uint32_t i = 0; i < plan_.allocs; ++i) {
      void* block = pool_[std::size_t{index} * plan_.allocs + i];
      if (block != nullptr) put_away(block, tally);
    }
    empty_inbox(index, tally);
    after_[index].add(tally);
  }

  Tally measured() const { return sum(tallies_); }
  Tally after() const { return sum(after_); }

 private:
  static void* fetch(std::size_t bytes, Tally& tally) {
    void* block = take(bytes, tally);
    mark_ends(block, bytes);
    return block;
  }
  static void put_away(void* block, Tally& tally) {
    check(block);
    give(block, tally);
  }

  void hand_over(unsigned index, const FallingSizes& sizes, Random& random, Tally& tally) {
    Link* first = nullptr;
    Link* last = nullptr;
    for (std::uint32_t i = 0; i < plan_.ops; ++i) {
      Link* block = static_cast<Link*>(fetch(sizes(random), tally));
      block->next = first;
      first = block;
      if (last == nullptr) last = block;
    }
    std::atomic<Link*>& inbox = inbox_[(index + 1) % plan_.threads].first;
    Link* seen = inbox.load(std::memory_order_relaxed);
    do {
      last->next = seen;
    } while (!inbox.compare_exchange_weak(seen, first, std::memory_order_acq_rel));
  }

  void empty_inbox(unsigned index, Tally& tally) {
    Link* block = inbox_[index].first.exchange(nullptr, std::memory_order_acq_rel);
    while (block != nullptr) {
      Link* next = block->next;
      put_away(block, tally);
      block = next;
    }
  }

  const Plan plan_;
  Table<void*> pool_;
  Table<Inbox> inbox_;
  Table<Tally> tallies_, after_;
};

Plan read_plan(Args& args) {
  Plan plan;
  plan.threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  plan.fixed_size = args.number("mode", 0, 1) == 1;
  plan.falloff = args.number("falloff", 0, 2);
  plan.cross_rate = args.number("cross_rate", 0, 1u << 30);
  plan.loops = args.number("loops", 1, 1ull << 36);
  plan.allocs = static_cast<std::uint32_t>(args.number("allocs", 1, 1u << 24));
  plan.ops = static_cast<std::uint32_t>(args.number("ops", 1, 1u << 24));
  plan.sizes.low = static_cast<std::uint32_t>(args.number("min", kLeastBlock, 1u << 30));
  plan.sizes.high = static_cast<std::uint32_t>(args.number("max", kLeastBlock, 1u << 30));
  args.finish();
  if (plan.sizes.low > plan.sizes.high) args.fail("max", "below min");
  return plan;
}

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "threads mode falloff cross_rate loops allocs ops min max\n"
            "  mode        0: random sizes, 1: all of max\n"
            "  falloff     of random sizes towards max: 0 even, 1 linear, 2 exponential\n"
            "  cross_rate  hand a batch to the next thread every so many loops; 0: never\n"
            "  loops       of each thread\n"
            "  allocs      slots of each thread's pool\n"
            "  ops         blocks replaced in a loop, and in a batch\n"
            "  min max     block sizes in bytes, at least 32");
  const Plan plan = read_plan(args);
  Phases phases;
  Team team(plan.threads);
  Rptest shape(plan);
  Stopwatch measured;
  run_bounded(team, shape, phases, measured);
  Tally tally = shape.measured();
  const std::uint64_t ops = tally.ops();
  tally.add(shape.after());
  Result result;
  report(result, ops, "mallocs and frees", measured, tally);
  result.write();
  return 0;
}
