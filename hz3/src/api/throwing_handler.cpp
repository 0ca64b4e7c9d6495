// Calling a new-handler from the forms of operator new that must not throw ([new.delete.single]):
// what the handler throws is caught and means "no memory". The only file of hz3 that is compiled
// with exceptions. What it needs of the C++ runtime is defined here, hidden, and passes on to the
// runtime of the handler.
#include <cstdint>
#include <initializer_list>

#include "api/cxx_runtime.hpp"

namespace hz3 {

using NewHandler = void (*)();

namespace {

using Personality = int(int, int, std::uint64_t, void*, void*);
using BeginCatch = void*(void*);
using EndCatch = void();

// Of the last handler called; those of two runtimes in a process understand each other's
// exceptions.
Personality* g_personality = nullptr;
BeginCatch* g_begin_catch = nullptr;
EndCatch* g_end_catch = nullptr;

template <typename Function>
bool find(Function*& function, const char* name, NewHandler handler) {
  auto* found = reinterpret_cast<Function*>(
      find_in_cxx_runtime(name, reinterpret_cast<const void*>(handler)));
  __atomic_store_n(&function, found, __ATOMIC_RELAXED);
  return found != nullptr;
}

}  // namespace

// False if the handler threw.
bool call_handler_without_throwing(NewHandler handler) noexcept;

bool call_handler_without_throwing(NewHandler handler) noexcept {
  if (!find(g_personality, "__gxx_personality_v0", handler) ||
      !find(g_begin_catch, "__cxa_begin_catch", handler) ||
      !find(g_end_catch, "__cxa_end_catch", handler))
    return false;
  try {
    handler();
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace hz3

// The compiler knows two of these functions and would export them.
asm(".hidden __gxx_personality_v0\n.hidden __cxa_begin_catch\n.hidden __cxa_end_catch");

extern "C" {
int __gxx_personality_v0(int version, int actions, std::uint64_t kind, void* exception,
                         void* context) {
  return __atomic_load_n(&hz3::g_personality, __ATOMIC_RELAXED)(version, actions, kind, exception,
                                                                context);
}
void* __cxa_begin_catch(void* exception) noexcept {
  return __atomic_load_n(&hz3::g_begin_catch, __ATOMIC_RELAXED)(exception);
}
void __cxa_end_catch() { __atomic_load_n(&hz3::g_end_catch, __ATOMIC_RELAXED)(); }
}
