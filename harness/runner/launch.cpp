// See launch.hpp.
#include "launch.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "calls.hpp"
#include "clock.hpp"
#include "error.hpp"

namespace hz3::runner {
namespace {

constexpr int kStatusFd = 22;
// Descriptors are first moved up here so that none lies in another's final place.
constexpr int kParking = 64;

// What the child says of its start: where calls are counted, first the listener (with the message,
// and no time in it); that it is about to exec and when; then, only if it is still there, what
// failed.
struct Message {
  int64_t at_ns = 0;
  int error = 0;
  char step[64] = "";  // empty: none failed
};

struct Plan {
  const Job& job;
  const cpu_set_t& cpus;
  std::vector<std::string> env;
  std::string program;
  std::array<int, 6> sources;  // stdin, stdout, stderr, result, phase, status
};

[[noreturn]] void fail(int status_fd, const char* step) {
  Message message;
  message.error = errno;
  std::strncpy(message.step, step, sizeof message.step - 1);
  [[maybe_unused]] const ssize_t sent = write(status_fd, &message, sizeof message);
  _exit(127);
}

Fd open_stream(const Stream& stream, int flags) {
  if (stream.inherited_fd >= 0) {
    Fd copy(fcntl(stream.inherited_fd, F_DUPFD_CLOEXEC, kParking));
    if (!copy) throw cannot("use inherited descriptor " + std::to_string(stream.inherited_fd));
    return copy;
  }
  Fd fd(open(stream.path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0666));
  if (!fd) throw cannot("open " + stream.path);
  return fd;
}

// A name without a slash is searched along the PATH of the job, never the runner's own.
std::string find_program(const Job& job) {
  const std::string& name = job.argv[0];
  if (name.find('/') != name.npos) return name;
  std::string_view path = env_value(job.env, "PATH");
  if (path.empty()) path = "/usr/bin:/bin";
  while (!path.empty()) {
    const std::string_view folder = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(folder.size() + 1, path.size()));
    const std::string candidate = std::string(folder.empty() ? "." : folder) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw RunnerError(kCannotMeasure,
                    "cannot start " + name + ": not found on the PATH of the job's env");
}

std::vector<std::string> full_environment(const Job& job) {
  std::vector<std::string> env = job.env;
  env.push_back("HZ_RESULT_FD=" + std::to_string(kResultFd));
  env.push_back("HZ_PHASE_FD=" + std::to_string(kPhaseFd));
  if (!job.preload.empty()) env.push_back("LD_PRELOAD=" + job.preload);
  return env;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

void place_descriptors(const Plan& plan, int& status_fd) {
  constexpr std::array<int, 6> kPlaces = {0, 1, 2, kResultFd, kPhaseFd, kStatusFd};
  std::array<int, 6> parked;
  for (size_t i = 0; i < parked.size(); i++) {
    parked[i] = fcntl(plan.sources[i], F_DUPFD_CLOEXEC, kParking);
    if (parked[i] < 0) fail(status_fd, "copy a descriptor");
  }
  status_fd = parked.back();
  for (size_t i = 0; i < parked.size(); i++) {
    const int flags = kPlaces[i] == kStatusFd ? O_CLOEXEC : 0;
    if (dup3(parked[i], kPlaces[i], flags) < 0) fail(status_fd, "place a descriptor");
  }
  status_fd = kStatusFd;
  close_range(3, kResultFd - 1, 0);
  close_range(kStatusFd + 1, ~0U, 0);
}

void default_signals() {
  for (int signal = 1; signal < NSIG; signal++) std::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void limit(int status_fd, int resource, uint64_t bytes, const char* step) {
  const rlimit both{bytes, bytes};
  if (setrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) fail(status_fd, step);
}

// Room for one descriptor beside a message.
union Control {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr aligned;
};

// From here on every counted call waits for the runner, which serves them after exec: the child
// makes none before it. False with errno set.
bool send_listener(int status_fd) {
  const int listener = listen_to_calls();
  if (listener < 0) return false;
  Message message;
  iovec part{&message, sizeof message};
  Control control{};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  packet.msg_control = control.bytes;
  packet.msg_controllen = sizeof control.bytes;
  cmsghdr* head = CMSG_FIRSTHDR(&packet);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof listener);
  std::memcpy(CMSG_DATA(head), &listener, sizeof listener);
  const bool sent = sendmsg(status_fd, &packet, 0) >= 0;
  close(listener);
  return sent;
}

// Runs in the child between go() and exec.
[[noreturn]] void become_workload(const Plan& plan, pid_t runner) {
  int status_fd = plan.sources.back();
  place_descriptors(plan, status_fd);
  default_signals();
  if (sched_setaffinity(0, sizeof plan.cpus, &plan.cpus) != 0) fail(status_fd, "set the CPU set");
  if (plan.job.clear_thp && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) {
    fail(status_fd, "switch transparent huge pages off");
  }
  // A core dump of a heap of some GiB would be written while the next run is measured.
  limit(status_fd, RLIMIT_CORE, 0, "forbid core dumps");
  if (plan.job.count_calls && !send_listener(status_fd)) fail(status_fd, "count the system calls");
  if (chdir(plan.job.cwd.c_str()) != 0) fail(status_fd, "enter the working directory");
  const std::vector<char*> argv = pointers(plan.job.argv);
  const std::vector<char*> env = pointers(plan.env);
  if (plan.job.rlimit_as_bytes) {
    limit(status_fd, RLIMIT_AS, *plan.job.rlimit_as_bytes, "limit the address space");
  }
  if (getppid() != runner) _exit(127);  // the runner died before the death signal was armed
  Message about_to_exec;
  about_to_exec.at_ns = monotonic_ns();
  if (write(status_fd, &about_to_exec, sizeof about_to_exec) < 0) _exit(127);
  execve(plan.program.c_str(), argv.data(), env.data());
  fail(status_fd, "start");
}

// False when the other end is closed. Messages come whole, and `listener` with the one that has it.
bool read_message(int fd, Message& message, Fd& listener) {
  iovec part{&message, sizeof message};
  Control control{};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  packet.msg_control = control.bytes;
  packet.msg_controllen = sizeof control.bytes;
  ssize_t got;
  do {
    got = recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* head = got > 0 ? CMSG_FIRSTHDR(&packet) : nullptr;
  if (head != nullptr && head->cmsg_type == SCM_RIGHTS) {
    int received;
    std::memcpy(&received, CMSG_DATA(head), sizeof received);
    listener = Fd(received);
  }
  return got == static_cast<ssize_t>(sizeof message);
}

std::pair<Fd, Fd> make_channel() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw cannot("make a channel");
  return {Fd(ends[0]), Fd(ends[1])};
}

std::pair<Fd, Fd> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw cannot("make a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

Launch::Launch(const Job& job, const cpu_set_t& workload_cpus, Fd& phase_end, Fd& result_end) {
  program_ = find_program(job);
  const Fd input = open_stream(job.input, O_RDONLY);
  // Appending, so that one file given for both streams keeps all of both.
  constexpr int kFresh = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
  const Fd output = open_stream(job.output, kFresh);
  const Fd errors = open_stream(job.errors, kFresh);
  auto [go_read, go_write] = make_pipe();
  auto [status_read, status_write] = make_channel();
  const Plan plan{job,
                  workload_cpus,
                  full_environment(job),
                  program_,
                  {input.get(), output.get(), errors.get(), result_end.get(), phase_end.get(),
                   status_write.get()}};
  const pid_t runner = getpid();
  pid_ = fork();
  if (pid_ < 0) throw cannot("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();  // a group of its own, so that exactly it can be killed
    go_write.reset();
    char byte;
    if (read(go_read.get(), &byte, 1) != 1) _exit(127);  // the runner gave up
    become_workload(plan, runner);
  }
  go_ = std::move(go_write);
  status_ = std::move(status_read);
  // As long as the runner held these ends open too, it could not see the workload close them.
  phase_end.reset();
  result_end.reset();
}

int64_t Launch::go() {
  if (write(go_.get(), "", 1) != 1) throw cannot("let the workload start");
  go_.reset();
  int64_t exec_ns = 0;
  // The channel ends when exec closes it.
  for (Message message; read_message(status_.get(), message, listener_);) {
    if (message.step[0] == '\0') {
      exec_ns = message.at_ns;  // of a message with the listener 0, and then told again
    } else if (std::string_view(message.step) == "start") {
      throw cannot("start " + program_, message.error);
    } else {
      throw cannot(std::string(message.step) + " of the workload", message.error);
    }
  }
  status_.reset();
  if (exec_ns == 0) throw RunnerError(kCannotMeasure, "the workload died before it was started");
  return exec_ns;
}

cpu_set_t cpu_set_of(const std::vector<int>& cpus, const cpu_set_t& allowed, const char* key) {
  if (cpus.empty()) return allowed;
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (const int cpu : cpus) {
    if (!CPU_ISSET(cpu, &allowed)) {
      throw RunnerError(kBadJob, "bad job: `" + std::string(key) + "` names CPU " +
                                     std::to_string(cpu) + ", which the runner may not use");
    }
    CPU_SET(cpu, &wanted);
  }
  return wanted;
}

}  // namespace hz3::runner
