// What the system allows this process: asked once, at the first allocation, without allocating.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace hz3::os {

inline constexpr std::size_t kUnlimited = SIZE_MAX;

// Bytes of addresses the process may map (RLIMIT_AS), kUnlimited when nothing limits them.
inline std::size_t address_space_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  return limit.rlim_cur;
}

// Whether every writable page counts against a limit, touched or not (vm.overcommit_memory=2). The
// kernel then takes the charge back only for addresses that are unmapped.
inline bool commit_is_charged() {
  const int fd = ::open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char mode = '0';
  const bool read = ::read(fd, &mode, 1) == 1;
  ::close(fd);
  return read && mode == '2';
}

// Bytes of memory and swap the machine has.
inline std::size_t machine_bytes() {
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) return 0;
  return (std::size_t{info.totalram} + info.totalswap) * info.mem_unit;
}

}  // namespace hz3::os
