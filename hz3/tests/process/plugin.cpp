// The library that dlopen_close loads and unloads: it allocates wherever a library can. In its
// constructors, in thread_local objects and their destructors, and in the destructor of a pthread
// key, which runs after the C++ ones and asks to be run again, so that the last rounds happen when
// the allocator has long torn its own per-thread state down.
#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

namespace {

constexpr int kKeyRounds = 3;

struct Counters {
  int constructed = 0;
  int thread_objects_ended = 0;
  int key_rounds = 0;
  int broken = 0;
};
Counters g_counters;

void* g_kept[100];
pthread_key_t g_key;

struct ThreadObject {
  std::map<int, std::string> strings;
  ~ThreadObject() {
    // Allocation inside a thread_local destructor, and the release of what the thread made.
    std::string last(3000, 'x');
    for (auto& [number, text] : strings) {
      if (text != std::string(static_cast<size_t>(number) % 300, 'a')) ++g_counters.broken;
    }
    ++g_counters.thread_objects_ended;
  }
};
thread_local ThreadObject t_object;

struct KeyValue {
  int rounds = 0;
  char* text = nullptr;
};

void end_of_key(void* value) {
  auto* state = static_cast<KeyValue*>(value);
  ++g_counters.key_rounds;
  if (strlen(state->text) != 4999) ++g_counters.broken;
  free(state->text);
  if (++state->rounds == kKeyRounds) {
    free(state);
    return;
  }
  state->text = static_cast<char*>(malloc(5000));
  memset(state->text, 'k', 4999);
  state->text[4999] = '\0';
  for (size_t size = 1; size < (1 << 20); size *= 3) free(calloc(1, size));
  pthread_setspecific(g_key, state);
}

std::string g_long_name(10000, 'n');

__attribute__((constructor)) void on_load() {
  for (size_t i = 0; i < 100; ++i) g_kept[i] = calloc(1 + i * 50, 1);
  pthread_key_create(&g_key, end_of_key);
  g_counters.constructed = 1;
}

__attribute__((destructor)) void on_unload() {
  for (void* block : g_kept) free(block);
  pthread_key_delete(g_key);
}

}  // namespace

extern "C" void plugin_use_thread() {
  for (int i = 0; i < 500; ++i)
    t_object.strings[i] = std::string(static_cast<size_t>(i) % 300, 'a');
  auto* state = new (malloc(sizeof(KeyValue))) KeyValue();
  state->text = static_cast<char*>(malloc(5000));
  memset(state->text, 'k', 4999);
  state->text[4999] = '\0';
  pthread_setspecific(g_key, state);
}

// 0 when everything the threads so far should have done was done, else what is missing.
extern "C" const char* plugin_complaint(int threads) {
  if (g_counters.constructed != 1) return "the constructor did not run";
  if (g_long_name.size() != 10000) return "a global string is damaged";
  if (g_counters.broken != 0) return "a block lost its content";
  if (g_counters.thread_objects_ended != threads) return "thread_local destructors are missing";
  if (g_counters.key_rounds != threads * kKeyRounds) return "key destructors are missing";
  return nullptr;
}
