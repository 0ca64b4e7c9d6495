#include "common/say.h"

#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace workload {
namespace {

constexpr int kLineBytes = 4096;
const char* g_program = "workload";

void print_list(int fd, const char* format, va_list list) {
  char line[kLineBytes];
  int length = std::vsnprintf(line, sizeof line, format, list);
  if (length < 0) return;
  if (length >= kLineBytes) length = kLineBytes - 1;
  write_all(fd, line, static_cast<unsigned long>(length));
}

}  // namespace

void set_program_name(const char* name) { g_program = name; }
const char* program_name() { return g_program; }

bool write_all(int fd, const char* bytes, unsigned long count) {
  while (count > 0) {
    const ssize_t written = ::write(fd, bytes, count);
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes += written;
    count -= static_cast<unsigned long>(written);
  }
  return true;
}

void print(int fd, const char* format, ...) {
  va_list list;
  va_start(list, format);
  print_list(fd, format, list);
  va_end(list);
}

void say(const char* format, ...) {
  va_list list;
  va_start(list, format);
  print_list(STDOUT_FILENO, format, list);
  va_end(list);
}

void complain(const char* format, ...) {
  char text[kLineBytes / 2];
  va_list list;
  va_start(list, format);
  std::vsnprintf(text, sizeof text, format, list);
  va_end(list);
  print(STDERR_FILENO, "%s: %s\n", g_program, text);
}

}  // namespace workload
