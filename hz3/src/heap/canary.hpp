// Boxes S332 and S333. A write past the end of a block is noticed when the block is freed or
// resized, and so is a sized delete whose size is not that of the block.
//
// HZ3_S332_CANARY. Every block is asked for eight bytes larger. The last word of a block of a run,
// or the word behind a large block, is its record: the size the program asked for, mixed with the
// process's secret and the block's address. Up to sixteen bytes between the two are filled with a
// canary. So the usable size of a block is what was asked for, and the first byte behind it is
// watched.
//
// HZ3_S333_SIZED_CHECK. free_sized, free_aligned_sized and the sized forms of operator delete must
// name the size in the record.
//
// Invariant: a live block has a whole record, from before the program gets it.
#pragma once

#include <cstring>

#include "heap/misuse.hpp"

namespace hz3 {

inline constexpr bool kHasCanary = flag::S332_CANARY;
inline constexpr std::size_t kRecordBytes = kHasCanary ? sizeof(std::uint64_t) : 0;
inline constexpr std::size_t kCanaryMost = 16;

// Bytes to ask for, for `size` of the program's. What is beyond all limits stays so.
constexpr std::size_t with_record(std::size_t size) {
  return size <= static_cast<std::size_t>(PTRDIFF_MAX) ? size + kRecordBytes : size;
}

namespace detail {

inline std::uint8_t canary_byte() { return static_cast<std::uint8_t>(os::g_secret >> 40) | 1; }

inline std::uint64_t record_of(const void* block, std::size_t size) {
  return ~(os::g_secret ^ reinterpret_cast<std::uintptr_t>(block)) ^ size;
}

// Bytes of a block's canary.
inline std::size_t canary_bytes(std::size_t size, std::size_t room) {
  return room - size < kCanaryMost ? room - size : kCanaryMost;
}

inline void write_record(void* block, std::size_t size, std::size_t room) {
  char* bytes = static_cast<char*>(block);
  std::memset(bytes + size, canary_byte(), canary_bytes(size, room));
  const std::uint64_t record = record_of(block, size);
  std::memcpy(bytes + room, &record, sizeof record);
}

// The size of a block that has `room` bytes before its record, after a look at both. SIZE_MAX if
// something wrote there.
inline std::size_t read_record(const void* block, std::size_t room) {
  const char* bytes = static_cast<const char*>(block);
  std::uint64_t record = 0;
  std::memcpy(&record, bytes + room, sizeof record);
  const std::uint64_t size = record ^ record_of(block, 0);
  if (size > room) return SIZE_MAX;
  const std::size_t gap = canary_bytes(size, room);
  const auto canary = static_cast<char>(canary_byte());
  for (std::size_t i = 0; i < gap; ++i) {
    if (bytes[size + i] != canary) return SIZE_MAX;
  }
  return size;
}

inline std::size_t checked_size(void* block, std::size_t room) {
  const std::size_t size = read_record(block, room);
  if (size == SIZE_MAX) [[unlikely]]
    stop_misuse("write past the end of a block", block);
  return size;
}

}  // namespace detail

// Writes the record of a block the program is about to get; nullptr stays nullptr.
inline void* seal(void* block, std::size_t size) {
  if constexpr (kHasCanary) {
    if (block == nullptr) return nullptr;
    const std::uint32_t c = class_of_pointer(block);
    const std::size_t large = size == 0 ? 1 : size;  // an aligned block of no bytes has one
    detail::write_record(block, size, c != 0 ? kSizeClasses[c].size - kRecordBytes : large);
  }
  return block;
}

// Bytes the program may use of a block of class c, or of a large one; stops if it used more.
inline std::size_t size_in_run(void* block, std::uint32_t c) {
  if constexpr (!kHasCanary) return kSizeClasses[c].size;
  return detail::checked_size(block, kSizeClasses[c].size - kRecordBytes);
}
inline std::size_t size_of_large(const LargeBlock& large, void* block) {
  if constexpr (!kHasCanary) return large.usable();
  const std::size_t room = large.head->size - kRecordBytes;
  const std::size_t size = detail::checked_size(block, room);
  if (size != room && room != 1) stop_misuse("write past the end of a block", block);
  return size;
}

}  // namespace hz3
