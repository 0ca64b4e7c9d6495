// fake_load WHAT [FILE]: a workload that does nothing and reports figures which depend only on the
// library it runs under and on the block, so that two runs of one plan report the same.
//   ok          one result
//   crash       ends itself with SIGSEGV
//   crash_once  does so while FILE exists, and removes it
//   fail_alloc  reports failed allocations
#include <dlfcn.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "ok";
  if (std::strcmp(what, "crash") == 0) {
    std::fprintf(stderr, "fake_load: about to crash\n");
    std::raise(SIGSEGV);
  }
  if (std::strcmp(what, "crash_once") == 0 && unlink(argv[2]) == 0) std::raise(SIGSEGV);
  auto* speed = reinterpret_cast<long (*)()>(dlsym(RTLD_DEFAULT, "hz3_fake_speed"));
  const char* pad = std::getenv("HZ_PAD");
  const char* preload = std::getenv("LD_PRELOAD");
  unsigned noise = pad == nullptr ? 0 : static_cast<unsigned>(std::strlen(pad));
  // The arm's folder, not the whole path, so that runs in different places agree.
  const char* arm = preload == nullptr ? nullptr : std::strstr(preload, "/arms/");
  for (const char* at = arm; at != nullptr && *at != '\0'; at++) noise = noise * 33 + static_cast<unsigned char>(*at);
  // Spread over the blocks and arms by a multiplicative hash, at most one part in a thousand.
  const double jitter = 1.0 + 1e-5 * ((noise * 2654435761u >> 16) % 100);
  const double ops = 1e6 * (speed == nullptr ? 100 : speed()) / 100 * jitter;
  const char* fd = std::getenv("HZ_RESULT_FD");
  if (fd == nullptr) return 0;
  dprintf(std::atoi(fd), "{\"ops_per_s\": %.3f, \"alloc_fail\": %d, \"idle_phase\": \"joined\"}\n", ops,
          std::strcmp(what, "fail_alloc") == 0 ? 3 : 0);
  std::printf("speed: %.1f\n", ops);
  return 0;
}
