// See tree.hpp.
#include "tree.hpp"

#include <linux/kcmp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "clock.hpp"
#include "proc_text.hpp"

namespace hz3::runner {
namespace {

constexpr int kParentField = 1;  // of /proc/PID/stat, counted from 0 behind the name
constexpr int kMinorFaultsField = 7;

std::string proc_path(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

// Path of the file, or, of a program that may not be looked into, its name in brackets.
std::string program_of(pid_t pid) {
  char path[PATH_MAX];
  const ssize_t length = readlink(proc_path(pid, "exe").c_str(), path, sizeof path);
  if (length > 0) return std::string(path, static_cast<size_t>(length));
  const std::string name = read_proc(proc_path(pid, "comm")).value_or("?\n");
  return std::string("[").append(name, 0, name.find('\n')).append("]");
}

bool is_helper(pid_t pid) {
  const std::string environment = read_proc(proc_path(pid, "environ")).value_or("");
  const std::string_view name("\0HZ_HELPER=", 11);
  return environment.starts_with(name.substr(1)) || environment.find(name) != std::string::npos;
}

int64_t stat_field(pid_t pid, int field) {
  const std::string text = read_proc(proc_path(pid, "stat")).value_or("");
  const size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) return 0;
  const char* at = text.c_str() + name_end + 2;
  for (; field > 0 && (at = std::strchr(at, ' ')) != nullptr; field--) at++;
  return at != nullptr ? std::strtoll(at, nullptr, 10) : 0;
}

// Figure of the line "Name:\t123" of /proc/PID/status.
int64_t status_field(pid_t pid, const char* line_start, int base) {
  const std::string text = read_proc(proc_path(pid, "status")).value_or("");
  const size_t at = text.find(line_start);
  if (at == std::string::npos) return 0;
  return static_cast<int64_t>(
      std::strtoull(text.c_str() + at + std::strlen(line_start), nullptr, base));
}

// A process that ignores SIGCHLD is never charged with its children: the kernel drops them.
bool ignores_children(pid_t pid) {
  return (status_field(pid, "\nSigIgn:", 16) >> (SIGCHLD - 1) & 1) != 0;
}

// Of the process alone, without its children; exact, and readable up to its collection.
int64_t own_cpu_ns(pid_t pid) {
  clockid_t clock;
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return used.tv_sec * kNsPerSecond + used.tv_nsec;
}

// Whom the kernel charges with a process that has ended, at its collection.
enum class Charged { kUs, kParent, kNobody };

bool same_memory(pid_t one, pid_t other, bool if_unknown) {
  const long compared = syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0);
  return compared < 0 ? if_unknown : compared == 0;
}

int64_t to_ns(const timeval& time) { return time.tv_sec * kNsPerSecond + time.tv_usec * 1000; }

void add_usage(Usage& usage, const rusage& raw, int sign) {
  usage.user_ns += sign * to_ns(raw.ru_utime);
  usage.sys_ns += sign * to_ns(raw.ru_stime);
  usage.minflt += sign * raw.ru_minflt;
  usage.majflt += sign * raw.ru_majflt;
  usage.nvcsw += sign * raw.ru_nvcsw;
  usage.nivcsw += sign * raw.ru_nivcsw;
  if (sign > 0) usage.max_rss_kb = std::max<int64_t>(usage.max_rss_kb, raw.ru_maxrss);
}

}  // namespace

Tree::Tree(const Proof& proof, Ledger& ledger)
    : proof_(proof), ledger_(ledger), seen_at_(proof.files().size(), nullptr) {}

Process* Tree::find(pid_t pid) {
  const auto at = living_.find(pid);
  return at == living_.end() ? nullptr : &at->second;
}

bool Tree::complete(const Process& process) const { return (proof_.all() & ~process.found) == 0; }

Process& Tree::add(pid_t pid, const Process* parent) {
  if (Process* const known = find(pid)) return *known;
  zombies_.erase(pid);
  Process& process = living_[pid];
  process.pid = pid;
  totals_.all_watched &= process.statm.open(pid);
  if (parent != nullptr) {
    process.program = parent->program;
    process.why = parent->why;
    process.found = parent->found;
    process.helper = parent->helper;
    process.entry = parent->entry;  // forked by a library's constructor: the breakpoint came along
    process.saved_word = parent->saved_word;
  } else {
    process.runs = totals_.processes > 0;
    process.program = program_of(pid);
    process.helper = process.runs && is_helper(pid);
    process.settled = true;
  }
  (process.helper ? totals_.helpers : totals_.processes)++;
  return process;
}

void Tree::forked(pid_t child, const Process& parent, bool vfork) {
  if (unannounced_.erase(child) != 0) return;  // it has come and gone meanwhile
  Process* const known = find(child);
  if (known != nullptr && known->announced) {  // a pid used again: its process was lost from sight
    lose(*known);
    living_.erase(child);
  }
  Process& process = add(child, &parent);
  process.announced = true;
  if (!process.settled) process.shares_memory = same_memory(parent.pid, child, vfork);
}

void Tree::executed(Process& process, const char* why) {
  const int64_t cpu_ns = own_cpu_ns(process.pid);
  end_image(process, cpu_ns, true);
  process.runs = true;
  process.program = program_of(process.pid);
  process.why = why;
  process.found = 0;
  process.marked = false;
  process.shares_memory = false;
  process.settled = true;
  process.image_cpu_ns = cpu_ns;
  if (process.helper || alone() || !is_helper(process.pid)) return;
  process.helper = true;
  totals_.processes--;
  totals_.helpers++;
}

void Tree::look(Process& process, const char* when) {
  if (process.helper || complete(process)) return;
  const Found fresh = proof_.look(process.pid) & ~process.found;
  process.found |= fresh;
  constexpr std::string_view kOrder = "entry mark exit";
  for (size_t i = 0; i < seen_at_.size(); i++) {
    if ((fresh >> i & 1) == 0) continue;
    if (seen_at_[i] == nullptr || kOrder.find(when) > kOrder.find(seen_at_[i])) seen_at_[i] = when;
  }
}

void Tree::ending(Process& process) {
  look(process, "exit");
  if (process.helper || process.shares_memory) return;
  process.peak_kb = status_field(process.pid, "\nVmHWM:", 10);
  largest_kb_ = std::max(largest_kb_, process.peak_kb);
  statm(false);
}

// What it did under its image, to the ledger.
void Tree::end_image(Process& process, int64_t cpu_ns, bool replaced) {
  if (process.helper || !process.runs) return;
  ledger_.close(Share{.program = process.program,
                      .why = process.why,
                      .found = process.found,
                      .cpu_ns = cpu_ns - process.image_cpu_ns,
                      .peak_kb = replaced ? 0 : process.peak_kb,
                      .decisive = process.marked,
                      .replaced = replaced});
}

// A thread of it called exec, and the kernel handed the process over to that thread, which is not
// traced: what it runs now, nobody has seen.
void Tree::lose(const Process& process) {
  if (!process.helper)
    ledger_.close(Share{.program = process.program, .why = "lost", .decisive = true});
}

std::optional<int> Tree::collect(pid_t pid) {
  Process* const process = find(pid);
  const auto parent = static_cast<pid_t>(stat_field(pid, kParentField));
  const Charged charged = parent == getpid()         ? Charged::kUs
                          : ignores_children(parent) ? Charged::kNobody
                                                     : Charged::kParent;
  const int64_t cpu_ns = own_cpu_ns(pid);
  const int64_t minflt = stat_field(pid, kMinorFaultsField);
  const bool lost =
      process != nullptr && process->traced && status_field(pid, "\nTracerPid:", 10) != getpid();
  int status = 0;
  rusage raw{};
  if (wait4(pid, &status, WNOHANG | __WALL, &raw) != pid) return std::nullopt;
  if (process == nullptr) {
    // One that was not followed, or one collected before as tracer, whose parent never did: then
    // nobody was charged with it so far (and a helper was taken out of the account all the same).
    if (zombies_.erase(pid) == 0) totals_.processes++;
    add_usage(usage_, raw, 1);
    return status;
  }
  if (process->helper) {
    totals_.helper_cpu_ns += cpu_ns;
    const Process* const starter = find(parent);
    if (charged == Charged::kParent && (starter == nullptr || !starter->helper)) {
      add_usage(usage_, raw, -1);
      helper_waited_ = true;
    }
  } else {
    own_cpu_ns_ += cpu_ns;
    own_minflt_ += minflt;
    peaks_known_ &= process->peak_kb > 0 || process->shares_memory;
    if (charged != Charged::kParent) add_usage(usage_, raw, 1);
    // Killed while it was still being linked, it has done nothing that needs a proof.
    const bool unbegun = process->entry && WIFSIGNALED(status) && !complete(*process);
    if (lost) {
      lose(*process);
    } else if (!unbegun) {
      end_image(*process, cpu_ns, false);
    }
  }
  if (charged == Charged::kParent) zombies_.insert(pid);
  if (process->traced && !process->announced) unannounced_.insert(pid);
  living_.erase(pid);
  return status;
}

std::optional<Statm> Tree::statm(bool sampling) {
  std::optional<Statm> sum;
  int summed = 0;
  for (auto& [pid, process] : living_) {
    if (process.helper || process.shares_memory) continue;
    const auto one = process.settled ? process.statm.read() : std::nullopt;
    if (sampling) process.settled = true;
    if (!one) continue;
    if (!sum) sum.emplace();
    sum->rss_kb += one->rss_kb;
    sum->vms_kb += one->vms_kb;
    summed++;
  }
  if (summed > 1) summed_peak_kb_ = std::max(summed_peak_kb_, sum->rss_kb);
  return sum;
}

std::optional<Rollup> Tree::rollup() {
  std::optional<Rollup> sum;
  for (auto& [pid, process] : living_) {
    if (process.helper || process.shares_memory) continue;
    const auto one = read_rollup(pid);
    if (!one) continue;
    if (!sum) sum.emplace();
    *sum += *one;
  }
  return sum;
}

int64_t Tree::peak_kb() const { return std::max(usage_.max_rss_kb, summed_peak_kb_); }

void Tree::close() {
  for (auto& [pid, process] : living_) {
    if (process.traced) {
      lose(process);
    } else {  // its parent has collected it; what it used is among that of the unfollowed
      end_image(process, process.image_cpu_ns, false);
    }
  }
  living_.clear();
  // The peak that wait4 tells of a parent is the largest of its children, helpers or not.
  if (helper_waited_ && peaks_known_) usage_.max_rss_kb = largest_kb_;
  const int64_t used_ns = usage_.user_ns + usage_.sys_ns;
  // Faults are counted exactly, so that even the shortest process shows; CPU time is not.
  if (totals_.followed && usage_.minflt > own_minflt_) {
    totals_.unfollowed = true;
    totals_.unfollowed_cpu_ns = std::max<int64_t>(0, used_ns - own_cpu_ns_);
    const bool none_larger = peaks_known_ && usage_.max_rss_kb <= largest_kb_;
    ledger_.close(Share{.program = "",
                        .why = "unfollowed",
                        .cpu_ns = totals_.unfollowed_cpu_ns,
                        .peak_kb = none_larger ? 0 : usage_.max_rss_kb});
  }
  ledger_.judge(std::max(used_ns, own_cpu_ns_), peak_kb());
}

}  // namespace hz3::runner
