// hz3-runner JOB.json: starts one run, measures it, prints one JSON line.
//
// The line is printed whatever happens, so that the reader has one thing to parse; what went wrong
// also goes to stderr in a sentence. Exit status: 0 a run was made, 4 bad job, 5 it could not be
// started or its results not be kept, 130 interrupted.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "counters.hpp"
#include "error.hpp"
#include "job.hpp"
#include "keeper.hpp"
#include "report.hpp"
#include "run.hpp"

namespace {

using hz3::runner::ExitStatus;
using hz3::runner::Report;
using hz3::runner::RunnerError;

constexpr const char kUsage[] =
    "usage: hz3-runner JOB.json\n"
    "       hz3-runner -            (the job on stdin)\n"
    "       hz3-runner --counters   (which performance counters this machine gives)\n"
    "Runs one workload, measures it and prints one JSON line.\n"
    "Job and line are described in harness/runner/README.md.\n";

std::string read_job(const std::string& path) {
  const int fd = path == "-" ? dup(0) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  char block[16384];
  ssize_t got = fd;
  while (got >= 0 && (got = read(fd, block, sizeof block)) > 0) {
    text.append(block, static_cast<size_t>(got));
  }
  if (got < 0) {
    throw RunnerError(hz3::runner::kBadJob, "bad job: " + path + ": " + std::strerror(errno));
  }
  close(fd);
  return text;
}

ExitStatus run(const std::string& path, Report& report) {
  try {
    run_job(hz3::runner::parse_job(read_job(path)), report);
  } catch (const RunnerError& error) {
    report.note(error.what());
    std::fprintf(stderr, "hz3-runner: %s\n", error.what());
    return error.status();
  }
  return hz3::runner::kRunMade;
}

bool write_all(const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t wrote = write(1, text.data() + done, text.size() - done);
    if (wrote < 0 && errno != EINTR) return false;
    if (wrote > 0) done += static_cast<size_t>(wrote);
  }
  return true;
}

int measure(const char* path) {
  Report report;
  const ExitStatus status = run(path, report);
  if (!write_all(to_line(report) + "\n")) {
    std::fprintf(stderr, "hz3-runner: cannot write the line: %s\n", std::strerror(errno));
    return hz3::runner::kCannotMeasure;
  }
  return report.interrupted ? hz3::runner::kInterrupted : status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (argc == 2 && std::strcmp(argv[1], "--counters") == 0) {
    std::fputs(hz3::runner::available_counters().c_str(), stdout);
    return 0;
  }
  if (argc != 2) {
    std::fputs(kUsage, stderr);
    return hz3::runner::kBadJob;
  }
  // SIGTERM, not SIGKILL: when the harness dies the runner still ends the workload's whole tree.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  std::signal(SIGPIPE, SIG_IGN);
  return hz3::runner::keep(measure, argv[1]);
}
