// See trace.hpp.
#include "trace.hpp"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "error.hpp"
#include "proc_text.hpp"

namespace hz3::runner {
namespace {

constexpr long kAlways = PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

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

// Address of the program's first instruction, from the auxiliary vector of a 64-bit process.
std::optional<uint64_t> entry_address(pid_t pid) {
  const auto auxv = read_proc("/proc/" + std::to_string(pid) + "/auxv");
  if (!auxv) return std::nullopt;
  for (size_t at = 0; at + sizeof(Elf64_auxv_t) <= auxv->size(); at += sizeof(Elf64_auxv_t)) {
    Elf64_auxv_t entry;
    std::memcpy(&entry, auxv->data() + at, sizeof entry);
    if (entry.a_type == AT_ENTRY) return entry.a_un.a_val;
  }
  return std::nullopt;
}

}  // namespace

void Tracer::seize(pid_t pid) {
  if (ptrace(PTRACE_SEIZE, pid, nullptr, kAlways | PTRACE_O_TRACEEXIT) != 0) {
    throw RunnerError(kCannotMeasure,
                      std::string("cannot trace the workload to prove which libraries it maps: ") +
                          std::strerror(errno) +
                          "; allow ptrace of children (kernel.yama.ptrace_scope below 3, or "
                          "SYS_PTRACE in a container), or expect no library");
  }
  pid_ = pid;
}

bool Tracer::serve(int wait_status) {
  const int signal = WSTOPSIG(wait_status);
  const int event = wait_status >> 16;
  if (event == PTRACE_EVENT_EXEC) {
    on_exec();
    resume(0);
    return true;
  }
  if (event == PTRACE_EVENT_EXIT) {
    proof_.look(pid_, "exit");
    resume(0);
  } else if (event == PTRACE_EVENT_STOP) {
    // Job control: a stopped workload must stay stopped until somebody sends SIGCONT.
    const bool stopped =
        signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    if (!stopped || ptrace(PTRACE_LISTEN, pid_, nullptr, nullptr) != 0) resume(0);
  } else if (signal == SIGTRAP && on_breakpoint()) {
    resume(0);
  } else {
    resume(signal);
  }
  return false;
}

void Tracer::on_exec() {
  proof_.restart(pid_);
  entry_.reset();
  set_exit_stop(true);
  const std::optional<uint64_t> entry = entry_address(pid_);
  if (!entry) return;
  errno = 0;
  const long word = ptrace(PTRACE_PEEKTEXT, pid_, *entry, nullptr);
  if (errno != 0) return;
  long patched = word;
  std::memcpy(&patched, kBreakpoint, sizeof kBreakpoint);
  if (ptrace(PTRACE_POKETEXT, pid_, *entry, patched) != 0) return;
  entry_ = entry;
  saved_word_ = word;
}

bool Tracer::on_breakpoint() {
  user_regs_struct regs{};
  if (!entry_ || !registers(pid_, regs, false)) return false;
  if (program_counter(regs) != *entry_ + kBreakpointAdvance) return false;
  program_counter(regs) = *entry_;
  ptrace(PTRACE_POKETEXT, pid_, *entry_, saved_word_);
  registers(pid_, regs, true);
  entry_.reset();
  proof_.look(pid_, "entry");
  set_exit_stop(!proof_.complete());
  return true;
}

void Tracer::set_exit_stop(bool wanted) {
  ptrace(PTRACE_SETOPTIONS, pid_, nullptr, wanted ? kAlways | PTRACE_O_TRACEEXIT : kAlways);
}

// The process may have been killed in the meantime; then there is nothing to resume.
void Tracer::resume(int signal) { ptrace(PTRACE_CONT, pid_, nullptr, signal); }

}  // namespace hz3::runner
