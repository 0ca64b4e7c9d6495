// Knobs as a program sees them: read back, refused, listed, and followed from the environment
// before main. The program runs itself again for every environment and says there what a knob is.
#include <malloc.h>

#include <cinttypes>
#include <cstdlib>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/symbols.h"
#include "hz3/hz3.h"

namespace hz3_test {

namespace {

decltype(hz3_knob_get)* g_get = nullptr;
decltype(hz3_knob_set)* g_set = nullptr;
decltype(hz3_knob_list)* g_list = nullptr;

struct Knobs {
  hz3_knob of[64];
  size_t count;
};

Knobs list_knobs() {
  Knobs knobs{};
  knobs.count = g_list(knobs.of, 64);
  return knobs;
}

void check_set_and_get() {
  const Knobs knobs = list_knobs();
  CHECK(knobs.count >= 3 && knobs.count <= 64, "%zu knobs", knobs.count);
  CHECK(g_list(nullptr, 0) == knobs.count, "the number of knobs depends on the room for them");
  for (size_t i = 0; i < knobs.count; ++i) {
    const hz3_knob& knob = knobs.of[i];
    CHECK(knob.minimum <= knob.initial && knob.initial <= knob.maximum && knob.meaning[0] != '\0',
          "%s begins at %" PRIu64, knob.name, knob.initial);
    CHECK(strncmp(knob.environment, "HZ3_", 4) == 0, "%s is read from %s", knob.name,
          knob.environment);
    for (const uint64_t value : {knob.minimum, knob.maximum, knob.initial}) {
      uint64_t now = ~value;
      CHECK(g_set(knob.name, value) == HZ3_KNOB_SET, "%s cannot be %" PRIu64, knob.name, value);
      CHECK(g_get(knob.name, &now) == HZ3_KNOB_SET && now == value,
            "%s set to %" PRIu64 " reads %" PRIu64, knob.name, value, now);
    }
    const uint64_t outside[] = {knob.maximum + 1, UINT64_MAX,
                                knob.minimum > 0 ? knob.minimum - 1 : UINT64_MAX};
    for (const uint64_t value : outside) {
      uint64_t now = 0;
      CHECK(g_set(knob.name, value) == HZ3_KNOB_OUT_OF_RANGE, "%s takes %" PRIu64, knob.name,
            value);
      CHECK(g_get(knob.name, &now) == HZ3_KNOB_SET && now == knob.initial,
            "%s refused %" PRIu64 " and is %" PRIu64, knob.name, value, now);
    }
    CHECK(g_get(knob.name, nullptr) == HZ3_KNOB_SET, "%s cannot be asked about", knob.name);
  }
  for (const char* name : {"", "large_cache", "large_cache_bytess", "LARGE_CACHE_BYTES",
                           "HZ3_LARGE_CACHE_BYTES", "large_cache_bytes="}) {
    uint64_t untouched = 7;
    CHECK(g_set(name, 1) == HZ3_KNOB_UNKNOWN && g_get(name, &untouched) == HZ3_KNOB_UNKNOWN,
          "there is a knob '%s'", name);
    CHECK(untouched == 7, "asking for '%s' wrote a value", name);
  }
  CHECK(g_set(nullptr, 1) == HZ3_KNOB_UNKNOWN && g_get(nullptr, nullptr) == HZ3_KNOB_UNKNOWN,
        "there is a knob without a name");
}

// This program again, in an environment of one variable besides the preload; what it and the
// allocator say on stderr.
ChildEnd run_with(const char* setting, const char* knob) {
  return run_child(
      [=] {
        static char preload[4096];
        snprintf(preload, sizeof preload, "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
        char* environment[] = {preload, const_cast<char*>(setting), nullptr};
        char* arguments[] = {const_cast<char*>("knobs"), const_cast<char*>(knob), nullptr};
        execve("/proc/self/exe", arguments, environment);
        return 3;
      },
      30, true);
}

void expect(const char* setting, const char* knob, const char* said) {
  const ChildEnd end = run_with(setting, knob);
  CHECK(end.ok(), "%s: %s %d", setting, end.how(), end.status);
  // Builds with counters add their lines at exit, which begin with a bracket.
  char output[sizeof end.output];
  strcpy(output, end.output);
  if (char* bracket = strchr(output, '['); bracket != nullptr) *bracket = '\0';
  CHECK(strcmp(output, said) == 0, "%s: it says\n%s, not\n%s", setting, output, said);
}

void check_environment() {
  expect("NOTHING=1", "large_cache_ms", "large_cache_ms=100\n");
  expect("HZ3_LARGE_CACHE_MS=250", "large_cache_ms", "large_cache_ms=250\n");
  expect("HZ3_LARGE_CACHE_BYTES=1099511627776", "large_cache_bytes",
         "large_cache_bytes=1099511627776\n");
  for (const char* value : {"", "0", "-1", "1k", " 5", "5 ", "0x10", "3600001",
                            "18446744073709551617", "18446744073709551615"}) {
    char setting[100];
    char said[300];
    snprintf(setting, sizeof setting, "HZ3_LARGE_CACHE_MS=%s", value);
    snprintf(said, sizeof said,
             "hz3: environment: %s: give a number from 1 to 3600000; it stays 100\n"
             "large_cache_ms=100\n",
             setting);
    expect(setting, "large_cache_ms", said);
  }
  expect("HZ3_LARGE_CACHE_M=5", "large_cache_ms",
         "hz3: environment: HZ3_LARGE_CACHE_M=5: no such knob; ignored\nlarge_cache_ms=100\n");
  expect("HZ3_S62_RETIRE=1", "large_cache_ms",
         "hz3: environment: HZ3_S62_RETIRE=1: a flag is chosen when the library is built; ignored\n"
         "large_cache_ms=100\n");
  expect("HZ3_BUILD_DIR=build", "large_cache_ms", "large_cache_ms=100\n");
  uint64_t pages = 0;
  if (g_get("exit_keep_pages", &pages) == HZ3_KNOB_SET) {
    expect("HZ3_EXIT_KEEP_PAGES=17", "exit_keep_pages", "exit_keep_pages=17\n");
  } else {
    expect("HZ3_EXIT_KEEP_PAGES=17", "large_cache_ms",
           "hz3: environment: HZ3_EXIT_KEEP_PAGES=17: this build has no box that looks at it; "
           "ignored\nlarge_cache_ms=100\n");
  }
  // A value longer than any line: the reason is still said.
  static char endless[5000];
  memset(endless, '9', sizeof endless - 1);
  memcpy(endless, "HZ3_LARGE_CACHE_MS=", 19);
  const ChildEnd end = run_with(endless, "large_cache_ms");
  CHECK(end.ok() && strstr(end.output, "; it stays 100\n") != nullptr, "a long value: %s",
        end.output);
}

// Bytes in this thread's bins, the first of the program, after use of many sizes. As much stays
// live as is freed, else a policy may see the heap collapse and empty the bins.
size_t cached_bytes() {
  static void* blocks[64];
  for (const bool keep : {true, false, false}) {
    for (size_t size = 16; size <= 100000; size += size / 4 + 16) {
      for (void*& block : blocks) block = malloc(size);
      if (keep) continue;
      for (void* block : blocks) free(block);
    }
  }
  static char text[4096];
  FILE* stream = fmemopen(text, sizeof text, "w");
  malloc_info(0, stream);
  fclose(stream);
  constexpr char kKey[] = "<total type=\"cached\" size=\"";
  const char* cached = strstr(text, kKey);
  return cached != nullptr ? strtoul(cached + strlen(kKey), nullptr, 10) : 0;
}

// Whatever allocated before main, the first thread follows the environment too.
void check_first_thread() {
  for (const char* setting : {"NOTHING=1", "HZ3_THREAD_CACHE_BYTES=65536"}) {
    const ChildEnd end = run_with(setting, "--cached");
    const size_t bytes = strtoul(end.output, nullptr, 10);
    const bool few = setting[0] == 'H';
    CHECK(end.ok() && bytes > 0 && (bytes <= 65536) == few, "%s: %zu bytes in bins", setting,
          bytes);
  }
}

}  // namespace

}  // namespace hz3_test

int main(int argc, char** argv) {
  using namespace hz3_test;
  g_get = provided_function<decltype(hz3_knob_get)>("hz3_knob_get");
  g_set = provided_function<decltype(hz3_knob_set)>("hz3_knob_set");
  g_list = provided_function<decltype(hz3_knob_list)>("hz3_knob_list");
  if (g_get == nullptr) return 0;  // another allocator has no such thing
  if (argc > 1 && strcmp(argv[1], "--cached") == 0) {
    say("%zu", cached_bytes());
    return 0;
  }
  if (argc > 1) {
    uint64_t value = 0;
    if (g_get(argv[1], &value) != HZ3_KNOB_SET) return 4;
    say("%s=%" PRIu64, argv[1], value);
    return 0;
  }
  check_set_and_get();
  check_environment();
  check_first_thread();
  return verdict();
}
