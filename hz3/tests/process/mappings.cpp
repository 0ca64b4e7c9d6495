// mappings BLOCKS STEPS: large blocks that grow in turn by realloc, each in the way of the one
// before. A process may have 65,530 mappings; however the allocator makes room, it may not use more
// than about one a block (as libc, where each block is a mapping), and none once all are freed. The
// blocks are touched at their ends only: growing may not make the rest resident. The same first in
// a forked child, whose mappings the kernel merges less readily.
#include <cstdlib>
#include <cstring>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/mapped.h"
#include "../support/resources.h"

namespace {

using namespace hz3_test;

constexpr size_t kFirst = size_t{3} << 19;
constexpr size_t kStep = size_t{1} << 20;
constexpr long kSlack = 200;  // of mappings; the allocator's own
// Two pages an end and their page tables; a tenth of what one resident block a block would be.
constexpr long kResident_kb_a_block = 64;

size_t size_at(size_t step) { return kFirst + step * kStep; }

void write_ends(size_t* block, size_t size, size_t id) {
  block[0] = id;
  block[size / sizeof(size_t) - 1] = ~id;
}

bool ends_intact(const size_t* block, size_t size, size_t id) {
  return block[0] == id && block[size / sizeof(size_t) - 1] == ~id;
}

void grow_in_turn(size_t count, size_t steps, size_t** blocks) {
  const auto blocks_long = static_cast<long>(count);
  const long before = mapping_count();
  const long before_kb = resident_kb();
  for (size_t i = 0; i < count; ++i) {
    blocks[i] = static_cast<size_t*>(malloc(size_at(0)));
    CHECK(blocks[i] != nullptr, "malloc of block %zu returned null", i);
    if (blocks[i] == nullptr) return;
    write_ends(blocks[i], size_at(0), i);
  }
  for (size_t step = 1; step <= steps; ++step) {
    size_t damaged = 0;
    for (size_t i = 0; i < count; ++i) {
      auto* grown = static_cast<size_t*>(realloc(blocks[i], size_at(step)));
      CHECK(grown != nullptr, "realloc of block %zu to %zu bytes returned null", i, size_at(step));
      if (grown == nullptr) return;
      blocks[i] = grown;
      damaged += !ends_intact(grown, size_at(step - 1), i);
      write_ends(grown, size_at(step), i);
    }
    CHECK(damaged == 0, "growing to %zu bytes changed %zu of %zu blocks", size_at(step), damaged,
          count);
    const long mappings = mapping_count() - before;
    CHECK(mappings <= blocks_long + kSlack, "%zu blocks of %zu bytes use %ld mappings", count,
          size_at(step), mappings);
    const long kb = resident_kb() - before_kb;
    CHECK(kb <= blocks_long * kResident_kb_a_block, "%zu sparse blocks of %zu bytes hold %ld KiB",
          count, size_at(step), kb);
  }
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
  const long left = mapping_count() - before;
  CHECK(left <= kSlack, "after all blocks are freed %ld mappings are left", left);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1) {
    say("usage: mappings BLOCKS STEPS");
    return 2;
  }
  const auto count = static_cast<size_t>(atoi(argv[1]));
  const auto steps = static_cast<size_t>(atoi(argv[2]));
  auto** blocks = map_array<size_t*>(count);
  // The child inherits memory that is in use; nothing is freed yet, because libc maps large blocks
  // one by one only until the first is freed.
  void* used = memset(malloc(size_at(1)), 1, size_at(1));
  const ChildEnd end = run_child(
      [&] {
        grow_in_turn(count, steps, blocks);
        return verdict();
      },
      250);
  CHECK(end.ok(), "the forked child ended with %s %d", end.how(), end.status);
  grow_in_turn(count, steps, blocks);
  free(used);
  return verdict();
}
