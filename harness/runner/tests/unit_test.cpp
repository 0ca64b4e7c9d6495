// The runner's pure parts: parsers, deadlines and the job, without any process.
#include <cstdio>
#include <string>

#include "error.hpp"
#include "job.hpp"
#include "ledger.hpp"
#include "machine.hpp"
#include "marks.hpp"
#include "memory.hpp"
#include "proof.hpp"
#include "series.hpp"

using namespace hz3::runner;

namespace {

int failures = 0;

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      failures++;                                                          \
    }                                                                      \
  } while (false)

// The message with which a job is refused; empty when it is accepted.
std::string refusal(const std::string& text) {
  try {
    parse_job(text);
  } catch (const RunnerError& error) {
    CHECK(error.status() == kBadJob);
    return error.what();
  }
  return "";
}

std::string job_with(const std::string& more) {
  return R"({"argv": ["/bin/true"], "env": {}, "timeout_s": 5)" + more + "}";
}

bool names(const std::string& message, const char* what) {
  return message.find(what) != std::string::npos;
}

void a_mark_is_time_phase_cycle() {
  Mark mark;
  CHECK(parse_mark("12 burst 3", mark));
  CHECK(mark.at_ns == 12 && mark.phase == "burst" && mark.cycle == 3);
  for (const char* line : {"", "12", "12 burst", "x burst 3", "12 bu,rst 3", "12 burst 3 4",
                           "12 burst -1", "12  3", "12 burst three"}) {
    CHECK(!parse_mark(line, mark));
  }
}

void a_mapping_is_read_from_its_line() {
  Mapping mapping;
  CHECK(parse_mapping("7f00-7f10 r-xp 00001000 fe:00 4711                   /lib/a b.so", mapping));
  CHECK(mapping.start == 0x7f00 && mapping.executable && mapping.inode == 4711);
  CHECK(mapping.dev == "fe:00");
  CHECK(parse_mapping("7f00-7f10 rw-p 00000000 00:00 0 ", mapping));
  CHECK(!mapping.executable && mapping.inode == 0);
  CHECK(!parse_mapping("", mapping));
  CHECK(!parse_mapping("nonsense", mapping));
}

void memory_texts_are_parsed() {
  const auto rollup = parse_rollup(
      "1-2 ---p 0 00:00 0 [rollup]\nRss:    100 kB\nPss:    50 kB\nPss_Anon: 9 kB\n"
      "Private_Clean:  10 kB\nPrivate_Dirty:   30 kB\nAnonymous: 1 kB\nLazyFree:  7 kB\n"
      "AnonHugePages:  2048 kB\n");
  CHECK(rollup && rollup->rss_kb == 100 && rollup->pss_kb == 50 && rollup->uss_kb == 40);
  CHECK(rollup && rollup->lazyfree_kb == 7 && rollup->anon_huge_kb == 2048);
  CHECK(!parse_rollup(""));
  const auto statm = parse_statm("100 20 3 4 5 6 7\n", 4);
  CHECK(statm && statm->vms_kb == 400 && statm->rss_kb == 80);
  CHECK(!parse_statm("0 0 0 0 0 0 0\n", 4));  // a zombie has no memory, which is not 0 kB
  CHECK(!parse_statm("", 4));
}

void machine_texts_are_parsed() {
  CHECK(parse_steal_ms("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 0 0\n", 100) == 80);
  CHECK(!parse_steal_ms("cpu 1 2 3\n", 100));
  CHECK(parse_psi_some_us("some avg10=0.00 avg60=0.00 avg300=0.00 total=123\nfull total=9\n") ==
        123);
  CHECK(!parse_psi_some_us(""));
  MachineCounters known, later;
  known.steal_ms = 30;
  known.psi_cpu_some_us = 5;
  known.load1 = 0.5;
  later.steal_ms = 50;
  later.psi_mem_some_us = 9;
  later.load1 = 9.0;
  const MachineCounters grown = growth(known, later);
  CHECK(grown.steal_ms == 20 && grown.load1 == 0.5);
  CHECK(!grown.psi_cpu_some_us && !grown.psi_mem_some_us);  // known at one end only
}

void deadlines_are_absolute() {
  Deadlines deadlines(1000, 10);
  CHECK(deadlines.due(1000) && deadlines.take(1000) == 0);
  CHECK(deadlines.next_ns() == 1010 && !deadlines.due(1009));
  CHECK(deadlines.take(1017) == 0);  // late, but nothing was lost
  CHECK(deadlines.next_ns() == 1020);
  CHECK(deadlines.take(1055) == 3);  // 1030, 1040 and 1050 have passed as well
  CHECK(deadlines.next_ns() == 1060);
  deadlines.skip(1100);
  CHECK(deadlines.next_ns() == 1110);
  deadlines.skip(1105);
  CHECK(deadlines.next_ns() == 1110);
  CHECK(!Deadlines().due(1 << 30));
}

void the_buffer_is_bounded_and_ordered() {
  SampleBuffer buffer(2);
  CHECK(buffer.push(Sample{.t_ns = 5}));
  CHECK(buffer.push(Sample{.t_ns = 3}));
  CHECK(!buffer.push(Sample{.t_ns = 9}));
  CHECK(buffer.end() - buffer.begin() == 2);
  CHECK(buffer.begin()[1].t_ns == 5);
  CHECK(capacity_for(10, 10) > 1000);
  CHECK(capacity_for(1e6, 0.1) == size_t{1} << 24);
}

void a_job_is_complete_or_refused() {
  CHECK(refusal(job_with("")).empty());
  CHECK(names(refusal("{"), "not JSON"));
  CHECK(names(refusal("[]"), "one JSON object"));
  CHECK(names(refusal(R"({"env": {}, "timeout_s": 5})"), "`argv`"));
  CHECK(names(refusal(R"({"argv": [], "env": {}, "timeout_s": 5})"), "`argv`"));
  CHECK(names(refusal(R"({"argv": ["a"], "env": {}})"), "`timeout_s`"));
  CHECK(names(refusal(R"({"argv": ["a"], "timeout_s": 5})"), "`env`"));
  CHECK(names(refusal(job_with(R"(, "timout": 5)")), "`timout`"));
  CHECK(names(refusal(job_with(R"(, "sample_ms": -1)")), "`sample_ms`"));
  CHECK(names(refusal(job_with(R"(, "sample_ms": 0.01)")), "`sample_ms`"));
  CHECK(names(refusal(job_with(R"(, "pss_every": 1.5)")), "`pss_every`"));
  CHECK(names(refusal(job_with(R"(, "cpus": [-1])")), "`cpus`"));
  CHECK(names(refusal(job_with(R"(, "cpus": "0")")), "`cpus`"));
  CHECK(names(refusal(job_with(R"(, "clear_thp": 1)")), "`clear_thp`"));
  CHECK(names(refusal(job_with(R"(, "stdin": "a\u0000b")")), "`stdin`"));
  CHECK(names(refusal(job_with(R"(, "preload": "/a b.so")")), "`preload`"));
  CHECK(names(refusal(job_with(R"(, "preload": "a.so")")), "`preload`"));
  const std::string twice = R"({"argv": ["a"], "env": {"LD_PRELOAD": ""}, "timeout_s": 1,
                                "preload": "/a.so"})";
  CHECK(names(refusal(twice), "LD_PRELOAD"));
  CHECK(names(refusal(R"({"argv": ["a"], "env": {"HZ_PHASE_FD": "3"}, "timeout_s": 1})"),
              "HZ_PHASE_FD"));
}

void the_preload_is_always_expected() {
  const Job job = parse_job(job_with(R"(, "preload": "/a.so", "expect_mapped": ["/b.so"])"));
  CHECK((job.expect_mapped == std::vector<std::string>{"/a.so", "/b.so"}));
  const Job once = parse_job(job_with(R"(, "preload": "/a.so", "expect_mapped": ["/a.so"])"));
  CHECK(once.expect_mapped.size() == 1);
}

void null_means_the_default() {
  const Job job = parse_job(
      job_with(R"(, "preload": null, "stdin": null, "csv_path": null, "rlimit_as_bytes": null)"));
  CHECK(job.preload.empty() && job.input.path == "/dev/null" && job.csv_path.empty());
  CHECK(!job.rlimit_as_bytes);
  CHECK(parse_job(job_with(R"(, "stdout_path": 3)")).output.inherited_fd == 3);
}

Share share_of(const char* program, int64_t cpu_ns, Found found) {
  Share share;
  share.program = program;
  share.cpu_ns = cpu_ns;
  share.found = found;
  return share;
}

void a_program_without_a_library_counts_by_its_share() {
  constexpr Found kBoth = 3;
  const auto proved = [](auto&& close_all) {
    Ledger ledger(kBoth, false);
    ledger.close(share_of("good", 9000, kBoth));
    close_all(ledger);
    ledger.judge(10000, 1000);
    return ledger.proved();
  };
  CHECK(proved([](Ledger&) {}) == kBoth);
  CHECK(proved([](Ledger& all) { all.close(share_of("bad", 100, 1)); }) == kBoth);
  CHECK(proved([](Ledger& all) { all.close(share_of("bad", 101, 1)); }) == 1);
  // Small ones are summed up, over processes and over programs.
  CHECK(proved([](Ledger& all) {
          for (int i = 0; i < 3; i++) all.close(share_of("bad", 40, 1));
        }) == 1);
  CHECK(proved([](Ledger& all) {
          for (const char* name : {"bad", "worse", "worst"}) all.close(share_of(name, 40, 2));
        }) == 2);
  Share large = share_of("large", 1, 0);
  large.peak_kb = 50;
  CHECK(proved([&](Ledger& all) { all.close(large); }) == kBoth);
  large.peak_kb = 51;
  CHECK(proved([&](Ledger& all) { all.close(large); }) == 0);
  Share marked = share_of("marked", 0, 1);
  marked.decisive = true;
  CHECK(proved([&](Ledger& all) { all.close(marked); }) == 1);
}

void only_a_wrapper_before_the_library_is_excused() {
  Share wrapper = share_of("env", 5000, 0);
  wrapper.replaced = true;
  for (const bool added_later : {false, true}) {
    Ledger ledger(1, added_later);
    ledger.close(wrapper);
    ledger.judge(10000, 1000);
    CHECK(ledger.proved() == 0);  // nobody had it
    ledger.close(share_of("good", 5000, 1));
    ledger.judge(10000, 1000);
    CHECK(ledger.proved() == (added_later ? 1U : 0U));
  }
}

}  // namespace

int main() {
  for (void (*const test)() :
       {a_mark_is_time_phase_cycle, a_mapping_is_read_from_its_line, memory_texts_are_parsed,
        machine_texts_are_parsed, deadlines_are_absolute, the_buffer_is_bounded_and_ordered,
        a_job_is_complete_or_refused, the_preload_is_always_expected, null_means_the_default,
        a_program_without_a_library_counts_by_its_share,
        only_a_wrapper_before_the_library_is_excused}) {
    test();
  }
  return failures == 0 ? 0 : 1;
}
