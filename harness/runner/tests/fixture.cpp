// Small workloads with a known behaviour, one a sub-command, for test_runner.py. They speak the
// workload protocol themselves, so that the runner is tested against the protocol and not against
// this project's own implementation of it.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>

namespace {

constexpr size_t kMiB = size_t{1} << 20;

int fd_from(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? -1 : std::atoi(text);
}

void send_text(int fd, const std::string& text) {
  if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::_Exit(90);
}

void park(int fd) {
  char byte;
  if (read(fd, &byte, 1) != 1) std::_Exit(91);
}

long long now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void mark(const char* phase, int cycle) {
  const int fd = fd_from("HZ_PHASE_FD");
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISSOCK(info.st_mode)) std::_Exit(92);
  send_text(fd, std::to_string(now_ns()) + " " + phase + " " + std::to_string(cycle) + "\n");
  park(fd);
}

char* touched(size_t bytes) {
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::_Exit(93);
  std::memset(memory, 1, bytes);
  return static_cast<char*>(memory);
}

// 64 MiB exist exactly while the phase `burst` lasts.
int phases() {
  for (int cycle = 0; cycle < 2; cycle++) {
    mark("burst", cycle);
    char* const memory = touched(64 * kMiB);
    mark("free", cycle);
    munmap(memory, 64 * kMiB);
  }
  mark("end", 0);
  return 0;
}

int lazyfree() {
  char* const memory = touched(32 * kMiB);
  mark("free", 0);
  if (madvise(memory, 32 * kMiB, MADV_FREE) != 0) return 94;
  mark("end", 0);
  return memory[0] > 1;  // a read, so that the mapping is not optimised away
}

int result(const char* text) {
  send_text(fd_from("HZ_RESULT_FD"), text);
  return 0;
}

// More than any pipe holds, so the writer needs a reader while it runs.
int long_result() {
  return result(("{\"ops\": 5, \"text\": \"" + std::string(300000, 'x') + "\"}\n").c_str());
}

int bad_mark() {
  send_text(fd_from("HZ_PHASE_FD"), "burst 1\n");
  park(fd_from("HZ_PHASE_FD"));
  return 0;
}

// Writes marks to the socket as if it were a file.
int no_park() {
  for (const char* phase : {"burst", "free", "end"}) {
    send_text(fd_from("HZ_PHASE_FD"), std::to_string(now_ns()) + " " + phase + " 0\n");
    usleep(1000);
  }
  return 0;
}

std::atomic<int> caught{0};

// Every signal must pass through a tracer unharmed.
int signals() {
  signal(SIGUSR1, [](int) { caught++; });
  signal(SIGTRAP, [](int) { caught++; });
  for (int i = 0; i < 100; i++) raise(i % 2 == 0 ? SIGUSR1 : SIGTRAP);
  std::printf("caught %d\n", caught.load());
  return 0;
}

char state_of(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  char state = '?';
  if (std::FILE* file = std::fopen(path.c_str(), "r")) {
    if (std::fscanf(file, "%*d %*s %c", &state) != 1) state = '?';
    std::fclose(file);
  }
  return state;
}

// Stops itself; a child of its own lets it go on whenever it stands still (a tracer may hold it for
// a moment as well, which looks the same).
int stop() {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    for (;; usleep(1000)) {
      if (std::strchr("Tt", state_of(parent)) != nullptr) kill(parent, SIGCONT);
    }
  }
  raise(SIGSTOP);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  std::printf("went on\n");
  return 0;
}

// Its child stops itself; that the stop is real, the kernel tells the parent.
int stop_child() {
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    std::_Exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) return 96;
  usleep(20000);
  if (state_of(child) != 'T' && state_of(child) != 't') return 97;
  kill(child, SIGCONT);
  waitpid(child, &status, 0);
  std::printf("went on\n");
  return WEXITSTATUS(status);
}

int open_library(const char* path) { return dlopen(path, RTLD_NOW) != nullptr ? 0 : 95; }

// Leaves through another thread, as servers do.
int thread_exit(const char* path) {
  if (open_library(path) != 0) return 95;
  std::thread([] { std::exit(7); }).detach();
  for (;;) pause();
}

int crash() {
  raise(SIGSEGV);
  return 0;
}

int hold() {
  for (;;) pause();
}

int thp() {
  std::printf("thp_disable %d\n", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  return 0;
}

int descriptors() {
  for (int fd = 0; fd < 1024; fd++) {
    if (fcntl(fd, F_GETFD) != -1) std::printf("%d ", fd);
  }
  return 0;
}

// `times` of each in the main thread, in another thread and in a child.
void ask_for_memory(long times) {
  for (long i = 0; i < times; i++) {
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(page, 4096, MADV_DONTNEED);
    syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    munmap(page, 4096);
  }
}

int memory_calls(const char* times) {
  const long each = std::atol(times);
  ask_for_memory(each);
  std::thread(ask_for_memory, each).join();
  const pid_t child = fork();
  if (child == 0) {
    ask_for_memory(each);
    _exit(0);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : 98;
}

int touch(const char* mib) {
  touched(std::strtoul(mib, nullptr, 10) * kMiB);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const char* const argument = argc > 2 ? argv[2] : "";
  if (what == "phases") return phases();
  if (what == "lazyfree") return lazyfree();
  if (what == "result") return result(argument);
  if (what == "long-result") return long_result();
  if (what == "bad-mark") return bad_mark();
  if (what == "no-park") return no_park();
  if (what == "signals") return signals();
  if (what == "stop") return stop();
  if (what == "stop-child") return stop_child();
  if (what == "dlopen") return open_library(argument);
  if (what == "thread-exit") return thread_exit(argument);
  if (what == "crash") return crash();
  if (what == "hold") return hold();
  if (what == "thp") return thp();
  if (what == "descriptors") return descriptors();
  if (what == "memory-calls") return memory_calls(argument);
  if (what == "touch") return touch(argument);
  return 2;
}
