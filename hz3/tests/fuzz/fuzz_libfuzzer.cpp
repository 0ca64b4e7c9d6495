// Entry point for libFuzzer (clang): the same programs as fuzz_driver's, found by coverage.
//
//   meson compile hz3-fuzz-libfuzzer && <build>/hz3/tests/fuzz/hz3-fuzz-libfuzzer -max_total_time=600
//   CORPUS
//
// A finding is a file that `fuzz_driver --replay FILE` runs again in any build.
#include <cstddef>
#include <cstdint>

#include "interpreter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hz3_test::Exchange exchange;
  hz3_test::Interpreter("libFuzzer input", 1, exchange).run(data, size);
  exchange.release_all();
  return 0;
}
