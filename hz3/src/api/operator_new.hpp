// C++ operator new and delete, all forms. The library does not depend on the C++ runtime; the two
// functions it needs when memory runs out are looked up then (cxx_runtime.hpp).
#pragma once

#include <initializer_list>
#include <new>

#include "api/cxx_runtime.hpp"
#include "api/functions.hpp"

namespace hz3 {

using NewHandler = void (*)();

bool call_handler_without_throwing(NewHandler handler) noexcept;  // throwing_handler.cpp

namespace detail {

inline NewHandler current_new_handler(const void* caller) {
  auto* get =
      reinterpret_cast<NewHandler (*)()>(find_in_cxx_runtime("_ZSt15get_new_handlerv", caller));
  return get != nullptr ? get() : nullptr;
}

// The loop that [new.delete.single] asks for: call the handler until memory turns up or there is
// none to call. Then nullptr.
template <bool kThrows, typename Attempt>
[[gnu::noinline, gnu::cold]] void* retry_with_handler(Attempt attempt, const void* caller) {
  for (;;) {
    NewHandler handler = current_new_handler(caller);
    if (handler == nullptr) return nullptr;
    if constexpr (kThrows)
      handler();  // may throw; nothing here needs unwinding
    else if (!call_handler_without_throwing(handler))
      return nullptr;
    if (void* p = attempt(); p != nullptr) return p;
  }
}

// Objects that contain their runtime may lack the function that throws, but then have the operator
// new that this one takes the place of; of others we know nothing but that what a runtime loaded
// now throws is caught by most.
[[noreturn, gnu::noinline, gnu::cold]] inline void throw_bad_alloc(const void* caller) {
  constexpr const char* kThrower = "_ZSt17__throw_bad_allocv";
  if (void* thrower = find_in_object_of(caller, kThrower); thrower != nullptr)
    reinterpret_cast<void (*)()>(thrower)();
  auto* replaced = reinterpret_cast<void* (*)(std::size_t)>(find_in_object_of(caller, "_Znwm"));
  if (replaced != nullptr && replaced != static_cast<void* (*)(std::size_t)>(&::operator new))
    replaced(kSizeLimit + 1);
  if (void* thrower = find_in_cxx_runtime(kThrower, caller); thrower != nullptr)
    reinterpret_cast<void (*)()>(thrower)();
  if (void* thrower = find_in_object("libstdc++.so.6", 0, kThrower); thrower != nullptr)
    reinterpret_cast<void (*)()>(thrower)();
  fatal("out of memory in operator new", nullptr);
}

template <bool kThrows>
[[gnu::always_inline]] inline void* new_block(std::size_t size) {
  void* p = allocate(size);
  if (p == nullptr) [[unlikely]]
    p = retry_with_handler<kThrows>([size] { return allocate(size); }, __builtin_return_address(0));
  if constexpr (kThrows) {
    if (p == nullptr) [[unlikely]]
      throw_bad_alloc(__builtin_return_address(0));
  }
  return p;
}

template <bool kThrows>
[[gnu::always_inline]] inline void* new_aligned_block(std::size_t size, std::align_val_t align) {
  const auto alignment = static_cast<std::size_t>(align);
  void* p = allocate_aligned(alignment, size);
  if (p == nullptr) [[unlikely]]
    p = retry_with_handler<kThrows>([=] { return allocate_aligned(alignment, size); },
                                    __builtin_return_address(0));
  if constexpr (kThrows) {
    if (p == nullptr) [[unlikely]]
      throw_bad_alloc(__builtin_return_address(0));
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
HZ3_PUBLIC void operator delete(void* p, size_t n) noexcept { hz3::deallocate_sized(p, n); }
HZ3_PUBLIC void operator delete[](void* p, size_t n) noexcept { hz3::deallocate_sized(p, n); }
HZ3_PUBLIC void operator delete(void* p, const nothrow_t&) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete[](void* p, const nothrow_t&) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete(void* p, align_val_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete[](void* p, align_val_t) noexcept { hz3::deallocate(p); }
HZ3_PUBLIC void operator delete(void* p, size_t n, align_val_t) noexcept {
  hz3::deallocate_sized(p, n);
}
HZ3_PUBLIC void operator delete[](void* p, size_t n, align_val_t) noexcept {
  hz3::deallocate_sized(p, n);
}
HZ3_PUBLIC void operator delete(void* p, align_val_t, const nothrow_t&) noexcept {
  hz3::deallocate(p);
}
HZ3_PUBLIC void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept {
  hz3::deallocate(p);
}
