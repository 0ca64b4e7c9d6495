// The public functions that say where the memory went.
#pragma once

#include "api/functions.hpp"
#include "observe/report_signal.hpp"

extern "C" {

HZ3_PUBLIC void hz3_stats_print(void) { hz3_stats_write(STDERR_FILENO, 0); }

HZ3_PUBLIC int hz3_stats_write(int fd, int options) {
  const hz3::KeepErrno keep;
  hz3::MemoryReport report;
  hz3::take_report(report);
  return hz3::write_page(report, fd, (options & HZ3_STATS_SHARDS) != 0) ? 0 : -1;
}

HZ3_PUBLIC int hz3_stats_json(int fd) {
  const hz3::KeepErrno keep;
  hz3::MemoryReport report;
  hz3::take_report(report);
  return hz3::write_json(report, fd) ? 0 : -1;
}
}
