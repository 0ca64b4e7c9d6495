// Box S316. Gives the memory of a large block back and leaves the kernel's page tables
// of its first and last 2 MiB in place.
//
// A call that takes away all of the 2 MiB that one page table describes takes the table as well
// (Linux from 6.14 on). A program that works in large blocks touches both ends of each, so the next
// block there has two tables allocated, cleared and charged, at nearly the price of the pages
// themselves. Cut anywhere inside those 2 MiB, the same range leaves the table: 4 KiB of the
// kernel's for each of the two ends, bounded by the slots that were ever used.
#pragma once

#include "heap/slots.hpp"
#include "observe/stats.hpp"
#include "os/purge_many.hpp"

namespace hz3 {

struct LeaveTablesStats {
  Counter purges, ranges;
};
inline constinit LeaveTablesStats g_leave_tables_stats;

// As os::purge, for whole slots.
[[nodiscard]] inline bool purge_leaving_tables(void* p, std::size_t bytes) {
  auto* const start = static_cast<char*>(p);
  char* const end = start + bytes;
  char* const cuts[] = {start, start + os::g_system_page,
                        bytes > kSegmentSize ? end - kSegmentSize + os::g_system_page : end, end};
  iovec ranges[3];
  std::uint32_t count = 0;
  for (int i = 0; i < 3; ++i) {
    if (cuts[i] == cuts[i + 1]) continue;
    ranges[count++] = {cuts[i], static_cast<std::size_t>(cuts[i + 1] - cuts[i])};
  }
  g_leave_tables_stats.purges.add(1);
  g_leave_tables_stats.ranges.add(count);
  bool purged = true;
  for (std::uint32_t done = os::purge_many(ranges, count); done < count; ++done)
    purged &= os::purge(ranges[done].iov_base, ranges[done].iov_len);
  return purged;
}

inline void print_leave_tables_stats() {
  if constexpr (!flag::S316_KEEP_TABLES) return;
  const auto& s = g_leave_tables_stats;
  print_line("HZ3_S316_KEEP_TABLES", {{"purges", s.purges}, {"ranges", s.ranges}});
}

}  // namespace hz3
