// thread_requests: a thread for every request, one after the other, each with one buffer.
//
// Models servers that start a thread for a request: it allocates a buffer of `bytes`, writes all of
// it, frees it, and ends. What a thread's end costs an allocator decides, and whether the buffer's
// pages are faulted in anew every time. With `dead_mib` the program first starts a thread that
// allocates so many MiB in objects of 64 to 2048 bytes, and ends; they live on meanwhile, and their
// owner is gone. Figure: threads_per_s. Usual arguments: 2000 614400, and 2000 1024 2048.

#include "common/args.h"
#include "common/phase.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/team.h"
#include "common/touch.h"

namespace workload {
namespace {

class Estate {
 public:
  explicit Estate(std::uint64_t bytes) : bytes_(bytes), objects_(bytes / kSizes.low + 1) {}

  void operator()(unsigned) {
    Random random(20261124, 0);
    const UniformSizes sizes(kSizes);
    while (tally_.requested_bytes < bytes_) {
      const std::size_t bytes = sizes(random);
      objects_[count_] = take(bytes, tally_);
      fill(objects_[count_++], bytes);
    }
  }
  void release() {
    for (; count_ > 0; --count_) {
      check(objects_[count_ - 1]);
      give(objects_[count_ - 1], tally_);
    }
  }
  const Tally& tally() const { return tally_; }

 private:
  static constexpr Range kSizes{64, 2048};
  const std::uint64_t bytes_;
  Table<void*> objects_;
  std::uint64_t count_ = 0;
  Tally tally_;
};

struct Request {
  std::size_t bytes;
  Tally tally;

  void operator()(unsigned) {
    void* buffer = take(bytes, tally);
    fill(buffer, bytes);
    check(buffer);
    give(buffer, tally);
  }
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "requests bytes [dead_mib]\n"
            "  requests  threads, one after the other\n"
            "  bytes     of each one's buffer\n"
            "  dead_mib  MiB of small objects, allocated by a thread that has ended (0)");
  const std::uint64_t requests = args.number("requests", 1, 1ull << 32);
  const std::size_t bytes = args.number("bytes", kLeastFilled, 1u << 30);
  const std::uint64_t dead = args.number_or("dead_mib", 0, 1u << 20, 0) << 20;
  args.finish();
  Phases phases;
  Team team(1);
  Estate estate(dead);
  run_team(team, estate);
  Request request{bytes, {}};
  Stopwatch measured;
  phases.mark("run", 1);
  measured.start();
  for (std::uint64_t i = 0; i < requests; ++i) {
    team.start_one(0, request);
    team.join_one(0);
  }
  measured.stop();
  phases.end();
  estate.release();
  Tally tally = request.tally;
  tally.add(estate.tally());
  Result result;
  report(result, request.tally.ops(), "mallocs and frees", measured, tally);
  result.number("threads_started", requests + 1);
  result.number("threads_per_s",
                static_cast<double>(requests) * 1e9 / static_cast<double>(measured.wall()));
  result.write();
  return 0;
}
