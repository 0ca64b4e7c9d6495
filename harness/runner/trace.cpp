// See trace.hpp.
#include "trace.hpp"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "proc_text.hpp"

namespace hz3::runner {
namespace {

constexpr long kAlways =
    PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;

#if defined(__x86_64__)
constexpr unsigned char kBreakpoint[] = {0xCC};  // int3; the counter then stands behind it
constexpr uint64_t kBreakpointAdvance = 1;
unsigned long long& program_counter(user_regs_struct& regs) { return regs.rip; }
#elif defined(__aarch64__)
constexpr unsigned char kBreakpoint[] = {0x00, 0x00, 0x20, 0xD4};  // brk #0; the counter stays
constexpr uint64_t kBreakpointAdvance = 0;
unsigned long long& program_counter(user_regs_struct& regs) { return regs.pc; }
#else
#error "add the breakpoint instruction of this architecture"
#endif

bool registers(pid_t pid, user_regs_struct& regs, bool write) {
  iovec area{&regs, sizeof regs};
  const long done = write ? ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &area)
                          : ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &area);
  return done == 0 && area.iov_len == sizeof regs;
}

// What the auxiliary vector tells of a program that has just been loaded.
struct Loaded {
  std::optional<uint64_t> entry;  // address of its first instruction
  const char* why;                // the reason, should it turn out to lack a library
};

Loaded loaded_program(pid_t pid) {
  Loaded loaded{.entry = std::nullopt, .why = "environment"};
  const std::string auxv = read_proc("/proc/" + std::to_string(pid) + "/auxv").value_or("");
  uint64_t linker = 0;
  for (size_t at = 0; at + sizeof(Elf64_auxv_t) <= auxv.size(); at += sizeof(Elf64_auxv_t)) {
    Elf64_auxv_t entry;
    std::memcpy(&entry, auxv.data() + at, sizeof entry);
    if (entry.a_type == AT_ENTRY) loaded.entry = entry.a_un.a_val;
    if (entry.a_type == AT_BASE) linker = entry.a_un.a_val;
    if (entry.a_type == AT_SECURE && entry.a_un.a_val != 0) loaded.why = "privileged";
  }
  if (linker == 0) loaded.why = "static";
  if (!loaded.entry) loaded.why = "foreign";  // the vector of a 32-bit program has other entries
  if (auxv.empty()) loaded.why = "unreadable";
  return loaded;
}

pid_t parent_of(pid_t pid) {
  const std::string status = read_proc("/proc/" + std::to_string(pid) + "/status").value_or("");
  const size_t at = status.find("\nPPid:");
  return at == std::string::npos ? 0 : std::atoi(status.c_str() + at + 6);
}

// The process may have been killed in the meantime; then there is nothing to resume.
void resume(pid_t pid, int signal) { ptrace(PTRACE_CONT, pid, nullptr, signal); }

bool stops_the_job(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

}  // namespace

bool Tracer::seize(Process& first) {
  if (ptrace(PTRACE_SEIZE, first.pid, nullptr, kAlways | PTRACE_O_TRACEEXIT) != 0) return false;
  first.traced = true;
  active_ = true;
  return true;
}

bool Tracer::serve(pid_t pid, int wait_status) {
  Process& process = stopped(pid);
  const int signal = WSTOPSIG(wait_status);
  const int event = wait_status >> 16;
  int deliver = 0;
  switch (event) {
    case PTRACE_EVENT_EXEC:
      on_exec(process);
      break;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
      on_fork(process, event == PTRACE_EVENT_VFORK);
      break;
    case PTRACE_EVENT_EXIT:
      tree_.ending(process);
      break;
    case PTRACE_EVENT_STOP:
      // The first stop of a new process, or job control: a stopped workload must stay stopped until
      // somebody sends SIGCONT.
      set_exit_stop(process);
      if (stops_the_job(signal) && ptrace(PTRACE_LISTEN, pid, nullptr, nullptr) == 0) return false;
      break;
    default:
      if (signal != SIGTRAP || !on_breakpoint(process)) deliver = signal;
  }
  resume(pid, deliver);
  return event == PTRACE_EVENT_EXEC;
}

// A new process may stop before the fork in its parent is reported, or be left by a parent that was
// killed while it forked.
Process& Tracer::stopped(pid_t pid) {
  Process* process = tree_.find(pid);
  if (process == nullptr) process = &tree_.add(pid, tree_.find(parent_of(pid)));
  process->traced = true;
  return *process;
}

void Tracer::on_fork(Process& parent, bool vfork) {
  unsigned long child = 0;
  if (ptrace(PTRACE_GETEVENTMSG, parent.pid, nullptr, &child) != 0) return;
  tree_.forked(static_cast<pid_t>(child), parent, vfork);
  set_exit_stop(parent);
}

void Tracer::on_exec(Process& process) {
  const Loaded loaded = loaded_program(process.pid);
  tree_.executed(process, loaded.why);
  process.entry.reset();
  set_exit_stop(process);
  if (!loaded.entry) return;
  errno = 0;
  const long word = ptrace(PTRACE_PEEKTEXT, process.pid, *loaded.entry, nullptr);
  if (errno != 0) return;
  long patched = word;
  std::memcpy(&patched, kBreakpoint, sizeof kBreakpoint);
  if (ptrace(PTRACE_POKETEXT, process.pid, *loaded.entry, patched) != 0) return;
  process.entry = loaded.entry;
  process.saved_word = word;
}

bool Tracer::on_breakpoint(Process& process) {
  user_regs_struct regs{};
  if (!process.entry || !registers(process.pid, regs, false)) return false;
  if (program_counter(regs) != *process.entry + kBreakpointAdvance) return false;
  program_counter(regs) = *process.entry;
  ptrace(PTRACE_POKETEXT, process.pid, *process.entry, process.saved_word);
  registers(process.pid, regs, true);
  process.entry.reset();
  tree_.look(process, "entry");
  set_exit_stop(process);
  return true;
}

void Tracer::set_exit_stop(const Process& process) {
  const bool wanted = !tree_.alone() || !tree_.complete(process);
  ptrace(PTRACE_SETOPTIONS, process.pid, nullptr, wanted ? kAlways | PTRACE_O_TRACEEXIT : kAlways);
}

}  // namespace hz3::runner
