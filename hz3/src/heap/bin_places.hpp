// Box S314. Where bins that are arrays of pointers have their places.
//
// A bin that holds no more than its class's smallest limit has them in the thread's cache itself.
// A larger one has an array of a power of two, cut from chunks of the thread's own, which grows and
// shrinks with the bin's limit. When no bin is large any more the chunks go back to a pool for all
// threads, and their memory but for the first page to the system. So what arrays take is bounded by
// the bins' limits (8 bytes a block, doubled by rounding and once more by arrays that were
// outgrown), and a thread whose bins are small has none.
//
// Invariant: `log` of a class is 0 exactly when its bin's places are in `first`; `out` counts the
// others.
#pragma once

#include <bit>

#include "heap/bin.hpp"
#include "heap/size_class.hpp"
#include "os/lock.hpp"
#include "os/pages.hpp"

namespace hz3 {

// Memory that arrays are cut from. Thread-safe.
class PlacePool {
 public:
  static constexpr std::size_t kChunk = 65536;

  // nullptr when the system has no memory.
  void* allocate() {
    os::LockGuard guard(lock_);
    void* chunk = free_;
    if (chunk == nullptr) return os::map_tables(kChunk);
    free_ = *static_cast<void**>(chunk);
    return chunk;
  }
  // `used` bytes of the chunk, from its start, may hold memory.
  void release(void* chunk, std::size_t used) {
    auto* const rest = static_cast<char*>(chunk) + os::kPageSize;
    // What is refused stays, and is used again.
    if (used > os::kPageSize) (void)!os::purge(rest, kChunk - os::kPageSize);
    os::LockGuard guard(lock_);
    *static_cast<void**>(chunk) = free_;
    free_ = chunk;
  }
  // In a forked child: what a dead thread may have left half changed is forgotten.
  void repair_child() {
    if (lock_.reset()) free_ = nullptr;
  }
  os::Lock& lock() { return lock_; }

 private:
  os::Lock lock_;
  void* free_ = nullptr;
};

inline constinit PlacePool g_place_pool;

// The arrays of one thread.
template <bool kAny, std::uint32_t kFirst>
class BinPlaces {
 public:
  // 2^log places; nullptr when the system has no memory. log > 0.
  void** allocate(std::uint32_t log) {
    void** array = free_[log];
    if (array != nullptr) {
      free_[log] = static_cast<void**>(array[0]);
    } else {
      const std::uint32_t bytes = bytes_of(log);
      if ((chunk_ == nullptr || used_ + bytes > PlacePool::kChunk) && !begin_chunk())
        return nullptr;
      array = reinterpret_cast<void**>(reinterpret_cast<char*>(chunk_) + used_);
      used_ += bytes;
      note_bytes(bytes_ + bytes);
    }
    ++out_;
    return array;
  }
  void release(void** array, std::uint32_t log) {
    array[0] = free_[log];
    free_[log] = array;
    if (--out_ > 0) return;
    for (void**& list : free_) list = nullptr;
    while (chunk_ != nullptr) {
      Chunk* const chunk = chunk_;
      chunk_ = chunk->next;
      g_place_pool.release(chunk, used_);
      used_ = PlacePool::kChunk;  // of the older ones
    }
    used_ = 0;
    note_bytes(0);
  }
  // Of arrays, in use or outgrown; read by the census from other threads.
  std::uint64_t bytes() const { return __atomic_load_n(&bytes_, __ATOMIC_RELAXED); }

  void* first[kFirst] = {};
  std::uint8_t log[kClasses] = {};

 private:
  struct Chunk {
    Chunk* next;  // an older one, which is full
  };
  static constexpr std::uint32_t kLogs = 13;
  static_assert(flag::TCACHE_CLASS_OBJS < 1 << kLogs);

  static constexpr std::uint32_t bytes_of(std::uint32_t log) {
    return static_cast<std::uint32_t>(sizeof(void*)) << log;
  }
  bool begin_chunk() {
    auto* const chunk = static_cast<Chunk*>(g_place_pool.allocate());
    if (chunk == nullptr) return false;
    chunk->next = chunk_;
    chunk_ = chunk;
    used_ = sizeof(Chunk);
    return true;
  }

  void note_bytes(std::uint64_t bytes) { __atomic_store_n(&bytes_, bytes, __ATOMIC_RELAXED); }

  void** free_[kLogs] = {};  // arrays that were outgrown, by size, linked through array[0]
  Chunk* chunk_ = nullptr;
  std::uint32_t used_ = 0;  // bytes of the newest chunk
  std::uint32_t out_ = 0;   // arrays that bins have
  std::uint64_t bytes_ = 0;
};

template <std::uint32_t kFirst>
class BinPlaces<false, kFirst> {
 public:
  std::uint64_t bytes() const { return 0; }
};

}  // namespace hz3
