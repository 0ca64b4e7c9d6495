// libc's syscall() for programs that define that function themselves, in order to see or refuse what
// the allocator asks of the system past libc's wrappers.
#pragma once

#include <dlfcn.h>

namespace hz3_test {

inline constexpr long kProcessMadvise = 440;  // its number on all systems; older headers lack it

using Syscall = long (*)(long, ...);

inline Syscall real_syscall() {
  static const auto function = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
  return function;
}

}  // namespace hz3_test
