// The fuzzer's language: a string of bytes is a program of heap operations, run on the hz3_ API
// against a shadow that knows every block's size, alignment and content. Any string is a valid
// program, so that a coverage-guided fuzzer can mutate freely; a short string is a short program,
// so that it can shrink a finding. A wrong answer prints one line and aborts.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>

#include "../support/pattern.h"

namespace hz3_test {

struct FuzzBlock {
  unsigned char* address = nullptr;
  size_t size = 0;
  Pattern pattern;
};

// Where programs that run at once hand each other blocks.
class Exchange {
 public:
  // Stores `given` and returns what was there.
  FuzzBlock swap(size_t place, const FuzzBlock& given);
  void release_all();

 private:
  static constexpr size_t kPlaces = 64;
  pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
  FuzzBlock blocks_[kPlaces];
};

class Interpreter {
 public:
  // `name` stands in a finding; ids of blocks begin at `first_id`.
  Interpreter(const char* name, uint64_t first_id, Exchange& exchange)
      : name_(name), next_id_(first_id), exchange_(exchange) {}

  // Runs the program and frees everything it still holds.
  void run(const uint8_t* program, size_t length);

 private:
  static constexpr size_t kSlots = 128;

  uint8_t byte();
  size_t size_operand();
  FuzzBlock& slot_operand() { return slots_[byte() % kSlots]; }

  void step();
  void make(FuzzBlock& slot, uint8_t how);
  void make_many(uint8_t count);
  void resize(FuzzBlock& slot);
  void check(const FuzzBlock& block, const char* when) const;
  void adopt(FuzzBlock& slot, void* address, size_t size, size_t alignment);
  void release(FuzzBlock& slot);
  void release_all();
  [[noreturn, gnu::format(printf, 2, 3)]] void stop(const char* format, ...) const;

  const char* name_;
  uint64_t next_id_;
  Exchange& exchange_;
  const uint8_t* program_ = nullptr;
  size_t length_ = 0;
  size_t at_ = 0;
  size_t live_bytes_ = 0;
  FuzzBlock slots_[kSlots];
};

}  // namespace hz3_test
