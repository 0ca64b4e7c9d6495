// See cleanup.hpp.
#include "cleanup.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <sstream>
#include <string>

#include "clock.hpp"
#include "proc_text.hpp"

namespace hz3::runner {
namespace {

constexpr int64_t kPatienceNs = 2 * kNsPerSecond;

void kill_children() {
  const std::string self = std::to_string(getpid());
  const auto list = read_proc("/proc/self/task/" + self + "/children");
  std::istringstream pids(list.value_or(""));
  for (pid_t pid; pids >> pid;) kill(pid, SIGKILL);
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

int64_t end_leftovers() {
  const int64_t give_up = monotonic_ns() + kPatienceNs;
  int64_t killed = 0;
  while (monotonic_ns() < give_up) {
    // Again each time: killing a parent hands us its children.
    kill_children();
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid > 0) {
      // An orphan that had ended by itself was not left running.
      if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) killed++;
    } else if (pid < 0 && errno == ECHILD) {
      break;
    } else {
      const timespec pause = to_timespec(kNsPerMs);
      nanosleep(&pause, nullptr);
    }
  }
  return killed;
}

}  // namespace hz3::runner
