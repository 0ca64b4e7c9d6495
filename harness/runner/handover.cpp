// See handover.hpp.
#include "handover.hpp"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "clock.hpp"

namespace hz3::runner {
namespace {

constexpr int kBatches = 31;
constexpr int kRoundTrips = 32;
constexpr int kFewest = 11;                     // batches that make a median
constexpr int64_t kPatienceNs = 20 * kNsPerMs;  // for all of it: a busy processor may not answer

struct Line {
  alignas(64) std::atomic<int> turn{0};  // odd: the answering thread's
  alignas(64) std::atomic<bool> over{false};
};

bool stay_on(int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  return sched_setaffinity(0, sizeof only, &only) == 0;
}

void answer(Line& line, int cpu) {
  if (!stay_on(cpu)) return;  // never answers, so the asking side gives up
  for (int turn = 1; !line.over.load(std::memory_order_relaxed);) {
    if (line.turn.load(std::memory_order_acquire) != turn) continue;
    line.turn.store(turn + 1, std::memory_order_release);
    turn += 2;
  }
}

// One round trip; false when no answer came by `give_up_ns`.
bool round_trip(Line& line, int turn, int64_t give_up_ns) {
  line.turn.store(turn, std::memory_order_release);
  for (int spins = 0; line.turn.load(std::memory_order_acquire) != turn + 1; spins++) {
    if (spins % 1024 == 1023 && monotonic_ns() > give_up_ns) return false;
  }
  return true;
}

std::vector<int64_t> ask(Line& line) {
  const int64_t give_up_ns = monotonic_ns() + kPatienceNs;
  std::vector<int64_t> ways;
  int turn = 1;
  for (int batch = 0; batch < kBatches; batch++) {
    const int64_t begun_ns = monotonic_ns();
    for (int trip = 0; trip < kRoundTrips; trip++, turn += 2) {
      if (!round_trip(line, turn, give_up_ns)) return ways;
    }
    ways.push_back((monotonic_ns() - begun_ns) / (2 * kRoundTrips));
  }
  return ways;
}

}  // namespace

std::optional<int64_t> handover_ns(const cpu_set_t& cpus) {
  std::vector<int> list;
  for (int cpu = 0; cpu < CPU_SETSIZE && list.size() < 2; cpu++) {
    if (CPU_ISSET(cpu, &cpus)) list.push_back(cpu);
  }
  cpu_set_t before;
  if (list.size() < 2 || sched_getaffinity(0, sizeof before, &before) != 0) return std::nullopt;
  Line line;
  std::vector<int64_t> ways;
  try {
    std::jthread answering(answer, std::ref(line), list[1]);
    if (stay_on(list[0])) ways = ask(line);
    line.over = true;
  } catch (const std::system_error&) {  // no thread to be had
  }
  sched_setaffinity(0, sizeof before, &before);
  if (ways.size() < kFewest) return std::nullopt;
  const auto middle = ways.begin() + static_cast<std::ptrdiff_t>(ways.size() / 2);
  std::nth_element(ways.begin(), middle, ways.end());
  return *middle;
}

}  // namespace hz3::runner
