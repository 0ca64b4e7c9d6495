// See cleanup.hpp.
#include "cleanup.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>
#include <sstream>
#include <string>

#include "clock.hpp"
#include "proc_text.hpp"

namespace hz3::runner {
namespace {

// The memory of a large process takes a second or two to be given back.
constexpr int64_t kPatienceNs = 10 * kNsPerSecond;

// Then it is time to kill again: processes that fork as fast as they are collected have no end.
constexpr int kEventsInARow = 64;

class Reaper {
 public:
  explicit Reaper(const Survivors& told) : told_(told) {}

  void kill_children();
  // Collects what has ended, and lets what a tracer stopped go on to its end. False when nobody is
  // left.
  bool collect();
  int64_t killed() const { return killed_; }

 private:
  bool& counts(pid_t pid);
  void end(pid_t pid);

  const Survivors& told_;
  std::map<pid_t, bool> seen_;  // by pid, whether it counts
  int64_t killed_ = 0;
};

void Reaper::kill_children() {
  const std::string self = std::to_string(getpid());
  const auto list = read_proc("/proc/self/task/" + self + "/children");
  std::istringstream pids(list.value_or(""));
  for (pid_t pid; pids >> pid;) end(pid);
}

bool& Reaper::counts(pid_t pid) {
  const auto [at, fresh] = seen_.try_emplace(pid, true);
  if (fresh && told_.found) at->second = told_.found(pid);
  return at->second;
}

void Reaper::end(pid_t pid) {
  counts(pid);
  kill(pid, SIGKILL);
}

bool Reaper::collect() {
  for (int served = 0; served < kEventsInARow; served++) {
    siginfo_t info{};
    const int options = WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL;
    if (waitid(P_ALL, 0, &info, options) != 0) return errno != ECHILD;
    if (info.si_pid == 0) return true;
    int status = 0;
    if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED) {
      if (waitpid(info.si_pid, &status, WNOHANG | WUNTRACED | __WALL) != info.si_pid) continue;
      // Nobody is let go to fork once more; only on the way out a process is past being killed.
      end(info.si_pid);
      if (status >> 16 == PTRACE_EVENT_EXIT) ptrace(PTRACE_CONT, info.si_pid, nullptr, 0);
      continue;
    }
    // An orphan that had ended by itself was not left running.
    if (info.si_code == CLD_KILLED && info.si_status == SIGKILL) {
      bool& counted = counts(info.si_pid);
      if (counted) killed_++;
      counted = false;  // a traced one may come twice: as tracee, and as orphan
    }
    if (told_.collect) told_.collect(info.si_pid);
    waitpid(info.si_pid, &status, WNOHANG | __WALL);
  }
  return true;
}

}  // namespace

KillOnUnwind::~KillOnUnwind() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  int status = 0;
  // A traced process stops once more on its way out; it must be let go to be collected.
  while (waitpid(pid_, &status, __WALL) == pid_ && WIFSTOPPED(status)) {
    ptrace(PTRACE_CONT, pid_, nullptr, 0);
  }
}

Ended end_leftovers(const Survivors& told) {
  const int64_t give_up = monotonic_ns() + kPatienceNs;
  Reaper reaper(told);
  do {
    // Again each time: killing a parent hands us its children.
    reaper.kill_children();
    if (!reaper.collect()) return Ended{.killed = reaper.killed(), .all_gone = true};
    const timespec pause = to_timespec(kNsPerMs / 10);
    nanosleep(&pause, nullptr);
  } while (monotonic_ns() < give_up);
  return Ended{.killed = reaper.killed(), .all_gone = false};
}

}  // namespace hz3::runner
