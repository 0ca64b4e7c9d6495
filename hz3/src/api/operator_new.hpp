// C++ operator new and delete, all forms. The library must not depend on the C++ runtime, which a C
// program it is preloaded into does not have; the two functions it needs when memory runs out are
// weak references, present exactly when the program is C++.
#pragma once

#include <new>

#include "api/functions.hpp"

namespace std {
[[gnu::weak]] void __throw_bad_alloc();  // libstdc++
}

namespace hz3 {

using NewHandler = void (*)();
extern "C" [[gnu::weak]] NewHandler get_new_handler_weak() __asm__("_ZSt15get_new_handlerv");

bool call_handler_without_throwing(NewHandler handler) noexcept;  // throwing_handler.cpp

namespace detail {

// The loop that [new.delete.single] asks for: call the handler until memory turns up or there is
// none to call. Then nullptr.
template <bool kThrows, typename Attempt>
[[gnu::noinline, gnu::cold]] void* retry_with_handler(Attempt attempt) {
  for (;;) {
    NewHandler handler = get_new_handler_weak != nullptr ? get_new_handler_weak() : nullptr;
    if (handler == nullptr) return nullptr;
    if constexpr (kThrows)
      handler();  // may throw; nothing here needs unwinding
    else if (!call_handler_without_throwing(handler))
      return nullptr;
    if (void* p = attempt(); p != nullptr) return p;
  }
}

[[noreturn, gnu::noinline, gnu::cold]] inline void throw_bad_alloc() {
  if (std::__throw_bad_alloc != nullptr) std::__throw_bad_alloc();
  fatal("out of memory in operator new", nullptr);
}

template <bool kThrows>
void* new_block(std::size_t size) {
  void* p = allocate(size);
  if (p == nullptr) [[unlikely]]
    p = retry_with_handler<kThrows>([size] { return allocate(size); });
  if constexpr (kThrows) {
    if (p == nullptr) [[unlikely]]
      throw_bad_alloc();
  }
  return p;
}

template <bool kThrows>
void* new_aligned_block(std::size_t size, std::align_val_t align) {
  const auto alignment = static_cast<std::size_t>(align);
  void* p = allocate_aligned(alignment, size);
  if (p == nullptr) [[unlikely]]
    p = retry_with_handler<kThrows>([=] { return allocate_aligned(alignment, size); });
  if constexpr (kThrows) {
    if (p == nullptr) [[unlikely]]
      throw_bad_alloc();
  }
  return p;
}

}  // namespace detail
}  // namespace hz3

using std::align_val_t;
using std::nothrow_t;
using std::size_t;

HZ3_PUBLIC void* operator new(size_t n) { return hz3::detail::new_block<true>(n); }
HZ3_PUBLIC void* operator new[](size_t n) { return hz3::detail::new_block<true>(n); }
HZ3_PUBLIC void* operator new(size_t n, const nothrow_t&) noexcept {
  return hz3::detail::new_block<false>(n);
}
HZ3_PUBLIC void* operator new[](size_t n, const nothrow_t&) noexcept {
  return hz3::detail::new_block<false>(n);
}
HZ3_PUBLIC void* operator new(size_t n, align_val_t a) {
  return hz3::detail::new_aligned_block<true>(n, a);
}
HZ3_PUBLIC void* operator new[](size_t n, align_val_t a) {
  return hz3::detail::new_aligned_block<true>(n, a);
}
HZ3_PUBLIC void* operator new(size_t n, align_val_t a, const nothrow_t&) noexcept {
  return hz3::detail::new_aligned_block<false>(n, a);
}
HZ3_PUBLIC void* operator new[](size_t n, align_val_t a, const nothrow_t&) noexcept {
  return hz3::detail::new_aligned_block<false>(n, a);
}

HZ3_PUBLIC void operator delete(void* p) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete[](void* p) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete(void* p, size_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete[](void* p, size_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete(void* p, const nothrow_t&) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete[](void* p, const nothrow_t&) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete(void* p, align_val_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete[](void* p, align_val_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete(void* p, size_t, align_val_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete[](void* p, size_t, align_val_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete(void* p, align_val_t, const nothrow_t&) noexcept {
  hz3::deallocate(p);
}
HZ3_PUBLIC void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept {
  hz3::deallocate(p);
}
