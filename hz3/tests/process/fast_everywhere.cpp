// fast_everywhere [--strict]: the hot paths of malloc and free do not depend on where a block lies.
// A child fills the first arena and then the next ones with blocks that nobody touches, and now and
// then allocates and frees a block of a run; its parent steps through it and counts instructions.
// --strict: the numbers must be equal.
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/mapped.h"

namespace {

using namespace hz3_test;

constexpr size_t kGiB = size_t{1} << 30;
constexpr size_t kSlot = size_t{2} << 20;
constexpr int kPlaces = 40;

// What the child tells its parent, in memory they share.
struct Book {
  int places;
  void* blocks[kPlaces];
};

// A stop, between which the parent counts. SIGSTOP by tgkill takes the same way each time.
void mark() { raise(SIGTRAP); }

// Each place is 3 GiB further. They are taken in the smallest large blocks, which leave no room for
// a segment behind them.
void run_places(Book& book) {
  static void* held[64];
  constexpr size_t kBlock = 100000;
  for (int i = 0; i < 5000; ++i) free(malloc(kBlock));  // caching such blocks may have to be earned
  for (int place = 0; place < kPlaces; ++place) {
    for (void*& block : held) block = malloc(kBlock);  // a segment's worth, some of it in new slots
    void* warm = malloc(kBlock);
    free(warm);
    mark();
    void* block = malloc(kBlock);
    free(block);
    mark();
    book.blocks[place] = block;
    book.places = place + 1;
    for (size_t bytes = 0; bytes < 3 * kGiB; bytes += kSlot) {
      if (malloc(kSlot) == nullptr) return;
    }
  }
}

// Steps until the next stop of the child's own; returns the instructions, 0 when it has ended.
uint64_t count_to_stop(pid_t child, bool step) {
  uint64_t count = 0;
  for (;;) {
    int status = 0;
    if (ptrace(step ? PTRACE_SINGLESTEP : PTRACE_CONT, child, nullptr, nullptr) != 0) return 0;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 0;
    siginfo_t info{};
    if (ptrace(PTRACE_GETSIGINFO, child, nullptr, &info) != 0) return 0;
    if (info.si_code == SI_TKILL) return count + 1;
    ++count;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool strict = argc == 2 && strcmp(argv[1], "--strict") == 0;
  Book& book = *map_array<Book>(1, true);
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(3);
    run_places(book);
    _exit(0);
  }
  int status = 0;
  uint64_t first = 0;
  uint64_t differing = 0;
  // The child's first stop is the raise of its first mark.
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
    say("fast_everywhere: a child cannot be traced on this system");
    return 3;
  }
  uintptr_t lowest = UINTPTR_MAX, highest = 0;
  for (int place = 0;; ++place) {
    const uint64_t count = count_to_stop(child, true);
    if (count == 0) break;
    if (place == 0) first = count;
    if (count != first) ++differing;
    CHECK(!strict || count == first, "place %d: %lu instructions, at the first place %lu", place,
          count, first);
    if (count_to_stop(child, false) == 0) break;
  }
  waitpid(child, &status, 0);
  for (int i = 0; i < book.places; ++i) {
    const auto address = reinterpret_cast<uintptr_t>(book.blocks[i]);
    lowest = address < lowest ? address : lowest;
    highest = address > highest ? address : highest;
  }
  CHECK(book.places > 20 && first > 20, "only %d places, %lu instructions", book.places, first);
  CHECK(!strict || highest - lowest > 64 * kGiB, "the blocks lie within %zu GiB",
        (highest - lowest) / kGiB);
  return verdict();
}
