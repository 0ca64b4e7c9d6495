// Points: the places where the heap asks policies. It asks at these and nowhere else, and does not
// know who answers: policy/points.hpp lists, point by point and in order, the boxes that act.
//
// | point             | when                                                   | locks held     |
// |-------------------|--------------------------------------------------------|----------------|
// | on_thread_begin   | a thread gets its cache, its bins are empty            | none           |
// | on_thread_end     | a thread gives up its cache, its bins are empty        | none           |
// | on_budget_short   | a bin wants to grow, the thread's budget is short      | none           |
// | limit_when_full   | a bin is full: how many blocks it may hold (answers)    | none           |
// | stays_away        | a bin begins with a freed block: whether it goes home  | none           |
// | on_refill         | a bin ran dry, before the store is asked               | none           |
// | on_growth         | no free block or page fits: before a segment is opened | none           |
// |                   | or a large block made (answers: whether to look in     |                |
// |                   | shards with threads before)                            |                |
// | on_overflow       | a bin is full and may not grow, before half of it goes | none           |
// | on_large_freed    | a large block began to wait in the large cache         | none           |
// | on_run_empty      | the last live block of a run came home                 | the shard's    |
// | on_pages_free     | pages of a segment became free                         | the shard's    |
// | on_segment_empty  | the last used page of a segment became free            | the shard's    |
// | on_segment_opened | a shard got a segment                                  | the shard's    |
// | on_epoch          | once an epoch and thread, from its slow paths          | none           |
// | on_thread_exit    | a thread ended, after its blocks went home             | none           |
// | on_memory_refused | memory was refused, before another attempt (answers:   | none           |
// |                   | whether there may be one more after that)              |                |
// | on_fork_child     | in a forked child, whose other threads do not exist    | none           |
// | print_stats       | the process exits in the ordinary way                  | none           |
//
// What a box may do there: take the locks that come after those held (os/lock.hpp), but not
// allocate. At on_refill and on_overflow it may empty or shrink bins of the thread. At on_run_empty
// it may release the run, and at on_segment_empty close the segment: the caller touches neither
// afterwards. At on_pages_free it may purge the pages, but the segment must stay. At on_fork_child
// it resets its own locks and mends or forgets what those that were held guard (api/process.hpp).
#pragma once

#include <cstdint>

namespace hz3 {

struct Run;
struct Segment;
struct Shard;
struct ThreadCache;

inline void on_thread_begin(ThreadCache& cache);
inline void on_thread_end(ThreadCache& cache);
inline void on_budget_short(ThreadCache& cache);
inline std::uint32_t limit_when_full(ThreadCache& cache, std::uint32_t c, const void* block);
inline bool stays_away(ThreadCache& cache, std::uint32_t c, const void* block);
inline void on_give_back(ThreadCache& cache);
inline void on_gave_back(ThreadCache& cache, std::uint32_t c, std::uint32_t blocks);
inline void on_refill(ThreadCache& cache, std::uint32_t c);
inline bool on_growth();
inline void on_overflow(ThreadCache& cache, std::uint32_t c);
inline void on_large_freed(std::uint64_t bytes);
inline void on_run_empty(Shard& shard, Run& run);
inline void on_pages_free(Shard& shard, Segment& segment, std::uint32_t page, std::uint32_t pages);
inline void on_segment_empty(Shard& shard, Segment& segment);
inline void on_segment_opened(Shard& shard);
inline void on_epoch(ThreadCache& cache);
inline void on_thread_exit(Shard& home);
inline bool on_memory_refused(std::uint32_t attempts);
inline void on_fork_child();
inline void print_stats();

}  // namespace hz3
