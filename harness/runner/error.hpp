// How the runner ends early: a sentence for the person reading and the exit status that goes with
// it. Whatever the workload itself does is not an error of the runner and never comes this way.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace hz3::runner {

enum ExitStatus : int {
  kRunMade = 0,        // a run was made, whatever came of it
  kBadJob = 4,         // the job asks for something that cannot be meant
  kCannotMeasure = 5,  // the workload could not be started, or its results not be kept
  kInterrupted = 130,  // SIGINT or SIGTERM reached the runner
};

class RunnerError : public std::runtime_error {
 public:
  RunnerError(ExitStatus status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  ExitStatus status() const { return status_; }

 private:
  ExitStatus status_;
};

inline RunnerError cannot(const std::string& what, int error = errno) {
  return RunnerError(kCannotMeasure, "cannot " + what + ": " + std::strerror(error));
}

}  // namespace hz3::runner
