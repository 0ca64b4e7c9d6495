// address_costs [--strict]: what reserved and committed addresses cost where they are not free.
// Locked: after mlockall an allocator's tables and spare memory would all become resident. Charged:
// with vm.overcommit_memory=2 every writable page counts until it is unmapped. The second needs no
// such system: the program's own open() answers for the kernel's setting, and what is counted is
// the writable private memory that such a kernel would charge (VmData). --strict: more than libc
// promises.
#undef _FILE_OFFSET_BITS  // both names of a function are defined here
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"

namespace {
constexpr const char* kCharged = "HZ3_TEST_CHARGED";
}

#pragma GCC visibility push(default)
extern "C" {
int open(const char* path, int flags, ...) {
  if (strcmp(path, "/proc/sys/vm/overcommit_memory") == 0 && getenv(kCharged) != nullptr) {
    int ends[2];
    if (syscall(SYS_pipe2, ends, O_CLOEXEC) != 0 || write(ends[1], "2\n", 2) != 2) return -1;
    close(ends[1]);
    return ends[0];
  }
  va_list arguments;
  va_start(arguments, flags);
  const int mode = va_arg(arguments, int);
  va_end(arguments);
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
int open64(const char*, int, ...) __attribute__((alias("open")));
}
#pragma GCC visibility pop

namespace {

using namespace hz3_test;

constexpr size_t kMiB = 1 << 20;

size_t status_kb(const char* key) {
  char text[4096] = {};
  const int fd = open("/proc/self/status", O_RDONLY);
  if (read(fd, text, sizeof text - 1) <= 0) _exit(3);
  close(fd);
  const char* line = strstr(text, key);
  return line != nullptr ? strtoul(line + strlen(key) + 1, nullptr, 10) : 0;
}

void use_and_free(size_t size, size_t total) {
  const size_t count = total / size;
  static void* blocks[100000];
  for (size_t i = 0; i < count; ++i) blocks[i] = malloc(size);
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
}

int charged() {
  use_and_free(100, kMiB);
  malloc_trim(0);
  const size_t before = status_kb("VmData");
  for (const size_t size : {size_t{3000}, size_t{50000}, kMiB, 7 * kMiB}) {
    use_and_free(size, 200 * kMiB);
    malloc_trim(0);
    const size_t after = status_kb("VmData");
    CHECK(after < before + 20000, "200 MiB in blocks of %zu bytes were freed: %zu KiB stay charged",
          size, after - before);
  }
  return verdict();
}

void use_some() {
  for (const size_t size : {16, 100, 2000, 3000, 20000, 900000}) {
    void* block = malloc(size);
    memset(block, 1, size);
  }
}

int locked(bool used_before, size_t most_kb) {
  if (used_before) use_some();
  const size_t before = status_kb("VmRSS");
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return 0;  // it takes a privilege
  const size_t at_once = status_kb("VmRSS");
  use_some();
  const size_t after = status_kb("VmRSS");
  CHECK(at_once < before + most_kb && after < before + most_kb + 2000,
        "resident %zu KiB, locked %zu, with a few blocks more %zu", before, at_once, after);
  return verdict();
}

int start_again(bool strict) {
  setenv(kCharged, "1", 1);
  execl("/proc/self/exe", "address_costs", strict ? "--strict" : nullptr, nullptr);
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  const bool strict = argc == 2 && strcmp(argv[1], "--strict") == 0;
  if (getenv(kCharged) != nullptr) return charged();
  ChildEnd end = run_child([] { return locked(false, 3500); }, 30);
  CHECK(end.ok(), "locked at once: %s %d", end.how(), end.status);
  end = run_child([] { return locked(true, 9000); }, 30);
  CHECK(end.ok(), "locked in use: %s %d", end.how(), end.status);
  if (strict) {
    end = run_child([] { return start_again(true); }, 30);
    CHECK(end.ok(), "charged: %s %d", end.how(), end.status);
  }
  return verdict();
}
