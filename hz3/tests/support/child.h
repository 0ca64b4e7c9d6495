// Runs a piece of a test in a child process, so that what may crash, hang or exhaust memory cannot
// take the test with it. The child has an alarm: a deadlock becomes a signal and a finding.
#pragma once

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>

#include "check.h"

namespace hz3_test {

struct ChildEnd {
  bool exited = false;
  int status = 0;         // exit status when `exited`, else the signal
  char output[512] = {};  // the beginning of what the child wrote on stderr

  bool ok() const { return exited && status == 0; }
  const char* how() const { return exited ? "exit status" : "signal"; }
};

inline ChildEnd wait_for(pid_t child) {
  ChildEnd end;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  end.exited = WIFEXITED(status);
  end.status = end.exited ? WEXITSTATUS(status) : WTERMSIG(status);
  return end;
}

// Kills a child that has not ended after its alarm: one that hangs inside fork itself has none yet.
inline void kill_if_hung(pid_t child, unsigned alarm_s) {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (fd < 0) return;
  pollfd ended{fd, POLLIN, 0};
  const int timeout_ms = static_cast<int>(alarm_s + 2) * 1000;
  int got = 0;
  while ((got = poll(&ended, 1, timeout_ms)) < 0 && errno == EINTR) {
  }
  if (got == 0) kill(child, SIGKILL);
  close(fd);
}

// Reads until end of file; keeps what fits, so that a chatty child never blocks.
inline void drain(int fd, char* buffer, size_t capacity) {
  size_t used = 0;
  char scratch[512];
  for (;;) {
    const ssize_t got = read(fd, scratch, sizeof scratch);
    if (got <= 0) break;
    const size_t room = capacity - 1 - used;
    const size_t kept = static_cast<size_t>(got) < room ? static_cast<size_t>(got) : room;
    memcpy(buffer + used, scratch, kept);
    used += kept;
  }
  buffer[used] = '\0';
}

// Forks, runs `body` (its return value is the exit status) and collects how it ended. With
// `capture`, the child's stderr is read instead of passed on.
template <typename Body>
ChildEnd run_child(Body body, unsigned alarm_s, bool capture = false) {
  int ends[2] = {-1, -1};
  if (capture && pipe(ends) != 0) _exit(3);
  const pid_t child = fork();
  if (child == 0) {
    alarm(alarm_s);
    if (capture) {
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
    }
    _exit(body());
  }
  ChildEnd end;
  if (child < 0) return end;
  if (capture) {
    close(ends[1]);
    drain(ends[0], end.output, sizeof end.output);
    close(ends[0]);
  }
  kill_if_hung(child, alarm_s);
  const ChildEnd waited = wait_for(child);
  end.exited = waited.exited;
  end.status = waited.status;
  return end;
}

}  // namespace hz3_test
