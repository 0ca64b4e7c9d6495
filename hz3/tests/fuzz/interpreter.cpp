#include "interpreter.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "../support/check.h"
#include "hz3/hz3.h"

namespace hz3_test {

namespace {

// Seven sizes in eight are below 32 KiB, the others below 16 MiB: large blocks cost page faults,
// and the paths of small ones are the longer story.
constexpr unsigned kSmallShifts = 15;
constexpr unsigned kAllShifts = 24;
constexpr unsigned kMaxAlignmentShift = 21;
// Beyond this much live memory a program gets small blocks only.
constexpr size_t kByteBudget = size_t{32} << 20;
constexpr size_t kAlwaysFull = 16 << 10;

enum : uint8_t { kMalloc, kCalloc, kAligned, kWaysToMake };

}  // namespace

FuzzBlock Exchange::swap(size_t place, const FuzzBlock& given) {
  pthread_mutex_lock(&lock_);
  FuzzBlock& stored = blocks_[place % kPlaces];
  const FuzzBlock old = stored;
  stored = given;
  pthread_mutex_unlock(&lock_);
  return old;
}

void Exchange::release_all() {
  for (FuzzBlock& block : blocks_) {
    hz3_free(block.address);
    block = FuzzBlock{};
  }
}

void Interpreter::stop(const char* format, ...) const {
  char text[600];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  say("FAIL fuzz: %s, at byte %zu: %s", name_, at_, text);
  abort();
}

uint8_t Interpreter::byte() { return at_ < length_ ? program_[at_++] : 0; }

// Octave and place in it: small and large sizes are equally easy to reach for a mutation.
size_t Interpreter::size_operand() {
  const uint8_t code = byte();
  const unsigned shift = code < 224 ? code % kSmallShifts : code % kAllShifts;
  const size_t octave = size_t{1} << shift;
  const size_t size = octave + octave * byte() / 256;
  return live_bytes_ + size > kByteBudget ? 1 + size % 4096 : size;
}

void Interpreter::check(const FuzzBlock& block, const char* when) const {
  const Mismatch wrong = verify(block.address, block.size, block.pattern);
  if (wrong.found) {
    stop("%s: block %lu at %p (%zu bytes) holds %#lx at offset %zu, want %#lx", when,
         block.pattern.id, static_cast<const void*>(block.address), block.size, wrong.seen,
         wrong.offset, wrong.expected);
  }
}

// Enters a block the allocator just gave into the shadow.
void Interpreter::adopt(FuzzBlock& slot, void* address, size_t size, size_t alignment) {
  if (address == nullptr) stop("allocation of %zu bytes failed, errno %d", size, errno);
  if (!aligned_to(address, alignment)) {
    stop("block of %zu bytes at %p is not aligned to %zu", size, address, alignment);
  }
  if (hz3_usable_size(address) < size) {
    stop("block of %zu bytes at %p has %zu usable", size, address, hz3_usable_size(address));
  }
  const uint64_t id = next_id_++;
  slot = {static_cast<unsigned char*>(address), size, {id, size > kAlwaysFull && id % 8 != 0}};
  live_bytes_ += size;
  fill(address, size, slot.pattern);
}

void Interpreter::make(FuzzBlock& slot, uint8_t how) {
  const size_t size = size_operand();
  switch (how % kWaysToMake) {
    case kMalloc:
      adopt(slot, hz3_malloc(size), size, 16);
      break;
    case kCalloc: {
      void* address = hz3_calloc(1, size);
      if (address != nullptr && first_nonzero(address, size) != size) {
        stop("calloc of %zu bytes at %p is not zero", size, address);
      }
      adopt(slot, address, size, 16);
      break;
    }
    default: {
      const uint8_t code = byte();
      const unsigned shifts = code < 224 ? kSmallShifts : kMaxAlignmentShift + 1;
      const size_t alignment = size_t{1} << code % shifts;
      const size_t rounded = (size + alignment - 1) / alignment * alignment;
      adopt(slot, hz3_aligned_alloc(alignment, rounded), rounded, alignment);
      break;
    }
  }
}

// Blocks of one size in every empty slot: fills runs to the brim.
void Interpreter::make_many(uint8_t count) {
  const size_t size = size_operand() % 40000 + 1;
  for (FuzzBlock& slot : slots_) {
    if (count-- == 0) return;
    if (slot.address == nullptr) adopt(slot, hz3_malloc(size), size, 16);
  }
}

void Interpreter::resize(FuzzBlock& slot) {
  if (slot.address == nullptr) return;
  check(slot, "before realloc");
  const size_t size = size_operand();
  void* address = hz3_realloc(slot.address, size);
  if (address == nullptr) stop("realloc from %zu to %zu bytes failed", slot.size, size);
  const size_t kept = slot.size < size ? slot.size : size;
  live_bytes_ += size - slot.size;
  slot.address = static_cast<unsigned char*>(address);
  slot.size = size;
  FuzzBlock prefix = slot;
  prefix.size = kept;
  check(prefix, "after realloc");
  if (hz3_usable_size(address) < size) stop("realloc to %zu gave fewer bytes", size);
  fill(address, size, slot.pattern, kept);
}

void Interpreter::release(FuzzBlock& slot) {
  if (slot.address == nullptr) return;
  check(slot, "on free");
  live_bytes_ -= slot.size;
  errno = 321;
  hz3_free(slot.address);
  if (errno != 321) stop("free changed errno to %d", errno);
  slot = FuzzBlock{};
}

void Interpreter::release_all() {
  for (FuzzBlock& slot : slots_) release(slot);
}

void Interpreter::step() {
  const uint8_t code = byte();
  switch (code % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: {
      FuzzBlock& slot = slot_operand();
      release(slot);
      make(slot, code % 16 == 3 ? kCalloc : code % 16 == 4 ? kAligned : kMalloc);
      break;
    }
    case 5:
    case 6:
    case 7:
      release(slot_operand());
      break;
    case 8:
    case 9:
      resize(slot_operand());
      break;
    case 10:
      if (const FuzzBlock& slot = slot_operand(); slot.address != nullptr)
        check(slot, "while alive");
      break;
    case 11:
      make_many(byte());
      break;
    case 12:
    case 13: {
      FuzzBlock& slot = slot_operand();
      live_bytes_ -= slot.size;
      slot = exchange_.swap(byte(), slot);
      live_bytes_ += slot.size;
      if (slot.address != nullptr) check(slot, "on receipt");
      break;
    }
    case 14:
      hz3_epoch_force();
      break;
    default:
      if (code < 64) {
        release_all();
      } else if (code < 128) {
        hz3_trim(0);
      }
      break;
  }
}

void Interpreter::run(const uint8_t* program, size_t length) {
  program_ = program;
  length_ = length;
  at_ = 0;
  while (at_ < length_) step();
  release_all();
}

}  // namespace hz3_test
