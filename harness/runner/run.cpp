// See run.hpp. One thread, one loop: signals, marks, the result and the sampling deadlines are all
// awaited in a single ppoll. Threads would buy nothing (the workload is parked while its smaps are
// read), and tracing and the death signal both bind to the thread that forked.
#include "run.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "calls.hpp"
#include "cleanup.hpp"
#include "clock.hpp"
#include "counters.hpp"
#include "error.hpp"
#include "handover.hpp"
#include "launch.hpp"
#include "series.hpp"
#include "trace.hpp"
#include "tree.hpp"

namespace hz3::runner {
namespace {

// After SIGKILL only a process stuck in the kernel is still there; waiting longer helps nobody.
constexpr int64_t kDeathWaitNs = 30 * kNsPerSecond;

constexpr const char kDoesNotWait[] =
    "the workload does not wait at its phase marks; memory read there is of later";

// So many events are served in a row before samples and the time limit are looked at again: a tree
// that forks for ever must not keep the runner from ending it.
constexpr int kEventsInARow = 64;

int64_t to_ns(const timeval& time) { return time.tv_sec * kNsPerSecond + time.tv_usec * 1000; }

// A descriptor a process of the tree is kept, and the usual limit is a thousand.
void use_every_descriptor() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<int> list_of(const cpu_set_t& cpus) {
  std::vector<int> list;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET(cpu, &cpus)) list.push_back(cpu);
  }
  return list;
}

bool share(const cpu_set_t& one, const cpu_set_t& other) {
  cpu_set_t both;
  CPU_AND(&both, &one, &other);
  return CPU_COUNT(&both) > 0;
}

Fd block_and_watch_signals() {
  std::signal(SIGCHLD, SIG_DFL);  // were it ignored, as a parent may leave it, wait would fail
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&watched, signal);
  sigprocmask(SIG_BLOCK, &watched, nullptr);
  Fd fd(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw cannot("watch signals");
  return fd;
}

class Run {
 public:
  Run(const Job& job, Report& report)
      : job_(job),
        report_(report),
        proof_(job.expect_mapped, job.cwd),
        ledger_(proof_.all(), job.preload.empty()),
        tree_(proof_, ledger_),
        tracer_(tree_) {}

  void start();
  void watch();
  void finish();

 private:
  void wait_for_event(bool& signals, bool& marks, bool& result);
  int64_t next_event_ns() const;
  void on_signals();
  void on_children();
  void serve_exec();
  bool serve_stop(pid_t pid, int status);
  void begin_trace(Process& first);
  void on_marks(bool parked);
  void read_mark(const Mark& mark, bool parked);
  void on_sample(int64_t now);
  void on_time(int64_t now);
  void stop_workload();
  bool last_look(pid_t pid);
  void end_tree();
  void account(int status);

  const Job& job_;
  Report& report_;
  Proof proof_;
  Ledger ledger_;
  Tree tree_;
  Tracer tracer_;
  MarkChannel marks_;
  ResultChannel result_;
  CallCounter calls_;
  Counters counters_;
  Fd signals_;
  pid_t pid_ = 0;  // the workload's first process, our direct child
  SampleBuffer samples_;
  Deadlines deadlines_;
  cpu_set_t workload_cpus_{};
  cpu_set_t sampled_on_{};  // CPUs the runner was on when it sampled
  MachineCounters before_;
  int64_t start_ns_ = 0;
  int64_t end_ns_ = 0;
  int64_t held_ns_ = 0;
  int64_t kill_ns_ = 0;         // when the workload was killed, 0: it was not
  bool unreleased_ = false;     // marks were found whose writer had not been let go
  bool more_children_ = false;  // events were left for the next turn
  bool ended_ = false;
};

void Run::start() {
  signals_ = block_and_watch_signals();
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) throw cannot("read the CPU set");
  workload_cpus_ = cpu_set_of(job_.cpus, allowed, "cpus");
  const cpu_set_t sampler_cpus = cpu_set_of(job_.sampler_cpus, allowed, "sampler_cpus");
  report_.handover_before_ns = handover_ns(workload_cpus_);  // before the fork: it starts a thread
  // Descendants that outlive the workload become ours, so that they can be found and ended.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  Launch launch(job_, workload_cpus_, marks_.workload_end(), result_.workload_end());
  pid_ = launch.pid();
  const KillOnUnwind guard(pid_);
  // From here on nothing is inherited: the fork is behind us.
  use_every_descriptor();
  prctl(PR_SET_TIMERSLACK, 1);
  sched_setaffinity(0, sizeof sampler_cpus, &sampler_cpus);
  report_.sampler.workload_cpus = list_of(workload_cpus_);
  report_.sampler.cpus = list_of(sampler_cpus);
  report_.sampler.shared = share(workload_cpus_, sampler_cpus);
  samples_ = SampleBuffer(capacity_for(job_.timeout_s, job_.sample_ms));
  Process& first = tree_.add(pid_, nullptr);
  first.announced = true;
  begin_trace(first);
  counters_.open(pid_, job_.counters);
  before_ = read_machine_counters();
  start_ns_ = launch.go();
  if (job_.count_calls) calls_.adopt(launch.take_listener());
  if (tracer_.active()) {
    serve_exec();
  } else {
    tree_.executed(first, "environment");
  }
  if (job_.sample_ms > 0) {
    deadlines_ = Deadlines(start_ns_, static_cast<int64_t>(job_.sample_ms * kNsPerMs));
    // At once and not by way of the loop: even a run that is interrupted right away has a baseline.
    on_sample(monotonic_ns());
  }
  guard.dismiss();
}

void Run::begin_trace(Process& first) {
  if (tracer_.seize(first)) {
    tree_.totals().followed = true;
  } else if (proof_.wanted()) {
    throw cannot(
        "trace the workload to prove which libraries it maps (allow ptrace of children: "
        "kernel.yama.ptrace_scope below 3, or SYS_PTRACE in a container; or expect no library)");
  }
}

// The exec that has just taken place is the first stop of a traced workload.
void Run::serve_exec() {
  for (bool exec = false; !exec;) {
    int status = 0;
    if (waitpid(pid_, &status, __WALL) != pid_ || !WIFSTOPPED(status)) {
      throw RunnerError(kCannotMeasure, "the workload died while it was being started");
    }
    exec = serve_stop(pid_, status);
  }
}

// Only stops of the first process count as held: while another one is stopped the rest goes on.
bool Run::serve_stop(pid_t pid, int status) {
  const int64_t stopped_ns = monotonic_ns();
  const bool exec = tracer_.serve(pid, status);
  if (pid == pid_) held_ns_ += monotonic_ns() - stopped_ns;
  return exec;
}

void Run::watch() {
  while (!ended_) {
    bool signals = false, marks = false, result = false;
    wait_for_event(signals, marks, result);
    if (signals) on_signals();
    if (more_children_) on_children();
    if (marks && !ended_) on_marks(true);
    if (result) result_.receive();
    if (!ended_) on_time(monotonic_ns());
  }
}

int64_t Run::next_event_ns() const {
  if (more_children_) return 0;
  if (kill_ns_ != 0) return kill_ns_ + kDeathWaitNs;
  const int64_t timeout = start_ns_ + static_cast<int64_t>(job_.timeout_s * kNsPerSecond);
  return deadlines_.any() ? std::min(timeout, deadlines_.next_ns()) : timeout;
}

void Run::wait_for_event(bool& signals, bool& marks, bool& result) {
  pollfd fds[] = {{signals_.get(), POLLIN, 0},
                  {marks_.poll_fd(), POLLIN, 0},
                  {result_.poll_fd(), POLLIN, 0},
                  {calls_.poll_fd(), POLLIN, 0}};
  const timespec wait = to_timespec(std::max<int64_t>(0, next_event_ns() - monotonic_ns()));
  if (ppoll(fds, 4, &wait, nullptr) <= 0) return;
  signals = fds[0].revents != 0;
  marks = fds[1].revents != 0;
  result = fds[2].revents != 0;
  if (fds[3].revents != 0) calls_.serve(fds[3].revents);
}

void Run::on_signals() {
  signalfd_siginfo info;
  bool children = false;
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      children = true;
    } else {
      report_.interrupted = true;
      stop_workload();
    }
  }
  if (children) on_children();
}

void Run::on_children() {
  more_children_ = false;
  for (int served = 0; served < kEventsInARow; served++) {
    siginfo_t info{};
    const int options = WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL;
    if (waitid(P_ALL, 0, &info, options) != 0 || info.si_pid == 0) return;
    const bool exited =
        info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    if (info.si_pid == pid_ && exited) {
      end_ns_ = monotonic_ns();
      ended_ = true;  // stays a zombie until finish(), so that its group can still be named
      return;
    }
    if (exited) {
      tree_.collect(info.si_pid);
      continue;
    }
    int status = 0;
    const pid_t pid = waitpid(info.si_pid, &status, WNOHANG | WUNTRACED | __WALL);
    if (pid > 0 && WIFSTOPPED(status) && tracer_.active()) serve_stop(pid, status);
  }
  more_children_ = true;
}

void Run::on_marks(bool parked) {
  std::vector<Mark> arrived;
  if (!marks_.receive(arrived)) {
    report_.note("the workload wrote a phase mark that is not `<ns> <phase> <cycle>`");
    marks_.release();
  }
  for (const Mark& mark : arrived) read_mark(mark, parked);
  unreleased_ = !parked && !arrived.empty();
}

void Run::read_mark(const Mark& mark, bool parked) {
  const int64_t last_ns = report_.marks.empty() ? 0 : report_.marks.back().at_ns;
  if (mark.at_ns < std::max(start_ns_, last_ns) || mark.at_ns > monotonic_ns()) {
    report_.note("phase mark `" + mark.phase + "` is out of order or not on CLOCK_MONOTONIC");
  }
  MarkReading reading{.t_ns = mark.at_ns - start_ns_, .memory = std::nullopt};
  // The row closes the phase before this mark: it is that phase's last state.
  Sample row{.t_ns = reading.t_ns, .mark = static_cast<int64_t>(report_.marks.size()) - 1};
  if (parked) {
    Process& writer = tree_.add(mark.pid > 0 ? mark.pid : pid_, nullptr);
    if (writer.helper) report_.note("a helper wrote the phase mark `" + mark.phase + "`");
    writer.marked = true;
    tree_.look(writer, "mark");
    reading.memory = tree_.rollup();
    if (const auto statm = tree_.statm(false)) row.vms_kb = statm->vms_kb;
  }
  if (reading.memory) {
    row.rss_kb = reading.memory->rss_kb;
    row.pss_kb = reading.memory->pss_kb;
    row.uss_kb = reading.memory->uss_kb;
    row.lazyfree_kb = reading.memory->lazyfree_kb;
    row.anon_huge_kb = reading.memory->anon_huge_kb;
    samples_.push(row);
  }
  report_.marks.push_back(mark);
  report_.readings.push_back(reading);
  if (!parked) return;
  const int64_t now = monotonic_ns();
  held_ns_ += std::clamp<int64_t>(now - mark.at_ns, 0, now - start_ns_);
  deadlines_.skip(now);
  if (!marks_.release()) {
    report_.note(kDoesNotWait);
  }
}

void Run::on_sample(int64_t now) {
  report_.missed_deadlines += deadlines_.take(now);
  const auto statm = tree_.statm(true);
  if (!statm) return;
  if (const int cpu = sched_getcpu(); cpu >= 0) CPU_SET(cpu, &sampled_on_);
  Sample sample{.t_ns = now - start_ns_,
                .rss_kb = statm->rss_kb,
                .vms_kb = statm->vms_kb,
                .mark = static_cast<int64_t>(report_.marks.size()) - 1};
  if (job_.pss_every > 0 && report_.samples % job_.pss_every == 0) {
    if (const auto rollup = tree_.rollup()) {
      sample.pss_kb = rollup->pss_kb;
      sample.uss_kb = rollup->uss_kb;
      sample.lazyfree_kb = rollup->lazyfree_kb;
      sample.anon_huge_kb = rollup->anon_huge_kb;
    }
  }
  if (samples_.push(sample)) {
    report_.samples++;
  } else {
    report_.missed_deadlines++;
    report_.note("the sample buffer is full; raise sample_ms or lower timeout_s");
  }
}

void Run::on_time(int64_t now) {
  if (kill_ns_ != 0) {
    if (now >= kill_ns_ + kDeathWaitNs) {
      throw RunnerError(kCannotMeasure, "the workload does not die of SIGKILL");
    }
    return;
  }
  if (deadlines_.due(now)) on_sample(now);
  if (now >= start_ns_ + static_cast<int64_t>(job_.timeout_s * kNsPerSecond)) {
    report_.timed_out = true;
    stop_workload();
  }
}

void Run::stop_workload() {
  if (kill_ns_ == 0) kill_ns_ = monotonic_ns();
  kill(-pid_, SIGKILL);
}

void Run::account(int status) {
  if (WIFEXITED(status)) report_.exit_status = WEXITSTATUS(status);
  if (WIFEXITED(status) && unreleased_) report_.note(kDoesNotWait);
  if (WIFSIGNALED(status)) report_.signal = WTERMSIG(status);
  report_.held_ns = held_ns_;
  report_.wall_ns = end_ns_ - start_ns_ - held_ns_;
}

// At a process that outlived the workload, before it is killed. False for a helper: that it is
// still there is its right.
bool Run::last_look(pid_t pid) {
  Process* process = tree_.find(pid);
  if (process == nullptr && read_rollup(pid)) process = &tree_.add(pid, nullptr);
  if (process == nullptr) return true;
  tree_.ending(*process);
  return !process->helper;
}

void Run::end_tree() {
  const Ended ended = end_leftovers({.found = [this](pid_t pid) { return last_look(pid); },
                                     .collect = [this](pid_t pid) { tree_.collect(pid); }});
  report_.leftover_processes = ended.killed;
  if (!ended.all_gone) report_.note("a process of the workload does not die of SIGKILL");
  if (!tree_.totals().all_watched) {
    report_.note("more processes at once than the runner has descriptors; raise ulimit -n");
  }
  tree_.close();
  report_.usage = tree_.usage();
  report_.tree = tree_.totals();
  report_.peak_rss_kb = tree_.peak_kb();
  report_.unproven = ledger_.unproven();
  report_.mapped = proof_.files();
  for (size_t i = 0; i < report_.mapped.size(); i++) {
    report_.mapped[i].found = (ledger_.proved() >> i & 1) != 0;
    report_.mapped[i].seen_at = tree_.seen_at(i);
  }
}

void Run::finish() {
  report_.machine = growth(before_, read_machine_counters());
  kill(-pid_, SIGKILL);  // what it left running in its group
  on_marks(false);
  result_.receive();
  const std::optional<int> status = tree_.collect(pid_);
  if (!status) throw cannot("collect the workload");
  account(*status);
  end_tree();
  report_.result = result_.text();
  report_.sampler.ran_on = list_of(sampled_on_);
  if (report_.ok()) report_.handover_after_ns = handover_ns(workload_cpus_);
  if (job_.count_calls) report_.calls = calls_.counts();
  report_.counters = counters_.read();
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  report_.runner_cpu_ns = to_ns(own.ru_utime) + to_ns(own.ru_stime);
  if (!job_.csv_path.empty()) write_csv(job_.csv_path, samples_, report_.marks);
}

}  // namespace

void run_job(const Job& job, Report& report) {
  Run run(job, report);
  run.start();
  run.watch();
  run.finish();
}

}  // namespace hz3::runner
