// What the tests write into a block, and how they recognise it later. The word at each offset is a
// function of the block's id and the offset alone, so a block that overlaps another, was moved
// without its content, or carries an allocator's link in live memory is caught at the first wrong
// byte, and the finding says whose byte was expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "rng.h"

namespace hz3_test {

// Large blocks are written on one word in 64 bytes; the word's place depends on the id. Everything
// else is written in full.
inline constexpr size_t kSparseStep = 64;

struct Pattern {
  uint64_t id = 0;
  bool sparse = false;

  uint64_t word(size_t offset) const { return mix64(id) + offset * 0x9e3779b97f4a7c15ull; }
  size_t phase() const { return sparse ? (id % 8) * 8 : 0; }
  size_t step() const { return sparse ? kSparseStep : sizeof(uint64_t); }
};

// Writes the bytes [from, size) that belong to the pattern. `from` 0 is the whole block; a realloc
// that keeps its prefix fills from the old size on.
inline void fill(void* block, size_t size, const Pattern& pattern, size_t from = 0) {
  auto* bytes = static_cast<unsigned char*>(block);
  const size_t step = pattern.step();
  const size_t skipped = from < sizeof(uint64_t) ? 0 : (from - sizeof(uint64_t)) / step * step;
  size_t at = pattern.phase() + skipped;
  for (; at + sizeof(uint64_t) <= size; at += step) {
    const uint64_t word = pattern.word(at);
    memcpy(bytes + at, &word, sizeof word);
  }
  if (at < size) {
    const uint64_t word = pattern.word(at);
    memcpy(bytes + at, &word, size - at);
  }
}

struct Mismatch {
  bool found = false;
  size_t offset = 0;
  uint64_t expected = 0;
  uint64_t seen = 0;
};

// Reads back the bytes [0, size) of the pattern; reports the first word that differs.
inline Mismatch verify(const void* block, size_t size, const Pattern& pattern) {
  const auto* bytes = static_cast<const unsigned char*>(block);
  const size_t step = pattern.step();
  size_t at = pattern.phase();
  for (; at + sizeof(uint64_t) <= size; at += step) {
    uint64_t seen;
    memcpy(&seen, bytes + at, sizeof seen);
    if (seen != pattern.word(at)) return {true, at, pattern.word(at), seen};
  }
  if (at < size) {
    uint64_t expected = pattern.word(at);
    uint64_t seen = expected;
    memcpy(&seen, bytes + at, size - at);
    if (seen != expected) return {true, at, expected, seen};
  }
  return {};
}

// Offset of the first byte that is not zero, or `size` when all are.
inline size_t first_nonzero(const void* block, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(block);
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, bytes + at, sizeof word);
    if (word != 0) break;
  }
  for (; at < size; ++at) {
    if (bytes[at] != 0) return at;
  }
  return size;
}

inline bool aligned_to(const void* pointer, size_t alignment) {
  return (reinterpret_cast<uintptr_t>(pointer) & (alignment - 1)) == 0;
}

}  // namespace hz3_test
