// Workloads of more than one process, one a sub-command, for test_tree.py: every way known to
// start, to leave and to hide a process.
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>

extern char** environ;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

void touch(size_t mib) {
  void* const memory =
      mmap(nullptr, mib * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::_Exit(93);
  std::memset(memory, 1, mib * kMiB);
}

void burn(int ms) {
  const clock_t end = std::clock() + ms * (CLOCKS_PER_SEC / 1000);
  while (std::clock() < end) continue;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, __WALL) != pid) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

// Two processes that hold so much each at the same time.
int together(size_t mib) {
  int ready[2], done[2];
  if (pipe(ready) != 0 || pipe(done) != 0) return 90;
  const pid_t child = fork();
  touch(mib);
  char byte = 0;
  if (child == 0) {
    if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1) return 91;
    return 0;
  }
  if (read(ready[0], &byte, 1) != 1) return 91;
  usleep(100000);
  if (write(done[1], &byte, 1) != 1) return 91;
  return wait_for(child);
}

// Holds so much, and is for a while between vfork and exec: one memory, two processes.
int borrow(size_t mib) {
  touch(mib);
  const pid_t child = vfork();
  if (child == 0) {
    usleep(100000);
    execl("/bin/true", "true", nullptr);
    _exit(94);
  }
  return wait_for(child);
}

int by_vfork(char** command) {
  const pid_t child = vfork();
  if (child == 0) {
    execv(command[0], command);
    _exit(94);
  }
  return wait_for(child);
}

pid_t fork_seen() { return fork(); }
pid_t clone_with(unsigned long flags) {
  return static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
}

// Without SIGCHLD as its exit signal, so that neither a plain wait nor a tracer of forks sees it.
pid_t fork_unseen() { return clone_with(0); }

// As fork, but kept from tracers.
pid_t fork_untraced() { return clone_with(CLONE_UNTRACED | SIGCHLD); }

// A brother instead of a child.
pid_t fork_beside() { return clone_with(CLONE_PARENT | SIGCHLD); }

int by_fork(pid_t (*fork_one)(), char** command) {
  const pid_t child = fork_one();
  if (child == 0) {
    execv(command[0], command);
    _exit(94);
  }
  if (fork_one == fork_beside) return usleep(200000);
  return wait_for(child);
}

// It marks, and cannot be followed.
int mark_unseen() {
  const int fd = std::atoi(std::getenv("HZ_PHASE_FD"));
  const pid_t child = fork_unseen();
  if (child != 0) return wait_for(child);
  touch(8);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  char line[64];
  const int length =
      std::snprintf(line, sizeof line, "%lld burst 0\n", now.tv_sec * 1000000000LL + now.tv_nsec);
  char byte;
  _exit(write(fd, line, static_cast<size_t>(length)) == length && read(fd, &byte, 1) == 1 ? 0 : 95);
}

int by_thread(char** command) {
  int status = 0;
  std::thread([&] {
    pid_t child = 0;
    posix_spawn(&child, command[0], nullptr, nullptr, command, environ);
    status = wait_for(child);
  }).join();
  return status;
}

int exec_in_thread(char** command) {
  std::thread([&] { execv(command[0], command); }).detach();
  for (;;) pause();
}

// Calls exec on itself so many times, then ends.
int again(const char* self, int times) {
  burn(5);
  if (times == 0) return 0;
  const std::string left = std::to_string(times - 1);
  execl(self, self, "again", left.c_str(), nullptr);
  return 94;
}

// Nobody waits for the child, and the kernel charges nobody with it.
int ignoring(int ms) {
  signal(SIGCHLD, SIG_IGN);
  const pid_t child = fork();
  if (child == 0) {
    burn(ms);
    _exit(0);
  }
  while (kill(child, 0) == 0) usleep(1000);
  return 0;
}

// An orphan that works and ends while the first process still runs.
int orphan(int ms) {
  int ended[2];
  if (pipe(ended) != 0) return 90;
  const pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      setsid();
      burn(ms);
    }
    _exit(0);
  }
  wait_for(child);
  close(ended[1]);
  char byte;
  return static_cast<int>(read(ended[0], &byte, 1));  // until the orphan's end of it is closed too
}

// Leaves so much behind in a daemon: forked twice, a session of its own, no stream open.
int daemon_with(size_t mib) {
  int ready[2];
  if (pipe(ready) != 0) return 90;
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    touch(mib);
    if (write(ready[1], "", 1) != 1) _exit(91);
    for (int fd = 0; fd < 64; fd++) close(fd);
    for (;;) pause();
  }
  wait_for(child);
  char byte;
  return read(ready[0], &byte, 1) == 1 ? 0 : 91;
}

// Never the same process for long: each forks another, in a session of its own, and ends.
int hop(pid_t (*fork_one)()) {
  if (fork_one() != 0) return usleep(50000);
  for (;;) {
    setsid();
    if (fork_one() != 0) _exit(0);
  }
}

int bomb() {
  for (int i = 0; i < 6; i++) {
    if (fork() == 0) {
      setsid();
      signal(SIGTERM, SIG_IGN);
    }
  }
  for (;;) pause();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  char** const command = argv + 2;
  const int number = argc > 2 ? std::atoi(argv[2]) : 0;
  if (what == "together") return together(static_cast<size_t>(number));
  if (what == "borrow") return borrow(static_cast<size_t>(number));
  if (what == "vfork") return by_vfork(command);
  if (what == "clone") return by_fork(fork_unseen, command);
  if (what == "untraced") return by_fork(fork_untraced, command);
  if (what == "beside") return by_fork(fork_beside, command);
  if (what == "mark-unseen") return mark_unseen();
  if (what == "thread") return by_thread(command);
  if (what == "exec-in-thread") return exec_in_thread(command);
  if (what == "again") return again(argv[0], number);
  if (what == "ignoring") return ignoring(number);
  if (what == "orphan") return orphan(number);
  if (what == "daemon") return daemon_with(static_cast<size_t>(number));
  if (what == "hop") return hop(fork_seen);
  if (what == "hop-unseen") return hop(fork_unseen);
  if (what == "bomb") return bomb();
  if (what == "burn") return burn(number), 0;
  return 2;
}
