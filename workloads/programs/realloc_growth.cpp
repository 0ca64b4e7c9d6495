// realloc_growth: a buffer that grows by realloc until it is large, over and over.
//
// `vector` doubles it from 16 bytes, as containers do; `string` adds 1 % (at least 16 bytes), as
// programs that append to a text do. What is new is written, a byte a page, and the last byte of
// before is read back: the contents must have come along. Other blocks lie between, as in a real
// heap: each round leaves one behind, so that not everything can grow where it is. Shows whether
// an allocator copies, grows in place or moves pages. One op is one realloc; the figure is
// ns_per_op.

#include <cstdlib>

#include "common/args.h"
#include "common/phase.h"
#include "common/report.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kNeighbours = 64;
constexpr std::size_t kFirst = 16;

std::size_t next_size(std::size_t bytes, bool doubles, std::size_t most) {
  const std::size_t percent = bytes / 100 > kFirst ? bytes / 100 : kFirst;
  const std::size_t more = doubles ? bytes : percent;
  return bytes + more < most ? bytes + more : most;
}

void write_new(char* buffer, std::size_t from, std::size_t to) {
  volatile char* at = buffer;
  for (std::size_t i = from; i < to; i += kPage) at[i] = 7;
  at[to - 1] = 7;
}

std::uint64_t grow(bool doubles, std::size_t most, Tally& tally) {
  std::size_t bytes = kFirst;
  auto* buffer = static_cast<char*>(take(bytes, tally));
  write_new(buffer, 0, bytes);
  std::uint64_t calls = 0;
  while (bytes < most) {
    const std::size_t before = bytes;
    bytes = next_size(bytes, doubles, most);
    void* grown = std::realloc(buffer, bytes);
    if (grown == nullptr) [[unlikely]]
      allocation_failed(bytes);
    buffer = static_cast<char*>(grown);
    if (buffer[before - 1] != 7) [[unlikely]]
      object_damaged(buffer, before);
    write_new(buffer, before, bytes);
    tally.requested_bytes += bytes;
    ++calls;
  }
  give(buffer, tally);
  return calls;
}

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "rounds vector|string [max_kib]\n"
            "  rounds         buffers, one after the other\n"
            "  vector|string  it doubles, or grows by 1 %\n"
            "  max_kib        size at which a buffer is done (4096)");
  const std::uint64_t rounds = args.number("rounds", 1, 1ull << 36);
  const bool doubles = args.word("shape", {"vector", "string"}) == 0;
  const std::size_t most = args.number_or("max_kib", 1, 1u << 24, 4096) * 1024;
  args.finish();
  Phases phases;
  Table<void*> neighbours(kNeighbours);
  Tally tally;
  Stopwatch measured;
  phases.mark("run", 1);
  measured.start();
  std::uint64_t calls = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    calls += grow(doubles, most, tally);
    void*& neighbour = neighbours[round % kNeighbours];
    if (neighbour != nullptr) give(neighbour, tally);
    neighbour = take(kFirst << round % 12, tally);
  }
  measured.stop();
  phases.end();
  for (std::size_t i = 0; i < kNeighbours; ++i) {
    if (neighbours[i] != nullptr) give(neighbours[i], tally);
  }
  Result result;
  report(result, calls, "reallocs", measured, tally);
  result.write();
  return 0;
}
