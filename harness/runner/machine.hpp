// What else the machine was doing during a run: time stolen by the hypervisor, pressure stalls and
// the load average. Counters are system-wide; the run is charged with their growth from start to
// end. A source that this kernel lacks stays empty, so that "unknown" is never read as zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hz3::runner {

struct MachineCounters {
  std::optional<int64_t> steal_ms;
  std::optional<int64_t> psi_cpu_some_us;
  std::optional<int64_t> psi_mem_some_us;
  std::optional<int64_t> psi_io_some_us;
  std::optional<double> load1;
};

MachineCounters read_machine_counters();

// Growth of the counters; load1 is the load before the run, which the run itself has not raised.
MachineCounters growth(const MachineCounters& before, const MachineCounters& after);

// The parsers, on the text of /proc/stat (ticks a second given) and /proc/pressure/*.
std::optional<int64_t> parse_steal_ms(std::string_view stat, int64_t ticks_per_second);
std::optional<int64_t> parse_psi_some_us(std::string_view pressure);

}  // namespace hz3::runner
