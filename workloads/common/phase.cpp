#include "common/phase.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "common/args.h"
#include "common/clocks.h"
#include "common/say.h"

namespace workload {

int descriptor_from_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return -1;
  int fd = 0;
  const char* at = text;
  for (; *at >= '0' && *at <= '9' && fd < 1000000; ++at) fd = fd * 10 + (*at - '0');
  if (*at != '\0' || ::fcntl(fd, F_GETFD) < 0) {
    complain("%s=%s names no open descriptor", variable, text);
    std::exit(kExitUsage);
  }
  return fd;
}

Phases::Phases() : fd_(descriptor_from_environment("HZ_PHASE_FD")) {
  struct stat about;
  parks_ = fd_ >= 0 && ::fstat(fd_, &about) == 0 && S_ISSOCK(about.st_mode);
}

void Phases::mark(const char* phase, unsigned cycle) {
  if (fd_ < 0) return;
  char line[80];
  const int length = std::snprintf(line, sizeof line, "%llu %.40s %u\n",
                                   static_cast<unsigned long long>(wall_ns()), phase, cycle);
  if (!write_all(fd_, line, static_cast<unsigned long>(length))) {
    complain("phase mark not written");
    std::exit(kExitUsage);
  }
  if (!parks_) return;
  char acknowledgement;
  while (::read(fd_, &acknowledgement, 1) < 0 && errno == EINTR) {
  }
}

}  // namespace workload
