// A library to be preloaded behind the allocator, so that its constructor runs before the
// allocator's and, as it does not allocate itself, before the allocator's first slow path.
// TEST_EARLY says what it does there:
//   keys      uses up all keys of pthread_key_create
//   handlers  registers more pthread_atfork handlers than the C library has room for without
//             allocating; each of them uses the heap, the child's ones before any later handler
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace {

constexpr int kHandlers = 60;

void use_heap() {
  // More than a cache holds, of small blocks, runs and large blocks.
  void* blocks[300];
  for (size_t i = 0; i < 300; ++i)
    blocks[i] = malloc(i % 3 == 0 ? 100 : i % 100 == 1 ? 2 << 20 : i * 100);
  for (void* block : blocks) free(block);
}

__attribute__((constructor)) void on_load() {
  const char* wish = getenv("TEST_EARLY");
  if (wish == nullptr) return;
  if (strcmp(wish, "keys") == 0) {
    pthread_key_t key;
    while (pthread_key_create(&key, nullptr) == 0) {
    }
  } else if (strcmp(wish, "handlers") == 0) {
    for (int i = 0; i < kHandlers; ++i) {
      if (pthread_atfork(i == 0 ? use_heap : nullptr, nullptr, i == 0 ? use_heap : nullptr) != 0)
        _exit(3);
    }
  } else {
    _exit(3);
  }
}

}  // namespace
