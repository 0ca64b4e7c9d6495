// The store: what stands between thread caches and runs. A thread that has blocks to spare puts
// them here in batches, a thread that runs dry takes some; neither knows which form the store has.
// The forms are alternatives, chosen by flag, each a type of its own file with these members:
//
//   void put(home, c, batch)    takes a batch of class c from a thread of shard `home`; never fails
//   Batch take(home, c, wish)   blocks of class c for a thread of shard `home`: at least one, at
//                               most wish.most; empty when the system has no more memory
//   void drain()                hands all it holds to the runs, so that runs can be found empty
//   std::uint64_t bytes()       in blocks it holds now
//   std::uint64_t bytes_of(c)   of them, of class c; takes no lock, so a hint while others work
//   void repair_child()         in a forked child: frees its locks, and forgets what a thread that
//                               does not exist there may have left half changed
//
// All are thread-safe and called with no lock held. Blocks in a store are live as far as their runs
// are concerned, and in no other list. What is to go back to the runs at once, because memory is to
// be given back, does not come here: see give_back in heap/central.hpp.
#pragma once

#include <type_traits>

#include "remote/runs_store.hpp"
#include "remote/transfer_cache.hpp"

namespace hz3 {

using Store = std::conditional_t<flag::S42_SMALL_XFER, TransferCache, RunsStore>;
inline constinit Store g_store;

}  // namespace hz3
