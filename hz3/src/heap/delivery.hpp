// Deliveries: blocks on their way out of the central store. They are only named here, under the
// lock; whoever takes the delivery touches them afterwards, because touching them may miss the
// cache (another processor freed them) or fault (they never existed).
#pragma once

#include "heap/run_blocks.hpp"

namespace hz3 {

// Pages to fault in by one call, before blocks in them are touched.
struct AheadRange {
  char* start = nullptr;
  std::size_t bytes = 0;  // 0: nothing to fault in
};

struct Delivery {
  static constexpr std::uint32_t kMostPieces = 32;

  RunBlocks::Piece pieces[kMostPieces];  // blocks that came back to their runs
  std::uint32_t piece_count = 0;
  std::uint32_t returned = 0;  // blocks in all pieces
  char* fresh = nullptr;       // neighbouring blocks that never existed
  std::uint32_t fresh_count = 0;
  PageBits stale;       // pages of the segment of `fresh` that may hold old bytes
  AheadRange populate;  // pages to fault in before the blocks are touched

  std::uint32_t count() const { return returned + fresh_count; }
  // Fresh blocks end a delivery: it holds one range of them.
  bool wants_more(Wish wish) const {
    return count() < wish.wanted && fresh_count == 0 && has_place();
  }
  bool has_place() const { return piece_count < kMostPieces; }
  void add(const RunBlocks::Piece& piece, std::uint32_t blocks) {
    pieces[piece_count++] = piece;
    returned += blocks;
  }
};

}  // namespace hz3
