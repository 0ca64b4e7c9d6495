// dlopen_close PLUGIN ROUNDS: loads a library that allocates in its constructors, in thread_local
// destructors and in pthread-key destructors, uses it from threads, and unloads it, many times.
//
// dlopen_close --allocator LIBRARY ROUNDS: no preload; the allocator itself is loaded late, used
// through its hz3_ names from threads that outlive dlclose, and loaded again.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/check.h"
#include "../support/pattern.h"

namespace {

using namespace hz3_test;

constexpr int kThreads = 3;

template <typename Function>
Function* symbol(void* library, const char* name) {
  auto* function = reinterpret_cast<Function*>(dlsym(library, name));
  CHECK(function != nullptr, "%s is missing", name);
  return function;
}

void* use_plugin(void* library) {
  auto* use_thread = symbol<void()>(library, "plugin_use_thread");
  if (use_thread != nullptr) use_thread();
  return nullptr;
}

void load_use_unload(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CHECK(library != nullptr, "dlopen of %s: %s", path, dlerror());
  if (library == nullptr) return;
  pthread_t threads[kThreads];
  for (pthread_t& thread : threads) {
    CHECK(pthread_create(&thread, nullptr, use_plugin, library) == 0, "pthread_create failed");
  }
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  auto* complain = symbol<const char*(int)>(library, "plugin_complaint");
  const char* complaint = complain != nullptr ? complain(kThreads) : nullptr;
  CHECK(complaint == nullptr, "%s", complaint);
  CHECK(dlclose(library) == 0, "dlclose: %s", dlerror());
}

struct Allocator {
  void* (*allocate)(size_t) = nullptr;
  void (*release)(void*) = nullptr;
};

// A thread that touches the allocator before dlclose and ends after it.
struct Visitor {
  Allocator allocator;
  pthread_barrier_t* used = nullptr;
  pthread_barrier_t* closed = nullptr;
};

void* visit(void* argument) {
  const Visitor& visitor = *static_cast<Visitor*>(argument);
  void* blocks[200];
  for (size_t i = 0; i < 200; ++i) {
    blocks[i] = visitor.allocator.allocate(1 + i * 97);
    CHECK(blocks[i] != nullptr, "the late allocator returned null");
    fill(blocks[i], 1 + i * 97, Pattern{i, false});
  }
  for (size_t i = 0; i < 200; ++i) {
    CHECK(!verify(blocks[i], 1 + i * 97, Pattern{i, false}).found, "block %p changed", blocks[i]);
    visitor.allocator.release(blocks[i]);
  }
  pthread_barrier_wait(visitor.used);
  pthread_barrier_wait(visitor.closed);
  free(malloc(1000));
  return nullptr;
}

void visit_late_allocator(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CHECK(library != nullptr, "dlopen of %s: %s", path, dlerror());
  if (library == nullptr) return;
  pthread_barrier_t used, closed;
  pthread_barrier_init(&used, nullptr, kThreads + 1);
  pthread_barrier_init(&closed, nullptr, kThreads + 1);
  Visitor visitor{
      {symbol<void*(size_t)>(library, "hz3_malloc"), symbol<void(void*)>(library, "hz3_free")},
      &used,
      &closed};
  if (visitor.allocator.allocate == nullptr || visitor.allocator.release == nullptr) return;
  pthread_t threads[kThreads];
  for (pthread_t& thread : threads) {
    CHECK(pthread_create(&thread, nullptr, visit, &visitor) == 0, "pthread_create failed");
  }
  pthread_barrier_wait(&used);
  CHECK(dlclose(library) == 0, "dlclose: %s", dlerror());
  pthread_barrier_wait(&closed);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const bool late = argc == 4 && strcmp(argv[1], "--allocator") == 0;
  const int rounds = argc >= 3 ? atoi(argv[argc - 1]) : 0;
  if ((argc != 3 && !late) || rounds < 1) {
    say("usage: dlopen_close PLUGIN ROUNDS | dlopen_close --allocator LIBRARY ROUNDS");
    return 2;
  }
  for (int round = 0; round < rounds; ++round) {
    late ? visit_late_allocator(argv[2]) : load_use_unload(argv[1]);
  }
  return verdict();
}
