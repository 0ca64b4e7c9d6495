// misuse [CASE…]: what the lane `safe` promises. Each misuse happens in a child process, which must
// be stopped by abort at once, with one line that begins with "hz3: ", says what is wrong, and
// names the pointer and the class and run (or the large or guarded block) it belongs to. What no
// misuse is must pass. Without arguments every case runs.
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/pattern.h"
#include "../support/rng.h"
#include "../support/symbols.h"

// Absent when the allocator under test is another.
extern "C" [[gnu::weak]] int hz3_knob_set(const char* name, uint64_t value);

namespace {

using namespace hz3_test;

constexpr size_t kSizes[] = {1, 8, 16, 24, 100, 500, 1000, 2048, 3000, 5000, 20000, 65536, 200000};
constexpr size_t kLarge = 3 << 20;

// Keeps the compiler from reasoning about the pointer.
template <typename T>
T* hidden(T* pointer) {
  asm volatile("" : "+r"(pointer));
  return pointer;
}

char* block_of(size_t size) { return hidden(static_cast<char*>(malloc(size))); }

// Double frees.

void free_twice(size_t size) {
  char* block = block_of(size);
  free(block);
  free(hidden(block));
}

void free_twice_deep(size_t size) {
  char* first = block_of(size);
  char* others[40];
  for (char*& other : others) other = block_of(size);
  free(first);
  for (char* other : others) free(other);
  free(hidden(first));
}

void* free_it(void* block) {
  free(block);
  return nullptr;
}

void* free_it_and_wait(void* argument) {
  auto** shared = static_cast<void**>(argument);
  free(shared[0]);
  auto* barrier = static_cast<pthread_barrier_t*>(shared[1]);
  pthread_barrier_wait(barrier);
  pthread_barrier_wait(barrier);
  return nullptr;
}

void free_twice_in_two_threads(size_t size) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, 2);
  void* shared[] = {block_of(size), &barrier};
  pthread_t thread;
  if (pthread_create(&thread, nullptr, free_it_and_wait, shared) != 0) _exit(3);
  pthread_barrier_wait(&barrier);
  free(hidden(shared[0]));
}

void free_twice_after_the_thread(size_t size) {
  char* keep = block_of(size);
  char* block = block_of(size);
  pthread_t thread;
  if (pthread_create(&thread, nullptr, free_it, block) != 0) _exit(3);
  pthread_join(thread, nullptr);
  free(hidden(block));
  free(keep);
}

// Pointers to no block.

void free_inside(size_t size) {
  char* block = block_of(size);
  free(hidden(block + (size / 2 + 15) / 16 * 16));
}

void free_misaligned(size_t size) {
  char* block = block_of(size);
  free(hidden(block + 1));
}

void realloc_inside(size_t size) {
  char* block = block_of(size);
  (void)!realloc(hidden(block + (size / 2 + 15) / 16 * 16), 10);
}

void usable_size_inside(size_t size) {
  char* block = block_of(size);
  if (malloc_usable_size(hidden(block + (size / 2 + 15) / 16 * 16)) == 1) _exit(0);
}

void free_what_never_was(size_t size) {
  char* block = block_of(size);
  const size_t room = (size + 8 + 15) / 16 * 16;
  free(hidden(block + 200 * room));  // far behind what this small program has of the class
}

void free_stack(size_t) {
  alignas(64) char local[256] = {};
  free(hidden(local + 64));
}

void* free_stack_there(void*) {
  free_stack(0);
  return nullptr;
}

void free_stack_in_a_thread(size_t) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, free_stack_there, nullptr) != 0) _exit(3);
  pthread_join(thread, nullptr);
}

void free_static(size_t) {
  alignas(64) static char data[256];
  free(hidden(data + 64));
}

void free_mapped(size_t) {
  void* pages = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  free(hidden(static_cast<char*>(pages) + 4096));
}

void realloc_mapped(size_t) {
  void* pages = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  (void)!realloc(hidden(static_cast<char*>(pages) + 4096), 10);
}

// Writes to where nothing of the program's is.

// Of the link, a freed block's first word, one byte or all of it.
template <size_t kAt, size_t kBytes>
void write_to_freed(size_t size) {
  char* first = block_of(size);
  char* second = block_of(size);
  free(first);
  free(second);
  char* link = hidden(second);
  for (size_t i = kAt; i < kAt + kBytes; ++i) link[i] = static_cast<char>(link[i] + 1);
  for (int i = 0; i < 3; ++i) block_of(size);
}

void write_own_address_to_freed(size_t size) {
  char* first = block_of(size);
  char* second = block_of(size);
  free(first);
  free(second);
  static char target[64];
  char* wanted = target;
  memcpy(hidden(second), &wanted, sizeof wanted);
  for (int i = 0; i < 3; ++i) block_of(size);
}

// To the block handed out next but one, so that the spoilt link lies deep in the list.
void write_deep_to_freed(size_t size) {
  char* blocks[6];
  for (char*& block : blocks) block = block_of(size);
  for (char* block : blocks) free(block);
  hidden(blocks[2])[3] ^= 1;
  for (int i = 0; i < 6; ++i) block_of(size);
}

template <size_t kBeyond>
void write_past_end(size_t size) {
  char* block = block_of(size);
  block[size + kBeyond] ^= 1;
  free(block);
}

void write_zero_past_end(size_t size) {
  char* block = block_of(size);
  for (size_t i = 0; i < 8; ++i) block[size + i] = 0;
  free(block);
}

void write_past_end_then_realloc(size_t size) {
  char* block = block_of(size);
  block[size] ^= 1;
  free(realloc(block, size + 1));
}

void write_past_calloc(size_t size) {
  auto* block = hidden(static_cast<char*>(calloc(size, 1)));
  block[size] ^= 1;
  free(block);
}

void write_past_aligned(size_t size) {
  const size_t whole = (size + 63) / 64 * 64;
  auto* block = hidden(static_cast<char*>(aligned_alloc(64, whole)));
  block[whole] ^= 1;
  free(block);
}

void write_past_realloc(size_t size) {
  auto* block = hidden(static_cast<char*>(realloc(malloc(size + 20), size)));
  block[size] ^= 1;
  free(block);
}

// Sized frees.

void sized_delete_larger(size_t size) {
  void* block = ::operator new(size);
  ::operator delete(hidden(block), size + 1);
}

void sized_delete_smaller(size_t size) {
  void* block = ::operator new[](size + 16);
  ::operator delete[](hidden(block), size);
}

void sized_aligned_delete(size_t size) {
  void* block = ::operator new (size, std::align_val_t{64});
  ::operator delete (hidden(block), size + 64, std::align_val_t{64});
}

void sized_free(size_t size) {
  provided_function<void(void*, size_t)>("free_sized")(block_of(size), size + 8);
}

// Guarded blocks: the children start anew with HZ3_GUARD_EVERY=1.

void guarded_read_past(size_t size) {
  for (int i = 0; i < 2; ++i) {  // one of two lies at the end of its page
    char* block = block_of(size);
    volatile char* end = block + (size + 15) / 16 * 16;
    (void)*end;
  }
}

void guarded_read_before(size_t size) {
  for (int i = 0; i < 2; ++i) {  // and one at the start
    volatile char* block = block_of(size);
    (void)*(block - 1);
  }
}

void guarded_use_after_free(size_t size) {
  char* block = block_of(size);
  free(block);
  hidden(block)[0] = 1;
}

void guarded_free_twice(size_t size) {
  char* block = block_of(size);
  free(block);
  free(hidden(block));
}

void guarded_free_inside(size_t size) {
  char* block = block_of(size);
  free(hidden(block + size / 2));
}

void guarded_write_past(size_t size) {
  char* block = block_of(size);
  block[size] ^= 1;
  free(block);
}

void guarded_sized_delete(size_t size) {
  ::operator delete(static_cast<void*>(block_of(size)), size + 1);
}

struct Case {
  const char* name;
  void (*misuse)(size_t);
  const char* says;
  size_t least, most;  // sizes it is tried with; both 0: none
  bool with_large;     // and a large block
  bool guarded = false;
};

constexpr size_t kNo = 0;
constexpr size_t kMost = 200000;

constexpr Case kCases[] = {
    {"free_twice", free_twice, "double free", 1, 65536, false},
    {"free_twice_deep", free_twice_deep, "double free", 1, 3000, false},
    {"free_twice_in_two_threads", free_twice_in_two_threads, "double free", 1, 65536, false},
    {"free_twice_after_the_thread", free_twice_after_the_thread, "double free", 1, 3000, false},
    {"free_inside", free_inside, "invalid free", 24, kMost, true},
    {"free_misaligned", free_misaligned, "invalid free: misaligned", 1, 3000, false},
    {"realloc_inside", realloc_inside, "invalid", 24, kMost, true},
    {"usable_size_inside", usable_size_inside, "hz3: ", 24, kMost, true},
    {"free_what_never_was", free_what_never_was, "invalid free", 24, 1000, false},
    {"free_stack", free_stack, "invalid free: pointer to the stack", kNo, kNo, false},
    {"free_stack_in_a_thread", free_stack_in_a_thread, "invalid free: pointer to the stack", kNo,
     kNo, false},
    {"free_static", free_static, "invalid free: pointer to static data", kNo, kNo, false},
    {"free_mapped", free_mapped, "invalid free: foreign pointer", kNo, kNo, false},
    {"realloc_mapped", realloc_mapped, "invalid free: foreign pointer", kNo, kNo, false},
    {"write_to_freed_first_byte", write_to_freed<0, 1>, "write to a freed block", 1, 65536, false},
    {"write_to_freed_last_byte", write_to_freed<7, 1>, "write to a freed block", 1, 65536, false},
    {"write_to_freed_word", write_to_freed<0, 8>, "write to a freed block", 1, 65536, false},
    {"write_own_address_to_freed", write_own_address_to_freed, "write to a freed block", 1, 65536,
     false},
    {"write_deep_to_freed", write_deep_to_freed, "write to a freed block", 1, 3000, false},
    {"write_past_end", write_past_end<0>, "write past the end", 1, kMost, true},
    {"write_past_end_by_two", write_past_end<1>, "write past the end", 1, kMost, true},
    {"write_zero_past_end", write_zero_past_end, "write past the end", 1, kMost, true},
    {"write_past_end_then_realloc", write_past_end_then_realloc, "write past the end", 1, kMost,
     true},
    {"write_past_calloc", write_past_calloc, "write past the end", 1, kMost, true},
    {"write_past_aligned", write_past_aligned, "write past the end", 1, kMost, true},
    {"write_past_realloc", write_past_realloc, "write past the end", 1, kMost, true},
    {"sized_delete_larger", sized_delete_larger, "mismatched sized free", 1, kMost, true},
    {"sized_delete_smaller", sized_delete_smaller, "mismatched sized free", 1, kMost, true},
    {"sized_aligned_delete", sized_aligned_delete, "mismatched sized free", 1, kMost, true},
    {"sized_free", sized_free, "mismatched sized free", 1, kMost, true},
    {"guarded_read_past", guarded_read_past, "access past the end", 16, 3000, false, true},
    {"guarded_read_before", guarded_read_before, "access", 16, 3000, false, true},
    {"guarded_use_after_free", guarded_use_after_free, "use of a freed block", 1, 3000, false,
     true},
    {"guarded_free_twice", guarded_free_twice, "double free", 1, 3000, false, true},
    {"guarded_free_inside", guarded_free_inside, "invalid free", 24, 3000, false, true},
    {"guarded_write_past", guarded_write_past, "past the end", 1, 100, false, true},
    {"guarded_sized_delete", guarded_sized_delete, "mismatched sized free", 1, 3000, false, true},
};

// One line of hz3's, with the pointer, and the class and run or what stands for them.
bool is_full_line(const char* output) {
  const char* line = strstr(output, "hz3: ");
  if (line == nullptr || strchr(line, '\n') == nullptr || strstr(line + 1, "hz3: ") != nullptr)
    return false;
  const bool placed =
      (strstr(line, "class of ") != nullptr && strstr(line, "run at ") != nullptr) ||
      strstr(line, "large block of ") != nullptr || strstr(line, "guarded block of ") != nullptr ||
      strstr(line, "no block") != nullptr || strstr(line, "no run") != nullptr ||
      strstr(line, "outside the heap") != nullptr;
  return strstr(line, "pointer 0x") != nullptr && placed;
}

int start_anew(const Case& tested, size_t size) {
  char text[32];
  snprintf(text, sizeof text, "%zu", size);
  setenv("HZ3_GUARD_EVERY", "1", 1);
  execl("/proc/self/exe", "misuse", "--once", tested.name, text, nullptr);
  return 3;
}

void run_case(const Case& tested, size_t size) {
  const ChildEnd end = run_child(
      [&] {
        if (tested.guarded) return start_anew(tested, size);
        tested.misuse(size);
        return 0;
      },
      20, true);
  CHECK(!end.exited && end.status == SIGABRT,
        "%s of %zu bytes: ended with %s %d, want abort; said: %s", tested.name, size, end.how(),
        end.status, end.output);
  CHECK(strstr(end.output, tested.says) != nullptr && is_full_line(end.output),
        "%s of %zu bytes: want a line with \"%s\"; said: %s", tested.name, size, tested.says,
        end.output);
}

void run_all_sizes(const Case& tested) {
  if (tested.most == 0) return run_case(tested, 0);
  for (const size_t size : kSizes) {
    if (size >= tested.least && size <= tested.most) run_case(tested, size);
  }
  if (tested.with_large) run_case(tested, kLarge);
}

// Everything that is allowed, with every byte of every block in use.
bool honest() {
  constexpr size_t kCount = 300;
  struct Held {
    void* block;
    size_t size;
  };
  auto* held = map_array<Held>(kCount);
  Rng rng(5);
  for (int round = 0; round < 60000; ++round) {
    Held& slot = held[rng.below(kCount)];
    const size_t size = rng.log_uniform(1, rng.one_in(200) ? 4 << 20 : 9000);
    if (slot.block == nullptr) {
      const size_t whole = (size + 127) / 128 * 128;
      switch (rng.below(5)) {
        case 0:
          slot = {calloc(1, size), size};
          break;
        case 1:
          slot = {aligned_alloc(128, whole), whole};
          break;
        case 2:
          slot = {::operator new(size), size};
          break;
        default:
          slot = {malloc(size), size};
          break;
      }
    } else if (rng.one_in(3)) {
      slot = {realloc(slot.block, size), size};
    } else {
      if (malloc_usable_size(slot.block) < slot.size) return false;
      rng.one_in(2) ? ::operator delete(slot.block, slot.size) : free(slot.block);
      slot = {nullptr, 0};
    }
    if (slot.block != nullptr) memset(slot.block, round, slot.size);
  }
  for (size_t i = 0; i < kCount; ++i) free(held[i].block);
  return true;
}

bool honest_with_guards() {
  if (hz3_knob_set != nullptr) hz3_knob_set("guard_every", 7);
  return honest();
}

}  // namespace

int main(int argc, char** argv) {
  const rlimit no_core{0, 0};  // the children are meant to abort
  setrlimit(RLIMIT_CORE, &no_core);
  if (argc == 4 && strcmp(argv[1], "--once") == 0) {
    for (int i = 0; i < 2; ++i)
      free(hidden(malloc(1)));  // a thread's first request is never guarded
    for (const Case& tested : kCases) {
      if (strcmp(argv[2], tested.name) == 0) tested.misuse(strtoull(argv[3], nullptr, 10));
    }
    return 0;
  }
  int ran = 0;
  for (const Case& tested : kCases) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || strcmp(argv[i], tested.name) == 0;
    if (!wanted) continue;
    run_all_sizes(tested);
    ++ran;
  }
  if (ran < argc - 1 || ran == 0) {
    say("usage: misuse [CASE...]; the cases are:");
    for (const Case& tested : kCases) say("  %s", tested.name);
    return 2;
  }
  for (bool (*use)() : {honest, honest_with_guards}) {
    const ChildEnd end = run_child([&] { return use() ? 0 : 1; }, 60, true);
    CHECK(end.ok(), "honest use ended with %s %d; said: %s", end.how(), end.status, end.output);
  }
  return verdict();
}
