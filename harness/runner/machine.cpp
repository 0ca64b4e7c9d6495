// See machine.hpp.
#include "machine.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "proc_text.hpp"

namespace hz3::runner {
namespace {

std::optional<int64_t> difference(const std::optional<int64_t>& before,
                                  const std::optional<int64_t>& after) {
  if (!before || !after) return std::nullopt;
  return *after - *before;
}

std::optional<int64_t> read_psi(const char* path) {
  const std::optional<std::string> text = read_proc(path);
  if (!text) return std::nullopt;
  return parse_psi_some_us(*text);
}

}  // namespace

std::optional<int64_t> parse_steal_ms(std::string_view stat, int64_t ticks_per_second) {
  const std::string line(stat.substr(0, stat.find('\n')));
  long long user, nice, system, idle, iowait, irq, softirq, steal;
  if (std::sscanf(line.c_str(), "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &user, &nice,
                  &system, &idle, &iowait, &irq, &softirq, &steal) != 8) {
    return std::nullopt;
  }
  return steal * 1000 / ticks_per_second;
}

std::optional<int64_t> parse_psi_some_us(std::string_view pressure) {
  if (!pressure.starts_with("some ")) return std::nullopt;
  const std::string line(pressure.substr(0, pressure.find('\n')));
  const size_t total = line.find("total=");
  if (total == std::string::npos) return std::nullopt;
  return std::strtoll(line.c_str() + total + 6, nullptr, 10);
}

MachineCounters read_machine_counters() {
  MachineCounters counters;
  if (const auto stat = read_proc("/proc/stat")) {
    counters.steal_ms = parse_steal_ms(*stat, sysconf(_SC_CLK_TCK));
  }
  counters.psi_cpu_some_us = read_psi("/proc/pressure/cpu");
  counters.psi_mem_some_us = read_psi("/proc/pressure/memory");
  counters.psi_io_some_us = read_psi("/proc/pressure/io");
  if (const auto load = read_proc("/proc/loadavg")) {
    counters.load1 = std::strtod(load->c_str(), nullptr);
  }
  return counters;
}

MachineCounters growth(const MachineCounters& before, const MachineCounters& after) {
  MachineCounters grown;
  grown.steal_ms = difference(before.steal_ms, after.steal_ms);
  grown.psi_cpu_some_us = difference(before.psi_cpu_some_us, after.psi_cpu_some_us);
  grown.psi_mem_some_us = difference(before.psi_mem_some_us, after.psi_mem_some_us);
  grown.psi_io_some_us = difference(before.psi_io_some_us, after.psi_io_some_us);
  grown.load1 = before.load1;
  return grown;
}

}  // namespace hz3::runner
