// See calls.hpp.
#include "calls.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

// Of Linux 5.19; older headers lack it, older kernels refuse it.
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace hz3::runner {

const std::array<CountedCall, 8> kCountedCalls = {{{"mmap", SYS_mmap},
                                                   {"munmap", SYS_munmap},
                                                   {"mremap", SYS_mremap},
                                                   {"mprotect", SYS_mprotect},
                                                   {"brk", SYS_brk},
                                                   {"madvise", SYS_madvise},
                                                   {"process_madvise", SYS_process_madvise},
                                                   {"membarrier", SYS_membarrier}}};

namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "name the audit architecture"
#endif

}  // namespace

int listen_to_calls() {
  // Load the architecture, pass what is foreign; load the number; a jump for each counted call to
  // the last line; pass; tell.
  constexpr size_t kCalls = std::tuple_size_v<CallCounts>;
  sock_filter code[kCalls + 6];
  size_t at = 0;
  code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
  code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
  code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[at++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
  for (size_t i = 0; i < kCalls; i++) {
    const auto number = static_cast<uint32_t>(kCountedCalls[i].number);
    code[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, static_cast<uint8_t>(kCalls - i), 0);
  }
  code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  const sock_fprog program{static_cast<unsigned short>(at), code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  // A call that was received is not restarted by a signal, which would count it twice.
  const unsigned long flags =
      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (fd < 0 && errno == EINVAL) {
    fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  }
  return static_cast<int>(fd);
}

void CallCounter::serve(short events) {
  if ((events & POLLIN) == 0) {
    listener_.reset();  // nobody is left under the filter
    return;
  }
  seccomp_notif call{};
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
    return;  // its caller was killed
  for (size_t i = 0; i < kCountedCalls.size(); i++) {
    counts_[i] += call.data.nr == kCountedCalls[i].number;
  }
  seccomp_notif_resp answer{};
  answer.id = call.id;
  answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

}  // namespace hz3::runner
