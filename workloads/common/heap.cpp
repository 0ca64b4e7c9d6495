#include "common/heap.h"

#include <unistd.h>

#include <atomic>

#include "common/result.h"
#include "common/say.h"

namespace workload {
namespace {

// exit() may run once only, and the allocator's last lines (its counters) come from its handlers.
[[noreturn]] void give_up(const char* key) {
  static std::atomic<bool> leaving{false};
  if (leaving.exchange(true)) {
    for (;;) ::pause();
  }
  Result result;
  result.number(key, std::uint64_t{1});
  result.write();
  std::exit(1);
}

}  // namespace

void allocation_failed(std::size_t bytes) {
  complain("allocation of %zu bytes failed", bytes);
  give_up("alloc_fail");
}

void object_damaged(const void* object, std::size_t bytes) {
  complain("live object at %p (%zu bytes; 0: no longer known) was changed by someone else", object,
           bytes);
  give_up("damaged");
}

}  // namespace workload
