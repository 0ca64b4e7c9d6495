// Memory for the allocator's own small objects (thread caches), carved from mmap and recycled
// through a list; never returned, never mixed with user blocks. Thread-safe. All objects have one
// size.
#pragma once

#include "os/lock.hpp"
#include "os/pages.hpp"

namespace hz3 {

template <typename T>
class TablePool {
 public:
  // Zeroed memory for one T, or nullptr when the system has none.
  void* allocate() {
    os::LockGuard guard(lock_);
    if (void* p = free_; p != nullptr) {
      free_ = *static_cast<void**>(p);
      __builtin_memset(p, 0, sizeof(T));
      return p;
    }
    if (left_ < kSlot) {
      void* chunk = os::map_tables(kChunk);
      if (chunk == nullptr) return nullptr;
      next_ = static_cast<char*>(chunk);
      left_ = kChunk;
    }
    void* p = next_;
    next_ += kSlot;
    left_ -= kSlot;
    __atomic_store_n(&carved_, carved_ + kSlot, __ATOMIC_RELAXED);
    return p;
  }
  void release(void* p) {
    os::LockGuard guard(lock_);
    *static_cast<void**>(p) = free_;
    free_ = p;
  }
  // Bytes that were ever handed out.
  std::uint64_t bytes() const { return __atomic_load_n(&carved_, __ATOMIC_RELAXED); }
  os::Lock& lock() { return lock_; }

  // In a forked child: what a dead thread may have left half changed is forgotten, not mended.
  void repair_child() {
    if (!lock_.reset()) return;
    free_ = nullptr;
    left_ = 0;
  }

 private:
  // A whole number of cache lines, so that caches of two threads never share one.
  static constexpr std::size_t kSlot = (sizeof(T) + 127) & ~std::size_t{127};
  static constexpr std::size_t kChunk = (16 * kSlot + os::kPageSize - 1) & ~(os::kPageSize - 1);

  os::Lock lock_;
  void* free_ = nullptr;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::uint64_t carved_ = 0;
};

}  // namespace hz3
