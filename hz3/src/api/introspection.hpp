// glibc's functions that ask about or tune the allocator. The C library's own would speak of its
// heap, which is empty. Units are bytes; the meaning of each field is glibc's, as far as hz3 has
// such a thing.
#pragma once

#include <malloc.h>
#include <stdio.h>

#include <climits>

#include "api/functions.hpp"
#include "observe/census.hpp"

extern "C" {

HZ3_PUBLIC struct mallinfo2 mallinfo2(void) noexcept {
  const hz3::Census census = hz3::take_census();
  struct mallinfo2 info {};
  info.arena = census.segment_bytes;
  info.hblks = census.large_blocks;
  info.hblkhd = census.large_bytes;
  info.uordblks = census.run_bytes;
  info.fordblks = census.segment_bytes - census.run_bytes;
  info.keepcost = census.cached_bytes;
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

// One line on stderr.
HZ3_PUBLIC void malloc_stats(void) noexcept {
  const hz3::Census census = hz3::take_census();
  hz3::LineWriter line;
  line.text("hz3: segments ")
      .decimal(census.segment_bytes)
      .text(" bytes, of them in use ")
      .decimal(census.run_bytes);
  line.text("; large blocks ")
      .decimal(census.large_blocks)
      .text(" with ")
      .decimal(census.large_bytes)
      .text(" bytes");
  line.write_to(2);
}

// glibc's XML, with what hz3 has to say. Only option 0 is defined.
HZ3_PUBLIC int malloc_info(int options, FILE* stream) noexcept {
  if (options != 0 || stream == nullptr) {
    errno = EINVAL;
    return -1;
  }
  const hz3::Census census = hz3::take_census();
  const int written =
      fprintf(stream,
              "<malloc version=\"hz3-1\">\n<total type=\"segments\" size=\"%zu\"/>\n"
              "<total type=\"used\" size=\"%zu\"/>\n"
              "<total type=\"large\" count=\"%zu\" size=\"%zu\"/>\n</malloc>\n",
              census.segment_bytes, census.run_bytes, census.large_blocks, census.large_bytes);
  return written < 0 ? -1 : 0;
}

// There is nothing to tune at run time; the values glibc knows are accepted, as a promise to no
// one.
HZ3_PUBLIC int mallopt(int parameter, int) noexcept {
  return parameter <= 1 && parameter >= -8 ? 1 : 0;
}
}
