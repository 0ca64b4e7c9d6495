// How a run remembers its free blocks: those that came back, not those that never existed. The
// forms are alternatives, chosen by flag, each a type of its own file with these members, all
// static and called under the lock of the run's shard:
//
//   Piece               free blocks as a delivery names them
//   put(segment, run, block, index)         the block comes home; it must not be here already
//   holds(segment, run, index)              whether it is here; kHoldsIsCheap: without a search
//   take(segment, run, wish, delivery)      adds blocks to a delivery that wants more: all of the
//                       run if the taker can hold them, else as many as are wanted; at least one of
//                       a run that has any. Returns how many
//   recount(segment, run)                   in a forked child: counts what is here, and drops what
//                       cannot be right
//   first(piece, size)  of a piece's blocks, after the lock, as is
//   add_to(batch, piece, size)              after the lock: pushes its blocks
#pragma once

#include <type_traits>

#include "heap/run_bitmap.hpp"
#include "heap/run_list.hpp"

namespace hz3 {

using RunBlocks = std::conditional_t<flag::S314_RUN_BITMAP, RunBitmap, RunList>;

}  // namespace hz3
