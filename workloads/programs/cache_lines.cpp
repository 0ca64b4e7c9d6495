#include "programs/cache_lines.h"

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"

namespace workload {
namespace {

class CacheLines {
 public:
  CacheLines(unsigned threads, std::uint64_t iters, std::size_t size, std::uint64_t reps,
             bool passive)
      : iters_(iters), size_(size), reps_(reps), handed_(threads), tallies_(threads) {
    Tally tally;
    for (unsigned i = 0; passive && i < threads; ++i) handed_[i] = take(size_, tally);
    tallies_[0].add(tally);
  }

  void prepare(unsigned) {}

  void work(unsigned index) {
    Tally tally;
    if (handed_[index] != nullptr) give(handed_[index], tally);
    for (std::uint64_t i = 0; i < iters_; ++i) {
      // volatile: every write must reach the cache
      volatile char* block = static_cast<char*>(take(size_, tally));
      for (std::uint64_t rep = 0; rep < reps_; ++rep) {
        for (std::size_t at = 0; at < size_; ++at) {
          block[at] = static_cast<char>(block[at] + rep);
        }
      }
      give(const_cast<char*>(block), tally);
    }
    tallies_[index].add(tally);
  }

  void clean(unsigned) {}

  Tally tally() const { return sum(tallies_); }

 private:
  const std::uint64_t iters_;
  const std::size_t size_;
  const std::uint64_t reps_;
  Table<void*> handed_;
  Table<Tally> tallies_;
};

}  // namespace

int run_cache_lines(int argc, char** argv, bool passive) {
  Args args(argc, argv,
            "threads iters size reps\n"
            "  iters  blocks of each thread, one after the other\n"
            "  size   of a block, in bytes\n"
            "  reps   times that each block is written");
  const auto threads = static_cast<unsigned>(args.number("threads", 1, 1024));
  const std::uint64_t iters = args.number("iters", 1, 1ull << 36);
  const std::size_t size = args.number("size", 1, 1u << 24);
  const std::uint64_t reps = args.number("reps", 1, 1ull << 36);
  args.finish();
  Phases phases;
  Team team(threads);
  CacheLines shape(threads, iters, size, reps, passive);
  Stopwatch measured;
  run_bounded(team, shape, phases, measured);
  Result result;
  report(result, threads * iters, "blocks", measured, shape.tally());
  result.write();
  return 0;
}

}  // namespace workload
