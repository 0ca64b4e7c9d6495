// Points: the places where the heap asks policies. It asks at these and nowhere else, and does not
// know who answers: policy/points.hpp lists, point by point and in order, the boxes that act.
//
// | point             | when                                                   | locks held     |
// |-------------------|--------------------------------------------------------|----------------|
// | on_refill         | a bin ran dry, before the store is asked               | none           |
// | on_overflow       | a bin is full and may not grow, before half of it goes | none           |
// | on_run_empty      | the last live block of a run came home                 | the shard's    |
// | on_segment_empty  | the last used page of a segment became free            | the shard's    |
// | on_epoch          | once an epoch and thread, from its slow paths          | none           |
// | on_thread_exit    | a thread ended, after its blocks went home             | none           |
// | on_memory_refused | the system refused memory, before a second attempt     | none           |
// | each_box_lock     | fork: visits the locks of boxes, in lock order         | the registry's |
//
// What a point may do: the caller of on_run_empty does not touch the run afterwards, so a box may
// release it; that of on_segment_empty does not touch the segment, so a box may close it. A box may
// take the locks that come after those held (os/lock.hpp), and may not allocate.
#pragma once

#include <cstdint>

namespace hz3 {

struct Run;
struct Segment;
struct Shard;
struct ThreadCache;

inline void on_refill(ThreadCache& cache, std::uint32_t c);
inline void on_overflow(ThreadCache& cache, std::uint32_t c);
inline void on_run_empty(Shard& shard, Run& run);
inline void on_segment_empty(Shard& shard, Segment& segment);
inline void on_epoch(ThreadCache& cache);
inline void on_thread_exit(Shard& home);
inline void on_memory_refused();
template <typename Visit>
void each_box_lock(Visit visit);

}  // namespace hz3
