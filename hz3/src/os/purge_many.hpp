// Gives many ranges back with one system call. A purge must reach the translation buffers of every
// processor that runs the program, which costs more than the pages do (14 us a call beside 2.6 us a
// range, on two virtual processors); process_madvise does it once for all its ranges.
//
// Works on Linux from 6.14 on, which knows the number that stands for the process itself and lets a
// process discard its own memory so. Elsewhere, and under filters that refuse the call, the first
// attempt says so and nobody tries again. Thread-safe; leaves errno changed.
#pragma once

#include <sys/syscall.h>
#include <sys/uio.h>

#include <cerrno>

#include "os/pages.hpp"

namespace hz3::os {

inline constexpr std::uint32_t kMostRanges = 64;

inline constinit bool g_purges_many = true;  // until the system refused; read and written relaxed

// Purges the first ranges of `ranges` and returns how many; the caller tries the others one by one.
// They must be multiples of the system's pages. 0 where the system cannot.
inline std::uint32_t purge_many(const iovec* ranges, std::uint32_t count) {
  constexpr int kThisProcess = -10001;  // PIDFD_SELF_THREAD_GROUP; older headers do not name it
#ifndef SYS_process_madvise
  constexpr long SYS_process_madvise = 440;
#endif
  if (!__atomic_load_n(&g_purges_many, __ATOMIC_RELAXED)) return 0;
  const long done = ::syscall(SYS_process_madvise, kThisProcess, ranges, count, MADV_DONTNEED, 0u);
  if (done < 0) {
    // EINVAL and ENOMEM may be about the first range; anything else is about the call.
    if (errno != EINVAL && errno != ENOMEM)
      __atomic_store_n(&g_purges_many, false, __ATOMIC_RELAXED);
    return 0;
  }
  auto left = static_cast<std::size_t>(done);
  std::uint32_t whole = 0;
  while (whole < count && ranges[whole].iov_len <= left) left -= ranges[whole++].iov_len;
  return whole;
}

}  // namespace hz3::os
