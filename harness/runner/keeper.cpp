// See keeper.hpp.
#include "keeper.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "cleanup.hpp"
#include "error.hpp"
#include "report.hpp"

namespace hz3::runner {
namespace {

void say(const std::string& what) {
  Report report;
  report.note(what);
  std::fprintf(stderr, "hz3-runner: %s\n", what.c_str());
  std::printf("%s\n", to_line(report).c_str());
  std::fflush(stdout);
}

}  // namespace

int keep(int (*measure)(const char* job), const char* job) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::signal(SIGCHLD, SIG_DFL);  // were it ignored, as a parent may leave it, wait would fail
  sigset_t watched, before;
  sigemptyset(&watched);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&watched, signal);
  sigprocmask(SIG_BLOCK, &watched, &before);
  const pid_t keeper = getpid();
  const pid_t child = fork();
  if (child < 0) {
    say(std::string("cannot fork: ") + std::strerror(errno));
    return kCannotMeasure;
  }
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != keeper) _exit(kCannotMeasure);
    setsid();
    sigprocmask(SIG_SETMASK, &before, nullptr);
    _exit(measure(job));
  }
  bool asked = false;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    siginfo_t info{};
    const int signal = sigwaitinfo(&watched, &info);
    if (signal != SIGINT && signal != SIGTERM) continue;
    asked = true;
    kill(child, signal);
  }
  const Ended ended = end_leftovers();
  if (!ended.all_gone) {
    std::fputs("hz3-runner: a process of the workload does not die of SIGKILL\n", stderr);
    return kCannotMeasure;
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  say("the measuring process was ended by signal " + std::to_string(WTERMSIG(status)) +
      "; so were the " + std::to_string(ended.killed) + " processes it left");
  return asked ? kInterrupted : kCannotMeasure;
}

}  // namespace hz3::runner
