// What the process holds of the system, read from /proc without malloc.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace hz3_test {

inline long resident_kb() {
  char text[128] = {};
  const int fd = open("/proc/self/statm", O_RDONLY);
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  long size = 0, resident = 0;
  if (got <= 0 || sscanf(text, "%ld %ld", &size, &resident) != 2) return 0;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

// Mappings as the kernel counts them against vm.max_map_count.
inline long mapping_count() {
  static char text[1 << 16];
  const int fd = open("/proc/self/maps", O_RDONLY);
  long lines = 0;
  for (ssize_t got; (got = read(fd, text, sizeof text)) > 0;) {
    for (ssize_t i = 0; i < got; ++i) lines += text[i] == '\n';
  }
  close(fd);
  return lines;
}

}  // namespace hz3_test
