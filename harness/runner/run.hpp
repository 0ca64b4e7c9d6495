// One run from fork to the last byte of the CSV.
#pragma once

#include "job.hpp"
#include "report.hpp"

namespace hz3::runner {

// Fills the report as far as the run gets; throws RunnerError when it could not be made or kept.
// Blocks SIGINT, SIGTERM and SIGCHLD in the calling process, and leaves them blocked.
void run_job(const Job& job, Report& report);

}  // namespace hz3::runner
