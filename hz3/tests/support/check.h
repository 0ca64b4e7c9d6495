// Reporting for the allocator tests. A check says nothing when it holds and prints one line when it
// does not, so that a passing run is silent and a failing one lists only what is wrong. Lines are
// built on the stack and leave through write(2): a test of malloc must not need malloc to complain.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hz3_test {

inline std::atomic<int> g_failures{0};

// One check failing for hundreds of sizes is one finding: each reports itself this often at most.
inline constexpr int kMaxReportsPerCheck = 4;

inline void write_all(int fd, const char* text, size_t length) {
  while (length > 0) {
    const ssize_t written = write(fd, text, length);
    if (written <= 0) return;
    text += written;
    length -= static_cast<size_t>(written);
  }
}

// Prints one line on stderr, in a single write so that lines of several threads do not mix.
[[gnu::format(printf, 1, 2)]] inline void say(const char* format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (length < 0) return;
  if (length > static_cast<int>(sizeof line) - 2) length = sizeof line - 2;
  line[length++] = '\n';
  write_all(STDERR_FILENO, line, static_cast<size_t>(length));
}

[[gnu::format(printf, 3, 4)]] inline void fail(const char* file, int line_number,
                                               const char* format, ...) {
  g_failures.fetch_add(1);
  char text[960];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const char* name = strrchr(file, '/');
  say("FAIL %s:%d: %s", name != nullptr ? name + 1 : file, line_number, text);
}

// Exit status of a test program: 0 when nothing failed, 1 otherwise.
inline int verdict() {
  const int failures = g_failures.load();
  if (failures > 0) say("FAIL %d checks failed in all", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace hz3_test

// CHECK(condition, "printf format", …): the format says what was expected and what was seen.
#define CHECK(condition, ...)                                             \
  do {                                                                    \
    static std::atomic<int> check_reports{0};                             \
    if (!(condition)) {                                                   \
      if (check_reports.fetch_add(1) < ::hz3_test::kMaxReportsPerCheck) { \
        ::hz3_test::fail(__FILE__, __LINE__, __VA_ARGS__);                \
      } else {                                                            \
        ::hz3_test::g_failures.fetch_add(1);                              \
      }                                                                   \
    }                                                                     \
  } while (false)
