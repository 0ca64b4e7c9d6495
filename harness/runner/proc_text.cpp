// See proc_text.hpp.
#include "proc_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "fd.hpp"

namespace hz3::runner {

std::optional<std::string> read_proc(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string text;
  char block[16384];
  for (;;) {
    const ssize_t got = read(fd.get(), block, sizeof block);
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    text.append(block, static_cast<size_t>(got));
  }
}

}  // namespace hz3::runner
