// Batches: free blocks of one class on their way between thread caches, the store and the runs.
//
// Whoever handles a batch knows how many blocks it has and can take them out and put them in one by
// one; how the blocks are remembered is this file's business. Today they are linked through their
// first word, so a batch is two words and of any size. The central store, which names blocks under
// a lock without touching them, builds batches from links (`of_linked`).
#pragma once

#include <cstdint>

#include "heap/link.hpp"

namespace hz3 {

class Batch {
 public:
  static constexpr std::uint32_t kMost = UINT32_MAX;  // blocks that fit one batch

  Batch() = default;
  // Blocks linked already; the last one links to nullptr.
  static Batch of_linked(void* first, std::uint32_t count) {
    Batch batch;
    batch.first_ = first;
    batch.count_ = count;
    return batch;
  }
  static Batch of_one(void* block) {
    link_of(block) = nullptr;
    return of_linked(block, 1);
  }

  bool empty() const { return first_ == nullptr; }
  std::uint32_t count() const { return count_; }
  void push(void* block) {
    link_of(block) = first_;
    first_ = block;
    ++count_;
  }
  // The batch must not be empty.
  void* pop() {
    void* block = first_;
    first_ = link_of(block);
    --count_;
    return block;
  }
  // All the blocks as a list, for a bin that remembers its own so.
  void* release_linked() {
    void* first = first_;
    *this = {};
    return first;
  }

 private:
  void* first_ = nullptr;
  std::uint32_t count_ = 0;
};

}  // namespace hz3
