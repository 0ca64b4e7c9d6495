// What the headers of common/ promise, one case a promise. Exits non-zero on the first broken one.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/clocks.h"
#include "common/crew.h"
#include "common/futex.h"
#include "common/latency.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/result.h"
#include "common/ring.h"
#include "common/say.h"
#include "common/sizes.h"
#include "common/team.h"

using namespace workload;

#define EXPECT(condition)                                               \
  do {                                                                  \
    if (!(condition)) {                                                 \
      print(2, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                     \
    }                                                                   \
  } while (0)

namespace {

void random_is_a_fixed_stream_for_a_seed() {
  Random a(7), b(7), other_seed(8), other_stream(7, 1);
  bool seeds_differ = false, streams_differ = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint32_t value = a.next();
    EXPECT(value == b.next());
    seeds_differ |= value != other_seed.next();
    streams_differ |= value != other_stream.next();
  }
  EXPECT(seeds_differ && streams_differ);
}

void random_low_results_are_spread() {
  // The fault this guards against: the low bits of an LCG alternate, so that half the slots of a
  // working set of 2^n are hit on even steps only.
  Random random(1);
  std::array<int, 16> even{}, odd{};
  for (int i = 0; i < 16000; ++i) ++(i % 2 ? odd : even)[random.below(16)];
  for (int i = 0; i < 16; ++i)
    EXPECT(even[i] > 350 && even[i] < 650 && odd[i] > 350 && odd[i] < 650);
}

void between_reaches_both_ends_and_no_further() {
  Random random(3);
  bool low = false, high = false;
  for (int i = 0; i < 1000; ++i) {
    const std::uint32_t value = random.between(5, 8);
    EXPECT(value >= 5 && value <= 8);
    low |= value == 5;
    high |= value == 8;
  }
  EXPECT(low && high);
  EXPECT(Random(1).between(9, 9) == 9);
  EXPECT(Random(1).between(0, UINT32_MAX) == Random(1).next());
}

template <class Sizes>
std::array<double, 3> shares(const Sizes& sizes, Range all) {
  Random random(11);
  std::array<double, 3> share{};
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const std::size_t bytes = sizes(random);
    EXPECT(bytes >= all.low && bytes <= all.high);
    share[bytes <= 256 ? 0 : bytes <= 2048 ? 1 : 2] += 1.0 / kDraws;
  }
  return share;
}

bool near(double value, double wanted) { return value > wanted - 0.01 && value < wanted + 0.01; }

void application_sizes_have_the_stated_shares() {
  const auto share = shares(application_sizes({16, 32768}), {16, 32768});
  EXPECT(near(share[0], 0.80) && near(share[1], 0.15) && near(share[2], 0.05));
}

void cut_parts_of_the_mix_have_no_weight() {
  const auto share = shares(application_sizes({16, 2048}), {16, 2048});
  EXPECT(near(share[0], 80.0 / 95) && near(share[1], 15.0 / 95) && share[2] == 0);
  EXPECT(application_sizes({1, 8}).empty());
}

void log_uniform_and_pareto_stay_in_range_and_lean_small() {
  const auto log_uniform = shares(LogUniformSizes({4, 32768}), {4, 32768});
  EXPECT(near(log_uniform[0], 6.006 / 13));  // log2(257/4) of log2(32769/4) doublings
  const auto pareto = shares(ParetoSizes({8, 1024}), {8, 1024});
  EXPECT(pareto[0] > 0.97 && pareto[2] == 0);
  const auto drawn = shares(DrawnSizes(LogUniformSizes({4, 32768}), 1), {4, 32768});
  EXPECT(drawn[0] > 0.44 && drawn[0] < 0.48);
}

void tables_are_counted_and_released() {
  const std::uint64_t before = bookkeeping_kb();
  Table<char> table(1 << 20);
  EXPECT(bookkeeping_kb() == before);
  std::memset(table.data(), 1, table.size());
  EXPECT(bookkeeping_kb() == before + 1024);
  table.release(4096 + 1, 1 << 20);  // the second page is only partly in the range: it stays
  EXPECT(bookkeeping_kb() == before + 8);
  table.release(100, 5000);  // no whole page
  EXPECT(bookkeeping_kb() == before + 8);
  EXPECT(table[4096] == 1 && table[8192] == 0);
}

void rings_keep_order_and_refuse_when_full() {
  Rings rings(2, 3);  // rounded up to 4
  int objects[5];
  EXPECT(rings[0].pop() == nullptr);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT(rings[0].push(&objects[i]));
    EXPECT(!rings[0].push(&objects[4]));
    EXPECT(rings[1].pop() == nullptr);
    for (int i = 0; i < 4; ++i) EXPECT(rings[0].pop() == &objects[i]);
    EXPECT(rings[0].pop() == nullptr);
  }
}

void a_ring_between_two_threads_loses_nothing() {
  constexpr std::uintptr_t kCount = 100000;
  Rings rings(1, 8);
  Team team(2);
  std::atomic<bool> ordered{true};
  auto body = [&](unsigned index) {
    for (std::uintptr_t i = 1; i <= kCount; ++i) {
      if (index == 0) {
        while (!rings[0].push(reinterpret_cast<void*>(i))) sched_yield();
      } else {
        void* got;
        while ((got = rings[0].pop()) == nullptr) sched_yield();
        if (got != reinterpret_cast<void*>(i)) ordered = false;
      }
    }
  };
  run_team(team, body);
  EXPECT(ordered);
}

void a_barrier_lets_nobody_ahead() {
  constexpr unsigned kThreads = 3, kRounds = 2000;
  Barrier barrier(kThreads);
  std::atomic<unsigned> arrived{0};
  std::atomic<bool> ahead{false};
  Team team(kThreads);
  auto body = [&](unsigned) {
    for (unsigned round = 1; round <= kRounds; ++round) {
      ++arrived;
      barrier.wait();
      if (arrived.load() < round * kThreads) ahead = true;
      barrier.wait();
    }
  };
  run_team(team, body);
  EXPECT(!ahead && arrived == kThreads * kRounds);
}

void a_gate_waits_until_opened() {
  Gate gate;
  EXPECT(!gate.wait_for(1));
  gate.open();
  EXPECT(gate.wait_for(1));
  gate.wait();
  gate.close();
  EXPECT(!gate.is_open());
}

void joined_teams_leave_no_stack_behind() {
  Team team(2);
  std::atomic<bool> resident{false};
  auto body = [&](unsigned index) {
    volatile char deep[100000];
    for (std::size_t i = 0; i < sizeof deep; i += 1000) deep[i] = 1;
    if (index == 0 && team.stacks_kb() >= 100) resident = true;
  };
  for (int again = 0; again < 2; ++again) {
    run_team(team, body);
    EXPECT(resident.exchange(false));
    EXPECT(team.stacks_kb() == 0);
  }
}

void results_are_one_line_of_json() {
  int ends[2];
  EXPECT(pipe(ends) == 0);
  char number[16];
  std::snprintf(number, sizeof number, "%d", ends[1]);
  setenv("HZ_RESULT_FD", number, 1);
  set_program_name("a\"b");
  Result result;
  result.number("whole", UINT64_MAX);
  result.number("half", 0.5);
  result.number("left_out", 1.0 / 0.0);
  result.text("text", "tab\t\\");
  result.write();
  unsetenv("HZ_RESULT_FD");
  set_program_name("test_common");
  close(ends[1]);
  char got[256] = {};
  EXPECT(read(ends[0], got, sizeof got - 1) > 0);
  EXPECT(std::strcmp(got,
                     "{\"program\":\"a\\\"b\",\"whole\":18446744073709551615,\"half\":0.5,"
                     "\"text\":\"tab\\u0009\\\\\"}\n") == 0);
  close(ends[0]);
}

// Against the sorted durations themselves: exact to the nanosecond when short, to 3 % when long.
void durations_have_their_quantiles() {
  Table<Durations> table(2);
  Durations& some = table[0];
  EXPECT(some.quantile(0.5) == 0 && some.total() == 0 && some.longest() == 0);
  Random random(5);
  constexpr unsigned kCount = 20000;
  Table<std::uint64_t> all(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    all[i] = std::uint64_t{1} << random.below(36);
    all[i] += random.next() % all[i];
    table[i % 2].add(all[i]);
  }
  some.add(table[1]);
  std::sort(all.data(), all.data() + kCount);
  EXPECT(some.total() == kCount && some.longest() == all[kCount - 1]);
  for (const double share : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto truth = static_cast<double>(all[static_cast<unsigned>(share * kCount) - 1]);
    const double found = some.quantile(share);
    EXPECT(found >= truth * 0.96 && found <= truth * 1.04 + 1);
  }
  EXPECT(some.quantile(1.0) <= static_cast<double>(some.longest()) + 1);
  Table<Durations> huge(1);
  huge[0].add(~std::uint64_t{0});  // beyond the last step it is counted there
  EXPECT(huge[0].total() == 1 && huge[0].longest() == ~std::uint64_t{0});
}

}  // namespace

int main() {
  random_is_a_fixed_stream_for_a_seed();
  random_low_results_are_spread();
  between_reaches_both_ends_and_no_further();
  application_sizes_have_the_stated_shares();
  cut_parts_of_the_mix_have_no_weight();
  log_uniform_and_pareto_stay_in_range_and_lean_small();
  tables_are_counted_and_released();
  rings_keep_order_and_refuse_when_full();
  a_ring_between_two_threads_loses_nothing();
  a_barrier_lets_nobody_ahead();
  a_gate_waits_until_opened();
  joined_teams_leave_no_stack_behind();
  results_are_one_line_of_json();
  durations_have_their_quantiles();
  say("all promises kept\n");
}
