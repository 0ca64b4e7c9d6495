#include "common/team.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/say.h"

namespace workload {
namespace {

// Room for libraries with large thread-local caches; only touched pages cost anything.
constexpr std::size_t kStackBytes = std::size_t{1} << 20;
constexpr std::size_t kGuardBytes = std::size_t{1} << 16;  // covers the page size of any machine
constexpr std::size_t kSlotBytes = kStackBytes + kGuardBytes;

[[noreturn]] void die(const char* what, int error) {
  complain("%s: %s", what, std::strerror(error));
  std::exit(1);
}

}  // namespace

Team::Team(unsigned threads) : threads_(threads), seats_(threads) {
  void* base = ::mmap(nullptr, threads * kSlotBytes, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (base == MAP_FAILED) die("mmap of thread stacks", errno);
  stacks_ = static_cast<char*>(base);
  for (unsigned i = 0; i < threads_; ++i) {
    char* stack = stacks_ + i * kSlotBytes + kGuardBytes;
    if (::mprotect(stack, kStackBytes, PROT_READ | PROT_WRITE) != 0) die("mprotect", errno);
    ::madvise(stack, kStackBytes, MADV_NOHUGEPAGE);
  }
}

Team::~Team() {
  join();
  ::munmap(stacks_, threads_ * kSlotBytes);
}

void* Team::enter(void* argument) {
  Seat* seat = static_cast<Seat*>(argument);
  seat->entry(seat->context, seat->index);
  return nullptr;
}

void Team::launch(unsigned index, void* context, Entry entry) {
  Seat& seat = seats_[index];
  seat.entry = entry;
  seat.context = context;
  seat.index = index;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  char* stack = stacks_ + index * kSlotBytes + kGuardBytes;
  int error = pthread_attr_setstack(&attributes, stack, kStackBytes);
  if (error == 0) error = pthread_create(&seat.thread, &attributes, enter, &seat);
  pthread_attr_destroy(&attributes);
  if (error != 0) die("pthread_create", error);
  seat.running = true;
}

void Team::join_one(unsigned index) {
  Seat& seat = seats_[index];
  if (!seat.running) return;
  pthread_join(seat.thread, nullptr);
  seat.running = false;
}

void Team::join() {
  for (unsigned i = 0; i < threads_; ++i) {
    join_one(i);
    ::madvise(stacks_ + i * kSlotBytes + kGuardBytes, kStackBytes, MADV_DONTNEED);
  }
}

std::uint64_t Team::stacks_kb() const {
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < threads_; ++i) {
    sum += resident_kb(stacks_ + i * kSlotBytes + kGuardBytes, kStackBytes);
  }
  return sum;
}

}  // namespace workload
