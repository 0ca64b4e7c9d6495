// What a worker does: make blocks by every function of the family, check them, resize them, hand
// them to others, free them. Each block is checked when it is made (alignment, usable size,
// zeroes), when it is released, and now and then in between.
#include "operations.h"

#include <malloc.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "../support/check.h"

// Present when the allocator under test is hz3.
extern "C" [[gnu::weak]] void hz3_epoch_force(void);

namespace hz3_test {

Arena g_arena;

void stop(const Worker& worker, const char* format, ...) {
  char text[600];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  say("FAIL api_stress: seed %lu worker %u op %lu: %s", g_arena.seed, worker.index, worker.op,
      text);
  _exit(1);
}

namespace {

// A whole block is written when it is not large, and one large block in eight.
constexpr size_t kAlwaysFull = 16 << 10;

void verify_block(const Worker& worker, const Block& block, const char* when) {
  const Mismatch wrong = verify(block.address, block.size, block.pattern);
  if (!wrong.found) return;
  stop(worker,
       "%s: block %#lx at %p (%zu bytes, alignment %zu, made by worker %lu at its op %lu) holds "
       "%#lx at offset %zu, want %#lx",
       when, block.pattern.id, block.address, block.size, block.alignment, block.pattern.id >> 40,
       block.born_op, wrong.seen, wrong.offset, wrong.expected);
}

void* make_aligned(Rng& rng, size_t alignment, size_t size) {
  switch (rng.below(3)) {
    case 0: {
      void* address = nullptr;
      return posix_memalign(&address, alignment, size) == 0 ? address : nullptr;
    }
    case 1:
      return memalign(alignment, size);
    default:
      return aligned_alloc(alignment, size);
  }
}

// Chooses a way to make a block of that size, and does it.
Block allocate(Worker& worker, size_t size) {
  Rng& rng = worker.rng;
  Block block;
  block.size = size;
  const uint64_t way = rng.below(16);
  if (way < 8) {
    block.address = malloc(size);
  } else if (way < 10) {
    block.address = rng.one_in(2) ? calloc(1, size) : calloc(size, 1);
    const size_t dirty = block.address != nullptr ? first_nonzero(block.address, size) : size;
    if (dirty != size) {
      stop(worker, "calloc of %zu bytes at %p is not zero at offset %zu", size, block.address,
           dirty);
    }
  } else if (way < 12) {
    // Mostly cache lines and pages, up to 64 KiB and now and then a segment.
    const size_t shift = rng.one_in(64) ? 21 : 3 + rng.below(14);
    block.alignment = size_t{1} << shift;
    block.size = (size + block.alignment - 1) / block.alignment * block.alignment;
    block.origin = Origin::kAligned;
    block.address = make_aligned(rng, block.alignment, block.size);
  } else if (way < 14) {
    block.origin = Origin::kNew;
    block.address = ::operator new(size, std::nothrow);
  } else {
    block.origin = Origin::kNewAligned;
    block.alignment = size_t{16} << rng.below(9);
    block.address = ::operator new (size, std::align_val_t{block.alignment}, std::nothrow);
  }
  return block;
}

void check_new_block(const Worker& worker, const Block& block) {
  if (block.address == nullptr) {
    stop(worker, "allocation of %zu bytes at alignment %zu failed, errno %d", block.size,
         block.alignment, errno);
  }
  // Blocks under 16 bytes at 8-byte steps are common practice; the conformance test is the
  // stricter.
  const size_t wanted =
      block.origin != Origin::kNewAligned && block.alignment == 16 && block.size < 16
          ? 8
          : block.alignment;
  if (!aligned_to(block.address, wanted)) {
    stop(worker, "block of %zu bytes at %p is not aligned to %zu", block.size, block.address,
         wanted);
  }
  const size_t usable = malloc_usable_size(block.address);
  if (usable < block.size) {
    stop(worker, "block of %zu bytes at %p has only %zu usable", block.size, block.address, usable);
  }
}

void make_block(Worker& worker, Block& slot) {
  size_t size = worker.rng.log_uniform(1, worker.max_size);
  if (worker.live_bytes + size > worker.byte_budget) size = 1 + size % 1024;
  slot = allocate(worker, size);
  check_new_block(worker, slot);
  const uint64_t id = (uint64_t{worker.index} << 40) | ++worker.blocks_made;
  slot.pattern = {id, slot.size > kAlwaysFull && !worker.rng.one_in(8)};
  slot.born_op = worker.op;
  worker.live_bytes += slot.size;
  fill(slot.address, slot.size, slot.pattern);
}

void release(Worker& worker, Block& slot) {
  verify_block(worker, slot, "on release");
  worker.live_bytes -= slot.size;
  const std::align_val_t alignment{slot.alignment};
  const bool sized = worker.rng.one_in(2);
  errno = 1234;
  switch (slot.origin) {
    case Origin::kMalloc:
    case Origin::kAligned:
      free(slot.address);
      break;
    case Origin::kNew:
      sized ? ::operator delete(slot.address, slot.size) : ::operator delete(slot.address);
      break;
    case Origin::kNewAligned:
      sized ? ::operator delete(slot.address, slot.size, alignment)
            : ::operator delete(slot.address, alignment);
      break;
  }
  if (errno != 1234) stop(worker, "free of %p changed errno to %d", slot.address, errno);
  slot = Block{};
}

void resize(Worker& worker, Block& slot) {
  if (slot.origin != Origin::kMalloc && slot.origin != Origin::kAligned) return;
  verify_block(worker, slot, "before realloc");
  // Half of the time near the old size, where growing in place is decided.
  Rng& rng = worker.rng;
  size_t size = rng.one_in(2) ? 1 + rng.below(slot.size * 2) : rng.log_uniform(1, worker.max_size);
  if (worker.live_bytes + size > worker.byte_budget) size = 1 + size % 1024;
  void* address = realloc(slot.address, size);
  const size_t kept = slot.size < size ? slot.size : size;
  worker.live_bytes += size - slot.size;
  slot.address = address;
  slot.size = size;
  slot.alignment = 16;
  slot.origin = Origin::kMalloc;
  check_new_block(worker, slot);
  const Mismatch wrong = verify(address, kept, slot.pattern);
  if (wrong.found) {
    stop(worker, "realloc to %zu bytes at %p lost the content at offset %zu: %#lx, want %#lx", size,
         address, wrong.offset, wrong.seen, wrong.expected);
  }
  fill(address, size, slot.pattern, kept);
}

// Gives the block to another worker, who will check and free it.
void send(Worker& worker, Block& slot) {
  Worker& other = g_arena.worker[worker.rng.below(g_arena.workers)];
  if (!other.mailbox.put(slot)) return;
  worker.live_bytes -= slot.size;
  slot = Block{};
}

// Takes what was sent: into an empty slot, or, if the slot is taken, to be freed at once.
void receive(Worker& worker, Block& slot) {
  Block block;
  for (int taken = 0; taken < 16 && worker.mailbox.take(block); ++taken) {
    worker.live_bytes += block.size;
    if (slot.address == nullptr) {
      verify_block(worker, block, "on receipt");
      slot = block;
    } else {
      release(worker, block);
    }
  }
}

void release_slots(Worker& worker) {
  for (Block& slot : worker.slots) {
    if (slot.address != nullptr) release(worker, slot);
  }
}

// Rare events: everything freed at once, memory given back, an epoch forced.
void disturb(Worker& worker) {
  switch (worker.rng.below(4)) {
    case 0:
      release_slots(worker);
      break;
    case 1:
      malloc_trim(0);
      break;
    default:
      if (hz3_epoch_force != nullptr) hz3_epoch_force();
      break;
  }
}

}  // namespace

void perform_operation(Worker& worker) {
  ++worker.op;
  Rng& rng = worker.rng;
  Block& slot = worker.slots[rng.below(kSlots)];
  const uint64_t dice = rng.below(1000);
  if (dice == 0) {
    if (rng.one_in(3)) disturb(worker);
  } else if (dice < 100) {
    receive(worker, slot);
  } else if (slot.address == nullptr) {
    make_block(worker, slot);
  } else if (dice < 250) {
    verify_block(worker, slot, "while alive");
  } else if (dice < 400) {
    resize(worker, slot);
  } else if (dice < 600) {
    send(worker, slot);
  } else {
    release(worker, slot);
  }
}

void release_all(Worker& worker) {
  Block block;
  while (worker.mailbox.take(block)) {
    worker.live_bytes += block.size;
    release(worker, block);
  }
  release_slots(worker);
}

}  // namespace hz3_test
