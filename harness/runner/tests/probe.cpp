// A library to be preloaded and found in the maps; it must do nothing at all, unless it is told to
// crash before the program has begun.
#include <csignal>
#include <cstdlib>

extern "C" int runner_probe_present() { return 1; }

__attribute__((constructor)) static void crash_when_told() {
  if (std::getenv("PROBE_CRASHES") != nullptr) std::raise(SIGSEGV);
}
