// See counters.hpp.
#include "counters.hpp"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "error.hpp"

namespace hz3::runner {
namespace {

constexpr std::array<CounterKind, 8> kKinds = {{
    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    {"branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
    {"branch_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
    {"cache_references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES},
    {"cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    {"page_faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
    {"migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS},
}};

Fd open_counter(const CounterKind& kind, pid_t pid) {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = kind.type;
  attr.config = kind.config;
  attr.disabled = 1;
  attr.inherit = 1;
  attr.enable_on_exec = 1;
  attr.exclude_kernel = 1;
  attr.exclude_hv = 1;
  attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return Fd(
      static_cast<int>(syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC)));
}

}  // namespace

const CounterKind* find_counter(std::string_view name) {
  for (const CounterKind& kind : kKinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

std::string available_counters() {
  std::string text;
  for (const CounterKind& kind : kKinds) {
    const Fd fd = open_counter(kind, 0);
    text += std::string(kind.name) + " " + (fd ? "yes" : std::strerror(errno)) + "\n";
  }
  return text;
}

void Counters::open(pid_t pid, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    Fd fd = open_counter(*find_counter(name), pid);
    if (!fd) {
      throw RunnerError(kBadJob, "bad job: this machine does not give the counter " + name + ": " +
                                     std::strerror(errno));
    }
    open_.push_back({name, std::move(fd)});
  }
}

std::vector<CounterFigure> Counters::read() const {
  std::vector<CounterFigure> figures;
  for (const Open& counter : open_) {
    struct {
      uint64_t value, enabled, running;
    } got{};
    CounterFigure figure{counter.name, std::nullopt};
    if (::read(counter.fd.get(), &got, sizeof got) == sizeof got && got.running > 0) {
      const double scale = static_cast<double>(got.enabled) / static_cast<double>(got.running);
      figure.count = got.running == got.enabled
                         ? static_cast<int64_t>(got.value)
                         : static_cast<int64_t>(static_cast<double>(got.value) * scale);
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace hz3::runner
