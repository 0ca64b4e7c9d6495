// The heap: malloc and free as the rest of the library knows them. The hot paths are here and
// nowhere else; what they cannot do in a few instructions is passed, by a tail call, to a slow
// path.
//
// allocate: class from the size (one table load), bin from the thread's cache, top block off the
// bin. deallocate: class from the page map (one load), bin from the thread's cache, block onto the
// bin.
#pragma once

#include <cerrno>

#include "heap/checks.hpp"
#include "heap/defects.hpp"
#include "heap/guarded.hpp"
#include "heap/threads.hpp"
#include "os/next_allocator.hpp"

namespace hz3 {

// The largest size any function accepts: ISO C cannot subtract pointers further apart.
inline constexpr std::size_t kSizeLimit = PTRDIFF_MAX;

// Keeps errno as the caller had it: POSIX.1-2024 forbids free to change it.
class KeepErrno {
 public:
  KeepErrno() : saved_(errno) {}
  ~KeepErrno() { errno = saved_; }

 private:
  int saved_;
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline void* out_of_memory() {
  errno = ENOMEM;
  return nullptr;
}

// For threads without a cache: past their end, or when there is no memory for one.
inline Shard& shared_home() { return g_shards[0]; }

inline void* allocate_uncached(std::uint32_t c) {
  Batch batch = take_blocks(shared_home(), c, {1, 1});
  return batch.empty() ? nullptr : batch.pop();
}

inline ThreadCache* current_cache() {
  ThreadCache* cache = t_cache;
  if (is_real(cache)) {
    arm_exit_hook(*cache);
    return cache;
  }
  return cache == &kEndedCache ? nullptr : attach_thread();
}

[[gnu::noinline]] inline void* allocate_slow(std::uint32_t c) {
  const KeepErrno keep;
  ThreadCache* cache = current_cache();
  if (cache == nullptr) return allocate_uncached(c);
  tick(*cache);
  if (void* block = pop(cache->bins[c]); block != nullptr)  // attaching or ticking filled it
    return block;
  return refill_bin(*cache, c);
}

// Large blocks are slow paths too: every operation on one looks at the epoch clock. A thread that
// has no cache yet has no policies.
inline void tick_if_attached() {
  if (ThreadCache* cache = t_cache; is_real(cache)) tick(*cache);
}

[[gnu::noinline]] inline void* large_block(std::size_t size, std::size_t alignment, bool zeroed) {
  tick_if_attached();
  on_growth();
  return allocate_large(size, alignment, zeroed);
}

// Memory was refused: give back all we can, which turns free memory of one kind into room for
// another, and try once more, or as often as a policy says.
template <typename Attempt>
[[gnu::noinline, gnu::cold]] void* retry_after_trim(Attempt attempt) {
  for (std::uint32_t attempts = 1;; ++attempts) {
    bool again = false;
    {
      const KeepErrno keep;
      again = on_memory_refused(attempts);
    }
    void* block = attempt();
    if (block != nullptr) return block;
    if (!again) return out_of_memory();
  }
}

[[gnu::noinline]] inline void* allocate_class_slow(std::uint32_t c) {
  void* block = allocate_slow(c);
  if (block == nullptr) block = retry_after_trim([c] { return allocate_slow(c); });
  if (block != nullptr) mark_live(block);
  return block;
}

[[gnu::always_inline]] inline void* allocate_class(std::uint32_t c) {
  defects();
  void* block = pop(t_cache->bins[c]);
  if (block == nullptr) [[unlikely]]
    return allocate_class_slow(c);
  mark_live(block);
  return block;
}

[[gnu::noinline]] inline void* allocate_large_or_fail(std::size_t size, bool zeroed = false) {
  if (size > kSizeLimit) return out_of_memory();
  const auto attempt = [size, zeroed] {
    const KeepErrno keep;
    return large_block(size, kSegmentSize, zeroed);
  };
  void* block = attempt();
  if (block != nullptr) return block;
  return trim_may_help(size, kSegmentSize) ? retry_after_trim(attempt) : out_of_memory();
}

// Sizes above the small table; apart from the small ones so that those pay for one comparison only.
[[gnu::noinline]] inline void* allocate_above_table(std::size_t size) {
  if (size > largest_run()) [[unlikely]]
    return allocate_large_or_fail(size);
  return allocate_class(kClassByPage[(size + os::kPageSize - 1) >> os::kPageShift]);
}

inline void deallocate_other(void* p);

// Box S330: a pointer outside the heap that cannot be a block of anybody's.
inline void refuse_if_nobodys(void* p) {
  if constexpr (flag::S330_POINTER_CHECK) {
    if (const char* why = why_nobodys(p); why != nullptr) stop_misuse(why, p);
  }
}

// Box S319: what a free can see of an earlier one.
inline bool is_free_already(const Bin& bin, void* p) {
  if constexpr (kHasTopCheck) return top_of(bin) == p;
  return is_marked_free(p);
}

// A block whose bin has no room: full, or of a thread without a cache, or the bin of class 0, which
// stands for everything that is in no run and never has room.
[[gnu::noinline]] inline void deallocate_full(void* p, std::uint32_t c) {
  if (c == 0) return deallocate_other(p);
  if (is_free_already(t_cache->bins[c], p)) stop_double_free(p, c, t_cache->bins[c]);
  mark_free(p);
  const KeepErrno keep;
  ThreadCache* cache = current_cache();
  if (cache == nullptr) {
    give_back(batch_of_one(p));
    return;
  }
  tick(*cache);
  Bin& bin = cache->bins[c];
  if (is_full(bin)) return overflow_bin(*cache, c, p);
  push(bin, p);
}

// Everything that is not a block of a run.
[[gnu::noinline, gnu::cold]] inline void deallocate_other(void* p) {
  if (p == nullptr) return;
  const KeepErrno keep;
  if (is_guarded(p)) return g_guarded.release(p);
  if (const LargeBlock large = find_large(p); large.head != nullptr) {
    if constexpr (kHasCanary) size_of_large(large, p);
    tick_if_attached();
    return free_large(large);
  }
  if (find_arena(p) != nullptr) stop_misuse("invalid free: no block starts here", p);
  refuse_if_nobodys(p);
  free_foreign(p);
}

}  // namespace detail

// Memory for at least `size` bytes, aligned to 16; nullptr with ENOMEM. Any thread, any time. Always
// inline, however many call it: malloc must not pay for a jump to it.
[[gnu::always_inline]] inline void* allocate(std::size_t size) {
  if (void* guarded = sample_guarded(size); guarded != nullptr) return guarded;
  const std::size_t bytes = with_record(size);
  if (bytes > kTableMax) [[unlikely]]
    return seal(detail::allocate_above_table(bytes), size);
  return seal(detail::allocate_class(kClassBy16[(bytes + 15) >> 4]), size);
}

// Gives back a block, from any thread; nullptr does nothing; errno is kept. Always inline: free
// must not pay for a jump to it.
[[gnu::always_inline]] inline void deallocate(void* p) {
  const PageMap* map = g_page_map;
  const std::uintptr_t page = map->page_of(p);
  if (page >= map->pages) [[unlikely]]
    return detail::deallocate_other(p);
  const std::uint32_t c = map->bytes()[page];
  Bin& bin = t_cache->bins[c];
  if constexpr (kChecksBlocks) {
    if (c != 0) check_block(p, c, bin);
  }
  if (is_full(bin)) [[unlikely]]
    return detail::deallocate_full(p, c);
  if (detail::is_free_already(bin, p)) [[unlikely]]
    stop_double_free(p, c, bin);
  mark_free(p);
  push(bin, p);
}

// Bytes that may be used at p, which must be a live block of any allocator or nullptr.
inline std::size_t usable_size(void* p) {
  if (p == nullptr) return 0;
  if (const std::uint32_t c = class_of_pointer(p); c != 0) {
    if constexpr (kChecksBlocks) return check_block(p, c, t_cache->bins[c]);
    return kSizeClasses[c].size;
  }
  if (is_guarded(p)) return g_guarded.check(p);
  const LargeBlock large = find_large(p);
  if (large.head != nullptr) return size_of_large(large, p);
  if (find_arena(p) != nullptr) stop_misuse("size asked of something that is no block", p);
  return usable_size_foreign(p);
}

// Whether p lies in the heap.
inline bool is_in_heap(void* p) {
  return p != nullptr && (is_guarded(p) || find_arena(p) != nullptr);
}

// As deallocate, by a caller who says how large the block is.
[[gnu::always_inline]] inline void deallocate_sized(void* p, std::size_t size) {
  if constexpr (flag::S333_SIZED_CHECK) {
    if (is_in_heap(p)) check_given_size(p, size, usable_size(p));
  }
  deallocate(p);
}

}  // namespace hz3
