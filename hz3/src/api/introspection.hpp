// glibc's functions that ask about or tune the allocator. The C library's own would speak of its
// heap, which is empty. Units are bytes; the meaning of each field is glibc's, as far as hz3 has
// such a thing.
#pragma once

#include <malloc.h>
#include <stdio.h>

#include <cinttypes>
#include <climits>

#include "api/memory_report.hpp"

extern "C" {

HZ3_PUBLIC struct mallinfo2 mallinfo2(void) noexcept {
  const hz3::Books books = hz3::take_census();
  struct mallinfo2 info {};
  info.arena = books.segments;
  info.hblks = books.large_blocks;
  info.hblkhd = books.large_bytes;
  info.uordblks = books.run_live;
  info.fordblks = books.segments - books.run_live;
  info.keepcost = books.waiting;
  return info;
}

// The old form; numbers that do not fit an int are cut to the largest one.
HZ3_PUBLIC struct mallinfo mallinfo(void) noexcept {
  const auto cut = [](size_t n) { return n > INT_MAX ? INT_MAX : static_cast<int>(n); };
  const struct mallinfo2 full = mallinfo2();
  struct mallinfo info {};
  info.arena = cut(full.arena);
  info.hblks = cut(full.hblks);
  info.hblkhd = cut(full.hblkhd);
  info.uordblks = cut(full.uordblks);
  info.fordblks = cut(full.fordblks);
  info.keepcost = cut(full.keepcost);
  return info;
}

// As hz3_stats_print.
HZ3_PUBLIC void malloc_stats(void) noexcept { hz3_stats_print(); }

// glibc's XML, with what hz3 has to say. Only option 0 is defined.
HZ3_PUBLIC int malloc_info(int options, FILE* stream) noexcept {
  if (options != 0 || stream == nullptr) {
    errno = EINVAL;
    return -1;
  }
  hz3::Breakdown more{};
  const hz3::Books books = hz3::take_census(&more);
  const struct {
    const char* type;
    std::uint64_t bytes;
  } totals[] = {{"segments", books.segments},     {"used", books.run_live},
                {"cached", books.cached},         {"stored", books.stored},
                {"waiting", books.waiting},       {"free-dirty", books.free_dirty},
                {"free-clean", books.free_clean}, {"headers", books.headers},
                {"tables", books.tables}};
  bool written = fprintf(stream, "<malloc version=\"hz3-1\">\n") >= 0;
  for (const auto& total : totals)
    written &= fprintf(stream, "<total type=\"%s\" size=\"%" PRIu64 "\"/>\n", total.type,
                       total.bytes) >= 0;
  written &= fprintf(stream, "<total type=\"large\" count=\"%" PRIu64 "\" size=\"%" PRIu64 "\"/>\n",
                     books.large_blocks, books.large_bytes) >= 0;
  for (uint32_t c = 1; c < hz3::kClasses; ++c) {
    const hz3::ClassBooks& of_class = more.classes[c];
    if (of_class.runs == 0) continue;
    written &= fprintf(stream,
                       "<class size=\"%" PRIu32 "\" runs=\"%" PRIu64 "\" pages=\"%" PRIu64
                       "\" used=\"%" PRIu64 "\" cached=\"%" PRIu64 "\" stored=\"%" PRIu64 "\"/>\n",
                       hz3::kSizeClasses[c].size, of_class.runs, of_class.pages, of_class.live(),
                       of_class.cached, of_class.stored) >= 0;
  }
  written &= fprintf(stream, "</malloc>\n") >= 0;
  return written ? 0 : -1;
}

// There is nothing to tune at run time; the values glibc knows are accepted, as a promise to no
// one.
HZ3_PUBLIC int mallopt(int parameter, int) noexcept {
  return parameter <= 1 && parameter >= -8 ? 1 : 0;
}
}
