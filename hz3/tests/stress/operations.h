// One operation of the stress test on one worker's blocks.
#pragma once

#include "shadow.h"

namespace hz3_test {

// All workers of the run; set once before the first thread starts.
struct Arena {
  uint64_t seed = 0;
  uint32_t workers = 0;
  Worker* worker = nullptr;
};
extern Arena g_arena;

// Draws and performs the worker's next operation.
void perform_operation(Worker& worker);

// Verifies and frees everything the worker holds or was sent.
void release_all(Worker& worker);

// Prints seed, worker, operation and the finding, and stops the process with status 1: after the
// first wrong byte nothing that follows can be trusted.
[[noreturn, gnu::format(printf, 2, 3)]] void stop(const Worker& worker, const char* format, ...);

}  // namespace hz3_test
