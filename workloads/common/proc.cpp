#include "common/proc.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "common/say.h"

namespace workload {

std::uint64_t rss_kb() {
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[128];
  const ssize_t length = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  if (length <= 0) return 0;
  text[length] = '\0';
  char* resident = nullptr;
  std::strtoull(text, &resident, 10);  // the first field is the size of the address space
  return std::strtoull(resident, nullptr, 10) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

void copy_proc_file(const char* path, int out_fd) {
  static char buffer[1 << 16];
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    complain("%s cannot be read", path);
    return;
  }
  ssize_t length;
  while ((length = ::read(fd, buffer, sizeof buffer)) > 0) {
    if (!write_all(out_fd, buffer, static_cast<unsigned long>(length))) break;
  }
  ::close(fd);
}

}  // namespace workload
