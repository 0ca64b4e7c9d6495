// Box S314. Where bins that are arrays of pointers have their places.
//
// A bin that holds no more than its class's smallest limit has them in the thread's cache itself. A
// larger one has an array of a power of two, cut from chunks of the thread's own, which grows and
// shrinks with the bin's limit. When no bin is large any more the chunks go back to a pool for all
// threads. So what arrays take is bounded by the bins' limits (8 bytes a block, up to four times
// that by rounding and a third more by arrays that were outgrown), and a thread whose bins are
// small has none.
//
// Invariant: `log` of a class is 0 exactly when its bin's places are in `first`; `out_` counts the
// others.
#pragma once

#include <bit>

#include "heap/bin.hpp"
#include "heap/bin_limits.hpp"
#include "os/lock.hpp"
#include "os/pages.hpp"

namespace hz3 {

// Memory that arrays are cut from. Thread-safe. What lies here keeps its memory, but not more than
// kKept in all: threads that come and go find it.
class PlacePool {
 public:
  static constexpr std::size_t kChunk = 65536;
  static constexpr std::size_t kKept = 1048576;

  struct Chunk {
    Chunk* next;
    std::size_t dirty;  // bytes from its start that may hold memory
  };

  // nullptr when the system has no memory.
  Chunk* allocate() {
    os::LockGuard guard(lock_);
    Chunk* chunk = free_;
    if (chunk == nullptr) return static_cast<Chunk*>(os::map_tables(kChunk));
    free_ = chunk->next;
    kept_ -= chunk->dirty;
    return chunk;
  }
  // Of the chunk's bytes `used` were, from its start.
  void release(Chunk* chunk, std::size_t used) {
    if (used > chunk->dirty) chunk->dirty = used;
    os::LockGuard guard(lock_);
    if (kept_ + chunk->dirty > kKept &&
        os::purge(reinterpret_cast<char*>(chunk) + os::kPageSize, kChunk - os::kPageSize))
      chunk->dirty = os::kPageSize;
    kept_ += chunk->dirty;
    chunk->next = free_;
    free_ = chunk;
  }
  // In a forked child: what a dead thread may have left half changed is forgotten.
  void repair_child() {
    if (!lock_.reset()) return;
    free_ = nullptr;
    kept_ = 0;
  }
  os::Lock& lock() { return lock_; }

 private:
  os::Lock lock_;
  Chunk* free_ = nullptr;
  std::size_t kept_ = 0;
};

inline constinit PlacePool g_place_pool;

namespace detail {

// Where each bin's places begin in BinPlaces::first: `first_places` of them.
struct FirstPlaces {
  std::uint16_t at[kClasses + 1];
};
constexpr FirstPlaces make_first_places() {
  FirstPlaces places{};
  for (std::uint32_t c = 1; c < kClasses; ++c)
    places.at[c + 1] = static_cast<std::uint16_t>(places.at[c] + first_places(c));
  return places;
}
inline constexpr FirstPlaces kFirstPlaces = make_first_places();

}  // namespace detail

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
  using Chunk = PlacePool::Chunk;
  static constexpr std::uint32_t kLogs = 13;
  static_assert(flag::TCACHE_CLASS_OBJS < 1 << kLogs);

  static constexpr std::uint32_t bytes_of(std::uint32_t log) {
    return static_cast<std::uint32_t>(sizeof(void*)) << log;
  }
  bool begin_chunk() {
    Chunk* const chunk = g_place_pool.allocate();
    if (chunk == nullptr) return false;
    chunk->next = chunk_;
    chunk_ = chunk;
    used_ = sizeof(Chunk);
    return true;
  }

  void note_bytes(std::uint64_t bytes) { __atomic_store_n(&bytes_, bytes, __ATOMIC_RELAXED); }

  void** free_[kLogs] = {};  // arrays that were outgrown, by size, linked through array[0]
  Chunk* chunk_ = nullptr;   // the newest; it leads to older ones, which are full
  std::uint32_t used_ = 0;   // bytes of the newest chunk
  std::uint32_t out_ = 0;    // arrays that bins have
  std::uint64_t bytes_ = 0;
};

template <std::uint32_t kFirst>
class BinPlaces<false, kFirst> {
 public:
  std::uint64_t bytes() const { return 0; }
};

namespace detail {

// Gives a bin an array of 2^log places, 0: those in the cache itself. The bin must fit.
template <typename Cache>
bool move_bin(Cache& cache, std::uint32_t c, std::uint32_t log) {
  void** const to = log == 0 ? cache.places.first + kFirstPlaces.at[c] : cache.places.allocate(log);
  if (to == nullptr) return false;
  auto& bin = cache.bins[c];
  const std::uint32_t n = count_of(bin);
  void** const from = bin.blocks;
  std::memcpy(to, from, n * sizeof(void*));
  bin.blocks = to;
  const std::uint32_t old = cache.places.log[c];
  cache.places.log[c] = static_cast<std::uint8_t>(log);
  if (old != 0) cache.places.release(from, old);
  return true;
}

// Places for a bin that may hold `limit` blocks: an array of four times as many as the next smaller
// one has, or of as many as the class may ever need, so that a bin outgrows few arrays.
constexpr std::uint32_t log_of_places(std::uint32_t c, std::uint32_t limit) {
  if (limit <= first_places(c)) return 0;
  const auto log = static_cast<std::uint32_t>(std::bit_width(limit - 1)) | 1u;
  const auto most = static_cast<std::uint32_t>(std::bit_width(largest_limit(c) - 1));
  return log < most ? log : most;
}

template <typename Cache>
bool fit_places(Cache& cache, std::uint32_t c, std::uint32_t limit) {
  if constexpr (flag::S314_ARRAY_BINS) {
    const std::uint32_t log = cache.places.log[c];
    const std::uint32_t wanted = log_of_places(c, limit);
    return log == wanted || move_bin(cache, c, wanted) || log > wanted;
  }
  return true;
}

template <typename Cache>
void begin_places(Cache& cache) {
  if constexpr (flag::S314_ARRAY_BINS) {
    for (std::uint32_t c = 1; c < kClasses; ++c)
      cache.bins[c].blocks = cache.places.first + kFirstPlaces.at[c];
  }
}

// The bins must be empty.
template <typename Cache>
void end_places(Cache& cache) {
  if constexpr (flag::S314_ARRAY_BINS) {
    for (std::uint32_t c = 1; c < kClasses; ++c) {
      if (cache.places.log[c] != 0) move_bin(cache, c, 0);
    }
  }
}

}  // namespace detail

}  // namespace hz3
