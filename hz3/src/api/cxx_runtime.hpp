// Functions of the C++ runtime, looked up when operator new needs one. hz3 does not link it: a C
// program it is preloaded into may have none, or get one later, with a plugin that keeps it to
// itself, so a weak reference, bound when the program starts, would not do.
//
// Cold, and nothing is remembered: what was found may be unloaded.
#pragma once

#include <dlfcn.h>

namespace hz3 {

namespace detail {

inline void* find_in_object(const char* object, int how, const char* name) {
  void* handle = ::dlopen(object, RTLD_LAZY | how);
  if (handle == nullptr) return nullptr;
  void* found = ::dlsym(handle, name);
  if (how == RTLD_NOLOAD) ::dlclose(handle);  // it was there before, and stays
  return found;
}

}  // namespace detail

// The function of that name in the object that holds the address `user`, or in one that this is
// linked with.
inline void* find_in_object_of(const void* user, const char* name) {
  Dl_info object{};
  if (::dladdr(user, &object) == 0 || object.dli_fname == nullptr) return nullptr;
  return detail::find_in_object(object.dli_fname, RTLD_NOLOAD, name);
}

// The runtime's function of that name for `user`, an address in some object: that object's own if
// it has one, the program's, or that of a runtime somebody has loaded. nullptr if there is none.
[[gnu::cold, gnu::noinline]] inline void* find_in_cxx_runtime(const char* name, const void* user) {
  if (void* found = find_in_object_of(user, name); found != nullptr) return found;
  if (void* found = ::dlsym(RTLD_DEFAULT, name); found != nullptr) return found;
  for (const char* runtime : {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"}) {
    if (void* found = detail::find_in_object(runtime, RTLD_NOLOAD, name); found != nullptr)
      return found;
  }
  return nullptr;
}

}  // namespace hz3
