// Using memory: filling objects, and finding out when a live one was changed.
//
// `fill` writes the whole object, so that its pages are resident, and marks both ends with its
// size. `check` reads the ends back before the object is freed: an allocator that purges a page
// with a live object on it, or hands the same bytes out twice, is caught here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/heap.h"

namespace workload {

// The least size fill and check work with.
inline constexpr std::size_t kLeastFilled = 16;

namespace touch_detail {
inline std::uint64_t mark_of(std::size_t bytes) { return 0xa5c3000000000000ull ^ bytes; }
}  // namespace touch_detail

inline void mark_ends(void* object, std::size_t bytes) {
  const std::uint64_t mark = touch_detail::mark_of(bytes);
  std::memcpy(object, &mark, sizeof mark);
  std::memcpy(static_cast<char*>(object) + bytes - sizeof mark, &mark, sizeof mark);
}

inline void fill(void* object, std::size_t bytes) {
  std::memset(object, 0x5a, bytes);
  mark_ends(object, bytes);
}

// Checks an object that fill or mark_ends marked; returns its size.
inline std::size_t check(const void* object) {
  std::uint64_t first, last;
  std::memcpy(&first, object, sizeof first);
  const std::size_t bytes = first ^ touch_detail::mark_of(0);
  // An unmarked head would give a wild size, so look before using it.
  if ((first >> 48) != (touch_detail::mark_of(0) >> 48)) [[unlikely]]
    object_damaged(object, 0);
  std::memcpy(&last, static_cast<const char*>(object) + bytes - sizeof last, sizeof last);
  if (last != first) [[unlikely]]
    object_damaged(object, bytes);
  return bytes;
}

// First and last byte only: what a program that uses its object at all does at least.
inline void touch_ends(void* object, std::size_t bytes) {
  volatile char* p = static_cast<char*>(object);
  p[0] = 1;
  p[bytes - 1] = 1;
}

}  // namespace workload
