// The forms of S316, each on where its flag says so and off elsewhere: page tables that stay, kept
// blocks that serve smaller requests, what is resident counted, bins for all.
#define HZ3_NO_OVERRIDE
#include <sys/mman.h>

#include "../support/check.h"
#include "hz3.cpp"

namespace hz3_test {

namespace {

using namespace hz3;

constexpr std::size_t kMib = std::size_t{1} << 20;

char* large(std::size_t mib) {
  auto* p = static_cast<char*>(allocate(mib * kMib));
  CHECK(p != nullptr, "no block of %zu MiB", mib);
  return p;
}

void touch(char* p, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += os::kPageSize) p[at] = 1;
}

std::size_t resident(char* p, std::size_t bytes) { return os::count_resident(p, bytes); }

void empty_cache() { expire_large_cache(UINT64_MAX / 2); }

// A kept block serves one of half its size, and what it holds beyond that is not forgotten.
void check_fit() {
  char* p = large(20);
  touch(p, 20 * kMib);
  deallocate(p);
  char* q = large(10);
  const bool wide = flag::LARGE_CACHE_FIT >= 100;
  CHECK((q == p) == wide, "a kept block of 20 MiB %s one of 10",
        q == p ? "served" : "did not serve");
  if (wide) {
    CHECK(find_large(q).resident() == 20 * kMib, "of 20 MiB, %zu bytes are known",
          find_large(q).resident());
  }
  deallocate(q);
  empty_cache();
  CHECK(resident(p, 20 * kMib) == 0, "%zu bytes stay when the cache is empty",
        resident(p, 20 * kMib));
}

// More than may be kept goes back, and not more than must.
void check_bound() {
  constexpr std::size_t kMost = static_cast<std::size_t>(flag::LARGE_CACHE_BYTES) / kMib;
  if constexpr (kMost > 64) return;
  char* blocks[5];
  for (char*& block : blocks) touch(block = large(20), 20 * kMib);
  for (char* block : blocks) deallocate(block);
  std::size_t kept = 0;
  for (char* block : blocks) kept += resident(block, 20 * kMib);
  CHECK(kept <= kMost * kMib, "%zu bytes are kept of %zu MiB that may be", kept, kMost);
  empty_cache();
}

void check_counting() {
  char* p = large(8);
  touch(p, 3 * kMib);
  CHECK(resident(p, 8 * kMib) == 3 * kMib, "3 MiB touched, %zu bytes counted",
        resident(p, 8 * kMib));
  const LargeBlock block = find_large(p);
  const std::size_t counted = detail::resident_of(block);
  CHECK(counted == (flag::S316_COUNT_RESIDENT ? 3 : 8) * kMib, "%zu bytes count", counted);
  deallocate(p);
  empty_cache();
}

// All goes back whatever is cut where.
void check_tables() {
  for (std::size_t mib : {2, 4, 6}) {
    char* p = large(mib);
    touch(p, mib * kMib);
    CHECK(purge_leaving_tables(p, mib * kMib), "the purge of %zu MiB failed", mib);
    CHECK(resident(p, mib * kMib) == 0, "%zu of %zu MiB stay", resident(p, mib * kMib), mib);
    deallocate(p);
  }
  empty_cache();
}

void check_bins() {
  // A thread has to earn the bytes of such a bin first.
  for (int i = 0; i < 1024; ++i) deallocate(allocate(kMib));
  const std::uint32_t held = count_of(t_cache->bins[class_of(kMib)]);
  CHECK(held == (flag::S316_LEAST_OBJS > 0 ? 1u : 0u), "the bin of 1 MiB holds %u", held);
  // A bin that only S316 has gives way to others that need its bytes.
  void* blocks[32];
  for (void*& block : blocks) block = allocate(128 << 10);
  for (void* block : blocks) deallocate(block);
  CHECK(t_cache->budget <= static_cast<std::uint64_t>(flag::TCACHE_BYTES), "budget went below 0");
}

}  // namespace

}  // namespace hz3_test

int main() {
  using namespace hz3_test;
  // The cache keeps no more than half of what lives: this, untouched, lets it keep what it can.
  char* ballast = large(2048);
  check_fit();
  check_bound();
  check_counting();
  check_tables();
  check_bins();
  deallocate(ballast);
  return verdict();
}
