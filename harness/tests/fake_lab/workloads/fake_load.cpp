// fake_load WHAT [ARM] [FILE]: a workload that does nothing and reports figures which depend only on
// the library it runs under and on the block, so that two runs of one plan report the same.
//   ok                one result
//   usage             refuses its arguments
//   fail_alloc        reports failed allocations
//   crash ARM FILE    ends itself with SIGSEGV in every third run of the arm (a00 is base, a01 treat),
//                     counted in FILE, which is begun at 0
//   kill ARM FILE     the same with SIGKILL
//   damage ARM        says that a live object was changed, as the programs of workloads/ do
//   hang ARM          never ends
#include <dlfcn.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

// The arm's folder, not the whole path, so that runs in different places agree.
const char* arm_folder() {
  const char* preload = std::getenv("LD_PRELOAD");
  return preload == nullptr ? nullptr : std::strstr(preload, "/arms/");
}

bool is_arm(const char* name) {
  const char* arm = arm_folder();
  return arm != nullptr && std::strncmp(arm + std::strlen("/arms/"), name, std::strlen(name)) == 0;
}

// Counts the calls in FILE; true for the first of every three, never below 0.
bool every_third(const char* file) {
  int n = 0;
  if (std::FILE* in = std::fopen(file, "r")) {
    if (std::fscanf(in, "%d", &n) != 1) n = 0;
    std::fclose(in);
  }
  if (std::FILE* out = std::fopen(file, "w")) {
    std::fprintf(out, "%d\n", n + 1);
    std::fclose(out);
  }
  return n >= 0 && n % 3 == 0;
}

int result_fd() {
  const char* fd = std::getenv("HZ_RESULT_FD");
  return fd == nullptr ? -1 : std::atoi(fd);
}

void misbehave(const char* what, int argc, char** argv) {
  if (std::strcmp(what, "usage") == 0) {
    std::fprintf(stderr, "fake_load: what is this?\n");
    std::exit(2);
  }
  if (argc < 3 || !is_arm(argv[2])) return;
  if (std::strcmp(what, "crash") == 0 && every_third(argv[3])) {
    std::fprintf(stderr, "fake_load: about to crash\n");
    std::raise(SIGSEGV);
  }
  if (std::strcmp(what, "kill") == 0 && every_third(argv[3])) std::raise(SIGKILL);
  if (std::strcmp(what, "damage") == 0) {
    dprintf(result_fd(), "{\"damaged\": 1}\n");
    std::exit(1);
  }
  if (std::strcmp(what, "hang") == 0) pause();
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "ok";
  misbehave(what, argc, argv);
  auto* speed = reinterpret_cast<long (*)()>(dlsym(RTLD_DEFAULT, "hz3_fake_speed"));
  const char* pad = std::getenv("HZ_PAD");
  unsigned noise = pad == nullptr ? 0 : static_cast<unsigned>(std::strlen(pad));
  for (const char* at = arm_folder(); at != nullptr && *at != '\0'; at++) noise = noise * 33 + static_cast<unsigned char>(*at);
  // Spread over the blocks and arms by a multiplicative hash, at most one part in a thousand.
  const double jitter = 1.0 + 1e-5 * ((noise * 2654435761u >> 16) % 100);
  const double ops = 1e6 * (speed == nullptr ? 100 : speed()) / 100 * jitter;
  if (result_fd() < 0) return 0;
  dprintf(result_fd(), "{\"ops_per_s\": %.3f, \"alloc_fail\": %d, \"idle_phase\": \"joined\"}\n", ops,
          std::strcmp(what, "fail_alloc") == 0 ? 3 : 0);
  std::printf("speed: %.1f\n", ops);
  return 0;
}
