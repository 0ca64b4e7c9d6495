#include "programs/burst_idle.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/args.h"
#include "common/clocks.h"
#include "common/futex.h"
#include "common/memory.h"
#include "common/phase.h"
#include "common/proc.h"
#include "common/report.h"
#include "common/team.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr std::uint64_t kShortIdleNs = 100000000;  // of the window that is not the measured one

// One thread's share of the slot table, kept over the cycles.
struct alignas(64) Lane {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t kept = 0;       // live objects, at the front of the share
  std::uint64_t survivors = 0;  // objects and bytes kept in the last cycle
  std::uint64_t survivor_bytes = 0;
  std::uint64_t ticks = 0;
  Tally tally;
};

class Cycles {
 public:
  explicit Cycles(const BurstIdle& plan)
      : plan_(plan),
        slots_(plan.objects),
        lanes_(plan.threads),
        team_(plan.threads),
        meeting_(plan.threads + 1) {
    if (plan.tick_ns > 0) {
      tick_ = reinterpret_cast<void (*)()>(::dlsym(RTLD_DEFAULT, "hz3_epoch_force"));
    }
    const char* path = std::getenv("S59_2_DUMP_PATH");
    if (plan.dump != BurstIdle::Dump::kNone && path != nullptr && *path != '\0') {
      dump_fd_ = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
      if (dump_fd_ < 0) {
        complain("S59_2_DUMP_PATH=%s cannot be written", path);
        std::exit(kExitUsage);
      }
    }
    std::uint64_t first = 0;
    for (unsigned i = 0; i < plan.threads; ++i) {
      lanes_[i].first = first;
      lanes_[i].count = plan.objects / plan.threads + (i < plan.objects % plan.threads);
      first += lanes_[i].count;
    }
  }

  int run() {
    const std::uint64_t begin = wall_ns();
    for (cycle_ = 1; cycle_ <= plan_.cycles; ++cycle_) one_cycle();
    phases_.end();
    const std::uint64_t elapsed = wall_ns() - begin;
    const std::uint64_t idle_bookkeeping = bookkeeping_kb();
    for (unsigned i = 0; i < plan_.threads; ++i) free_kept(lanes_[i]);
    write_result(elapsed, idle_bookkeeping);
    return 0;
  }

  // The life of one thread in one cycle.
  void operator()(unsigned index) {
    Lane& lane = lanes_[index];
    meeting_.wait();
    free_kept(lane);
    allocate_all(lane, index);
    meeting_.wait();  // the burst is over
    meeting_.wait();  // the mark of `free` is written
    const unsigned whose = plan_.freed_by_next ? (index + 1) % plan_.threads : index;
    free_all_but_kept(lanes_[whose], whose);
    meeting_.wait();
    wait_held(lane);
  }

 private:
  void one_cycle() {
    exit_gate_.close();
    phases_.mark("burst", cycle_);
    team_.start(*this);
    meeting_.wait();
    burst_.start();
    meeting_.wait();
    burst_.stop();
    peak_bookkeeping_kb_ = std::max(peak_bookkeeping_kb_, bookkeeping_kb());
    say_rss("burst");
    phases_.mark("free", cycle_);
    free_.start();
    meeting_.wait();
    meeting_.wait();
    free_.stop();
    say_rss("free");
    phases_.mark("held", cycle_);
    idle("held", plan_.idle_while_held);
    phases_.mark("joined", cycle_);
    exit_gate_.open();
    team_.join();
    release_tables();
    idle("joined", !plan_.idle_while_held);
  }

  void free_kept(Lane& lane) {
    Tally tally;
    for (std::uint64_t i = 0; i < lane.kept; ++i) {
      check(slots_[lane.first + i]);
      give(slots_[lane.first + i], tally);
    }
    lane.kept = 0;
    lane.tally.add(tally);
  }

  void allocate_all(Lane& lane, unsigned index) {
    Tally tally;
    Random random(plan_.seed, cycle_ * 1000003ull + index);
    const UniformSizes sizes(plan_.sizes);
    for (std::uint64_t i = 0; i < lane.count; ++i) {
      const std::size_t bytes = sizes(random);
      void* object = take(bytes, tally);
      fill(object, bytes);
      slots_[lane.first + i] = object;
    }
    lane.tally.add(tally);
  }

  // Which objects stay is drawn one by one so that their number is exact (selection sampling).
  void free_all_but_kept(Lane& lane, unsigned index) {
    Random random(plan_.seed + 1, cycle_ * 1000003ull + index);
    void** slots = slots_.data() + lane.first;
    if (plan_.free_order == BurstIdle::Order::kRandom) {
      for (std::uint64_t i = lane.count; i > 1; --i) {
        std::swap(slots[i - 1], slots[random.below(static_cast<std::uint32_t>(i))]);
      }
    }
    Tally tally;
    std::uint64_t to_keep = lane.count * plan_.keep_pct / 100;
    std::uint64_t kept = 0, kept_bytes = 0;
    for (std::uint64_t i = 0; i < lane.count; ++i) {
      if (to_keep > 0 && random.below(static_cast<std::uint32_t>(lane.count - i)) < to_keep) {
        --to_keep;
        kept_bytes += check(slots[i]);
        slots[kept++] = slots[i];
        continue;
      }
      check(slots[i]);
      give(slots[i], tally);
    }
    lane.kept = kept;
    lane.survivors = kept;
    lane.survivor_bytes = kept_bytes;
    lane.tally.add(tally);
  }

  // A held thread ticks itself: caches and ledgers of a thread are only its own to drain.
  void wait_held(Lane& lane) {
    if (tick_ == nullptr) return exit_gate_.wait();
    while (!exit_gate_.wait_for(plan_.tick_ns)) {
      tick_();
      ++lane.ticks;
    }
  }

  void idle(const char* phase, bool measured) {
    const std::uint64_t deadline = wall_ns() + (measured ? plan_.idle_ns : kShortIdleNs);
    const std::uint64_t cpu = process_cpu_ns();
    if (tick_ != nullptr) {
      for (std::uint64_t next = wall_ns() + plan_.tick_ns; next < deadline; next += plan_.tick_ns) {
        sleep_until_ns(next);
        tick_();
        ++main_ticks_;
      }
    }
    sleep_until_ns(deadline);
    if (measured) idle_cpu_ns_ += process_cpu_ns() - cpu;
    say_rss(phase);
    if (measured) dump(phase);
  }

  void say_rss(const char* phase) {
    say("cycle %u %s rss_kb=%llu\n", cycle_, phase, static_cast<unsigned long long>(rss_kb()));
  }

  void dump(const char* phase) {
    if (plan_.dump == BurstIdle::Dump::kNone) return;
    print(dump_fd_, "# cycle %u %s\n", cycle_, phase);
    copy_proc_file(
        plan_.dump == BurstIdle::Dump::kSmaps ? "/proc/self/smaps" : "/proc/self/smaps_rollup",
        dump_fd_);
  }

  // Pages with kept slots stay; the rest must not be counted as the allocator's in the idle window.
  void release_tables() {
    for (unsigned i = 0; i < plan_.threads; ++i) {
      const Lane& lane = lanes_[i];
      slots_.release(lane.first + lane.kept, lane.first + lane.count);
    }
  }

  void write_result(std::uint64_t elapsed, std::uint64_t idle_bookkeeping) {
    Tally tally;
    std::uint64_t ticks = main_ticks_, survivors = 0, survivor_bytes = 0;
    for (unsigned i = 0; i < plan_.threads; ++i) {
      tally.add(lanes_[i].tally);
      ticks += lanes_[i].ticks;
      survivors += lanes_[i].survivors;
      survivor_bytes += lanes_[i].survivor_bytes;
    }
    const double objects = static_cast<double>(plan_.objects) * plan_.cycles;
    const double busy_ns = static_cast<double>(burst_.wall() + free_.wall());
    const double cpu_ns = static_cast<double>(burst_.cpu() + free_.cpu());
    const double ops = static_cast<double>(tally.ops());
    Result result;
    result.text("idle_phase", plan_.idle_while_held ? "held" : "joined");
    result.number("ops", tally.ops());
    result.number("elapsed_ns", elapsed);
    result.number("busy_ns", burst_.wall() + free_.wall());
    result.number("ops_per_s", ops * 1e9 / busy_ns);
    result.number("cpu_ns", burst_.cpu() + free_.cpu());
    result.number("ops_per_cpu_s", ops * 1e9 / cpu_ns);
    result.number("burst_ns_per_object", static_cast<double>(burst_.wall()) / objects);
    result.number("free_ns_per_object", static_cast<double>(free_.wall()) / objects);
    result.number("idle_cpu_ns", idle_cpu_ns_);
    result.number("ticks", ticks);
    result.number("survivors", survivors);
    result.number("survivor_bytes", survivor_bytes);
    result.number("cycles", std::uint64_t{plan_.cycles});
    result.calls(tally);
    result.number("bookkeeping_kb", idle_bookkeeping);
    result.number("bookkeeping_peak_kb", peak_bookkeeping_kb_);
    result.write();
    say("%s: %.0f ops/s while busy, burst %.1f ns/object, free %.1f ns/object, idle cpu %.1f ms, "
        "bookkeeping %llu kB when idle\n",
        program_name(), ops * 1e9 / busy_ns, static_cast<double>(burst_.wall()) / objects,
        static_cast<double>(free_.wall()) / objects, static_cast<double>(idle_cpu_ns_) * 1e-6,
        static_cast<unsigned long long>(idle_bookkeeping));
  }

  const BurstIdle plan_;
  Phases phases_;
  Table<void*> slots_;
  Table<Lane> lanes_;
  Team team_;
  Barrier meeting_;
  Gate exit_gate_;
  void (*tick_)() = nullptr;
  int dump_fd_ = STDERR_FILENO;
  unsigned cycle_ = 0;
  Stopwatch burst_, free_;
  std::uint64_t idle_cpu_ns_ = 0;
  std::uint64_t main_ticks_ = 0;
  std::uint64_t peak_bookkeeping_kb_ = 0;
};

}  // namespace

int run_burst_idle(const BurstIdle& plan) {
  Cycles cycles(plan);
  return cycles.run();
}

}  // namespace workload
