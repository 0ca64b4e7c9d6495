// mstress: objects of skewed sizes, retained, and swapped between threads that come and go.
//
// Models the stress test that comes with mimalloc (Leijen, Zorn, de Moura, "Mimalloc: Free List
// Sharding in Action", APLAS 2019). Each iteration starts all threads afresh. A thread allocates
// and frees at random over a local table; one object in ten is swapped with a table shared by all
// threads, so much is freed by another thread than allocated it, often after that one has ended.
// Sizes: 16–512 bytes mostly, 1 in 100 up to 8 KiB, 1 in 2000 up to 128 KiB. Objects are written
// whole and checked when freed. Every other iteration the shared table is emptied. One op is one
// malloc or free; ns_per_op is of all threads together. Usual arguments: 10 100 100.

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr std::uint32_t kShared = 1024;
constexpr std::uint32_t kLocal = 4096;

std::size_t skewed_size(Random& random) {
  const std::size_t small = std::size_t{16} << random.below(6);
  const std::uint32_t draw = random.below(2000);
  if (draw == 0) return small * 256;
  if (draw < 20) return small * 16;
  return small;
}

class Mstress {
 public:
  Mstress(unsigned threads, std::uint64_t scale, unsigned iterations)
      : scale_(scale),
        iterations_(iterations),
        shared_(kShared),
        local_(std::size_t{threads} * kLocal),
        tallies_(threads),
        team_(threads) {}

  int run() {
    phases_.mark("run", 1);
    measured_.start();
    for (iteration_ = 1; iteration_ <= iterations_; ++iteration_) {
      run_team(team_, *this);
      if (iteration_ % 2 == 0) empty_shared(main_tally_);
    }
    measured_.stop();
    phases_.end();
    Tally after;
    empty_shared(after);
    Tally total = sum(tallies_);
    total.add(main_tally_);
    const std::uint64_t ops = total.ops();
    total.add(after);
    Result result;
    report(result, ops, "mallocs and frees", measured_, total);
    result.number("threads_started", std::uint64_t{iterations_} * team_.size());
    result.write();
    return 0;
  }

  // One thread of one iteration. Threads differ in how much they do, so that some end early.
  void operator()(unsigned index) {
    Random random(iteration_, index);
    Tally tally;
    void** objects = local_.data() + std::size_t{index} * kLocal;
    std::uint32_t live = 0;
    for (std::uint64_t step = 100 * scale_ * (1 + index % 4); step > 0; --step) {
      if (live < kLocal && (live == 0 || random.below(2) == 0)) {
        const std::size_t bytes = skewed_size(random);
        objects[live] = take(bytes, tally);
        fill(objects[live++], bytes);
      } else {
        const std::uint32_t victim = random.below(live);
        put_away(objects[victim], tally);
        objects[victim] = objects[--live];
      }
      if (live > 0 && random.below(10) == 0) swap_with_shared(objects, live, random);
    }
    while (live > 0) put_away(objects[--live], tally);
    tallies_[index].add(tally);
  }

 private:
  static void put_away(void* object, Tally& tally) {
    check(object);
    give(object, tally);
  }

  void swap_with_shared(void** objects, std::uint32_t& live, Random& random) {
    const std::uint32_t mine = random.below(live);
    void* theirs =
        shared_[random.below(kShared)].exchange(objects[mine], std::memory_order_acq_rel);
    objects[mine] = theirs != nullptr ? theirs : objects[--live];
  }

  void empty_shared(Tally& tally) {
    for (std::uint32_t i = 0; i < kShared; ++i) {
      void* object = shared_[i].exchange(nullptr, std::memory_order_acq_rel);
      if (object != nullptr) put_away(object, tally);
    }
  }

  const std::uint64_t scale_;
  const unsigned iterations_;
  unsigned iteration_ = 0;
  Phases phases_;
  Table<std::atomic<void*>> shared_;
  Table<void*> local_;
  Table<Tally> tallies_;
  Team team_;
  Tally main_tally_;
  Stopwatch measured_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "threads scale iterations\n"
            "  scale       work of a thread: 100 to 400 x scale steps an iteration\n"
            "  iterations  of starting all threads and waiting for them");
  const auto threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  const std::uint64_t scale = args.number("scale", 1, 1u << 20);
  const auto iterations = static_cast<unsigned>(args.number("iterations", 1, 1u << 20));
  args.finish();
  Mstress mstress(threads, scale, iterations);
  return mstress.run();
}
