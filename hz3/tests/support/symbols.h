// Finds members of the malloc family at run time and says which object provides them. Preloading
// an allocator that lacks, say, pvalloc leaves libc's in place, and its blocks would then be freed
// into the wrong allocator; a test therefore asks first whether a name and malloc come from the
// same object.
#pragma once

#include <dlfcn.h>

#include <cstring>

namespace hz3_test {

inline const char* object_of(void* function) {
  Dl_info info{};
  if (function == nullptr || dladdr(function, &info) == 0 || info.dli_fname == nullptr) return "";
  return info.dli_fname;
}

// The allocator under test: the object that malloc resolves to.
inline const char* allocator_object() { return object_of(dlsym(RTLD_DEFAULT, "malloc")); }

inline bool provided(const char* name) {
  const char* object = object_of(dlsym(RTLD_DEFAULT, name));
  return object[0] != '\0' && strcmp(object, allocator_object()) == 0;
}

// The function of that name if the allocator under test itself provides it, else null.
template <typename Function>
Function* provided_function(const char* name) {
  return provided(name) ? reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name)) : nullptr;
}

// libc's own function behind the allocator under test; null when libc has none of that name.
template <typename Function>
Function* libc_function(const char* name) {
  static void* libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
  return libc != nullptr ? reinterpret_cast<Function*>(dlsym(libc, name)) : nullptr;
}

}  // namespace hz3_test
