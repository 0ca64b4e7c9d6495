// Pointers that are not ours: blocks that another allocator handed out before, or besides, this
// one. They are never dereferenced; they go to the next definition of the function in the search
// order, which is usually the C library's. Found with dlsym at first need, on a path that is never
// hot. A pointer to nothing at all (a block whose addresses went back to the system, freed again)
// stops the program here, with a line that says so, rather than there.
#pragma once

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include <cstddef>

#include "os/fatal.hpp"
#include "os/pages.hpp"

namespace hz3 {

namespace detail {

template <typename Function>
Function* next_definition(const char* name, void* p) {
  if (!os::is_mapped(p, 1)) fatal("pointer to memory that is not mapped", p);
  void* found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) fatal("pointer of no known allocator", p);
  return reinterpret_cast<Function*>(found);
}

}  // namespace detail

// Says why a pointer outside the heap cannot be a block of the next allocator's either; nullptr if
// it may be one. It cannot be if the C library's own heap was never used; of one that was, its
// owner says what is wrong. The stack, for the words only: between here and the thread's
// descriptor, which the C library puts at its end, or, of the first thread, above here.
[[gnu::cold, gnu::noinline]] inline const char* why_nobodys(void* p) {
  using Ask = struct mallinfo2();
  auto* ask = reinterpret_cast<Ask*>(::dlsym(RTLD_NEXT, "mallinfo2"));
  if (ask == nullptr) return nullptr;
  const struct mallinfo2 next = ask();
  if (next.arena != 0 || next.hblkhd != 0) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const auto descriptor = static_cast<std::uintptr_t>(::pthread_self());
  if (address >= here && (descriptor < here || address < descriptor))
    return "invalid free: pointer to the stack";
  Dl_info object{};
  if (::dladdr(p, &object) != 0) return "invalid free: pointer to static data";
  return "invalid free: foreign pointer, of no allocator";
}

[[gnu::cold, gnu::noinline]] inline void free_foreign(void* p) {
  detail::next_definition<void(void*)>("free", p)(p);
}

[[gnu::cold, gnu::noinline]] inline void* realloc_foreign(void* p, std::size_t size) {
  return detail::next_definition<void*(void*, std::size_t)>("realloc", p)(p, size);
}

[[gnu::cold, gnu::noinline]] inline std::size_t usable_size_foreign(void* p) {
  return detail::next_definition<std::size_t(void*)>("malloc_usable_size", p)(p);
}

}  // namespace hz3
