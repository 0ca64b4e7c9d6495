// Batches: free blocks of one class on their way between thread caches, the store and the runs.
//
// Whoever handles a batch knows how many blocks it has and can take them out and put them in one by
// one; how the blocks are remembered is this file's business. A ListBatch links them through their
// first word: two words, of any size. An ArrayBatch (box S314) has pointers to them: bounded, and
// nothing of a block is touched on the way.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "config/flags.hpp"

namespace hz3 {

inline void*& link_of(void* block) { return *static_cast<void**>(block); }

class ListBatch {
 public:
  static constexpr std::uint32_t kMost = UINT32_MAX;  // blocks that fit one batch

  ListBatch() = default;
  // Blocks linked already; the last one links to nullptr.
  static ListBatch of_linked(void* first, std::uint32_t count) {
    ListBatch batch;
    batch.first_ = first;
    batch.count_ = count;
    return batch;
  }

  bool empty() const { return first_ == nullptr; }
  std::uint32_t count() const { return count_; }
  void push(void* block) {
    link_of(block) = first_;
    first_ = block;
    ++count_;
  }
  // Blocks linked already, from `first` to `last`; `first` will be the next to be taken out.
  void push_linked(void* first, void* last, std::uint32_t count) {
    link_of(last) = first_;
    first_ = first;
    count_ += count;
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

class ArrayBatch {
 public:
  static constexpr std::uint32_t kMost = flag::REFILL_BATCH > 64 ? flag::REFILL_BATCH : 64;

  constexpr ArrayBatch() {}  // the places stay as they are
  ArrayBatch(const ArrayBatch& other) { *this = other; }
  ArrayBatch& operator=(const ArrayBatch& other) {
    count_ = other.count_;
    std::memcpy(blocks_, other.blocks_, count_ * sizeof(void*));
    return *this;
  }

  bool empty() const { return count_ == 0; }
  std::uint32_t count() const { return count_; }
  void push(void* block) { blocks_[count_++] = block; }
  // The batch must not be empty.
  void* pop() { return blocks_[--count_]; }
  // The blocks, the next to be taken out last.
  void* const* blocks() const { return blocks_; }
  void push_all(void* const* blocks, std::uint32_t n) {
    std::memcpy(blocks_ + count_, blocks, n * sizeof(void*));
    count_ += n;
  }

 private:
  std::uint32_t count_ = 0;
  void* blocks_[kMost];
};

using Batch = std::conditional_t<flag::S314_ARRAY_BINS, ArrayBatch, ListBatch>;

inline Batch batch_of_one(void* block) {
  Batch batch;
  batch.push(block);
  return batch;
}

}  // namespace hz3
