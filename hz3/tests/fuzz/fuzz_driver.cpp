// fuzz_driver SEED RUNS BYTES THREADS: runs generated programs (interpreter.h) on the hz3_ API.
// fuzz_driver --replay FILE…: runs the programs in the files, such as a fuzzer's findings.
//
// RUNS times, THREADS new threads each run a program of BYTES bytes made from SEED, the run and the
// thread's number, and hand each other blocks. hz3 is linked in with its own names only and the
// program keeps the system's malloc, so that it can be built with any sanitizer.
#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../support/check.h"
#include "../support/rng.h"
#include "hz3/hz3.h"
#include "interpreter.h"

namespace {

using namespace hz3_test;

struct Program {
  char name[80] = {};
  uint64_t first_id = 0;
  std::vector<uint8_t> bytes;
  Exchange* exchange = nullptr;
};

Program generate(uint64_t seed, uint64_t run, uint64_t thread, size_t length) {
  Program program;
  snprintf(program.name, sizeof program.name, "seed %lu run %lu thread %lu", seed, run, thread);
  program.first_id = (run << 40) | (thread << 32) | 1;
  Rng rng(mix64(seed) ^ mix64(run * 1000 + thread + 1));
  // Each program leans to a span of sizes and to some operations, as real ones do; uniform bytes
  // would make all programs alike.
  const uint8_t favourite = static_cast<uint8_t>(rng.below(24));
  const uint8_t favoured_op = static_cast<uint8_t>(rng.below(16));
  program.bytes.resize(length);
  for (uint8_t& byte : program.bytes) {
    const uint64_t dice = rng.below(8);
    byte = dice == 0   ? static_cast<uint8_t>(favourite + rng.below(3))
           : dice == 1 ? favoured_op
                       : static_cast<uint8_t>(rng.next());
  }
  return program;
}

void* run_program(void* argument) {
  auto& program = *static_cast<Program*>(argument);
  Interpreter interpreter(program.name, program.first_id, *program.exchange);
  interpreter.run(program.bytes.data(), program.bytes.size());
  return nullptr;
}

int run_generated(uint64_t seed, uint64_t runs, size_t length, size_t threads) {
  Exchange exchange;
  for (uint64_t run = 0; run < runs; ++run) {
    std::vector<Program> programs;
    for (size_t i = 0; i < threads; ++i) {
      programs.push_back(generate(seed, run, i, length));
      programs.back().exchange = &exchange;
    }
    std::vector<pthread_t> handles(threads);
    for (size_t i = 0; i < threads; ++i) {
      if (pthread_create(&handles[i], nullptr, run_program, &programs[i]) != 0) return 3;
    }
    for (const pthread_t handle : handles) pthread_join(handle, nullptr);
  }
  exchange.release_all();
  return 0;
}

int replay(const char* path) {
  FILE* file = fopen(path, "rb");
  if (file == nullptr) {
    say("fuzz_driver: cannot open %s: %s", path, strerror(errno));
    return 2;
  }
  Exchange exchange;
  Program program;
  snprintf(program.name, sizeof program.name, "%s", path);
  program.exchange = &exchange;
  uint8_t buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;) {
    program.bytes.insert(program.bytes.end(), buffer, buffer + got);
  }
  fclose(file);
  run_program(&program);
  exchange.release_all();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 3 && strcmp(argv[1], "--replay") == 0) {
    for (int i = 2; i < argc; ++i) {
      if (const int status = replay(argv[i]); status != 0) return status;
    }
    return 0;
  }
  const uint64_t runs = argc == 5 ? strtoull(argv[2], nullptr, 0) : 0;
  const uint64_t length = argc == 5 ? strtoull(argv[3], nullptr, 0) : 0;
  const uint64_t threads = argc == 5 ? strtoull(argv[4], nullptr, 0) : 0;
  if (runs == 0 || length == 0 || threads == 0 || threads > 200) {
    say("usage: fuzz_driver SEED RUNS BYTES THREADS(1-200) | fuzz_driver --replay FILE...");
    return 2;
  }
  return run_generated(strtoull(argv[1], nullptr, 0), runs, length, threads);
}
