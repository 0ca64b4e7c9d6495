// Where the memory went: the books as a page for a person, and the same as JSON for a program. Both
// are written without a heap, without stdio, and, if asked for, without waiting for a lock.
#pragma once

#include "heap/footprint.hpp"
#include "observe/census.hpp"
#include "observe/text_writer.hpp"

namespace hz3 {

struct MemoryReport {
  Books books;
  Breakdown more;
  std::uint64_t footprint;
  std::uint64_t soft_limit, hard_limit;
};

inline void take_report(MemoryReport& report, Busy busy = Busy::kWait) {
  report.more = {};
  report.books = take_census(&report.more, busy);
  report.footprint = footprint();
  report.soft_limit = knob::value(knob::Name::heap_soft_limit_bytes);
  report.hard_limit = knob::value(knob::Name::heap_hard_limit_bytes);
}

namespace detail {

// The places that add up to what is resident, in both forms.
struct Place {
  const char* key;
  const char* words;
  std::uint64_t Books::*bytes;
};
inline constexpr Place kPlaces[] = {
    {"live", "live: blocks the program has", &Books::live},
    {"bins", "cached in the bins of threads", &Books::cached},
    {"store", "cached in the store between threads", &Books::stored},
    {"large_cache", "cached large blocks, waiting for reuse", &Books::waiting},
    {"free_dirty", "free, with memory until the next purge", &Books::free_dirty},
    {"headers", "headers of segments, page maps", &Books::headers},
    {"tables", "tables and thread caches", &Books::tables},
};

inline void page_line(TextWriter& out, std::uint64_t bytes, const char* words) {
  out.mib(bytes, 12).text("  ").text(words).text("\n");
}

inline void page_of_limits(const MemoryReport& report, TextWriter& out) {
  page_line(out, report.footprint, "footprint, what the limits look at");
  if (report.soft_limit != 0) page_line(out, report.soft_limit, "soft limit");
  if (report.hard_limit != 0) page_line(out, report.hard_limit, "hard limit");
}

inline void page_of_class(const ClassBooks& books, TextWriter& out) {
  out.right(books.runs, 8).right(books.pages >> 10, 14);
  out.right(books.live() >> 10, 10).right(books.cached >> 10, 10).right(books.stored >> 10, 10);
  out.right((books.pages - books.out) >> 10, 18).text("\n");
}

// Classes with less than a hundredth of the pages share one line.
inline void page_of_classes(const Breakdown& more, TextWriter& out) {
  std::uint64_t pages = 0;
  for (const ClassBooks& books : more.classes) pages += books.pages;
  out.text(
      "by class, in KiB:\n  block size    runs   their pages      live   in bins  in store"
      "  rest of the runs\n");
  ClassBooks others{};
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const ClassBooks& books = more.classes[c];
    if (books.pages * 100 >= pages && books.runs != 0) {
      page_of_class(books, out.right(kSizeClasses[c].size, 12));
      continue;
    }
    others.runs += books.runs;
    others.pages += books.pages;
    others.out += books.out;
    others.cached += books.cached;
    others.stored += books.stored;
  }
  if (others.runs != 0) page_of_class(others, out.text("      others"));
}

inline void page_of_shards(const Breakdown& more, TextWriter& out) {
  out.text("by shard, in KiB:\n  shard threads segments  out of runs  free dirty  free clean\n");
  for (std::uint32_t i = 0; i < kShards; ++i) {
    const ShardBooks& books = more.shards[i];
    if (books.segments == 0 && books.threads == 0) continue;
    out.right(i, 7).right(books.threads, 8).right(books.segments, 9).right(books.out >> 10, 13);
    out.right(books.free_dirty >> 10, 12).right(books.free_clean >> 10, 12).text("\n");
  }
}

}  // namespace detail

// Whether all of it was written.
inline bool write_page(const MemoryReport& report, int fd, bool with_shards) {
  const Books& books = report.books;
  TextWriter out(fd);
  out.text("hz3: where the memory is, in MiB\n");
  detail::page_line(out, books.reserved, "reserved: addresses only");
  detail::page_line(out, books.resident(), "resident, of that");
  for (const detail::Place& place : detail::kPlaces) {
    out.text("  ");
    detail::page_line(out, books.*place.bytes, place.words);
  }
  detail::page_line(out, books.free_clean, "free, without memory");
  detail::page_of_limits(report, out);
  out.text("large blocks: ").decimal(books.large_blocks).text(" with ").decimal(books.large_bytes);
  out.text(" bytes; threads with a cache: ").decimal(books.threads).text("\n");
  detail::page_of_classes(report.more, out);
  if (with_shards) detail::page_of_shards(report.more, out);
  if (books.missed != 0)
    out.text("not counted, because it was in use: ").decimal(books.missed).text(" places\n");
  return out.finish();
}

namespace detail {

inline TextWriter& json_number(TextWriter& out, const char* key, std::uint64_t value) {
  return out.text("\"").text(key).text("\":").decimal(value);
}

inline void json_classes(const Breakdown& more, TextWriter& out) {
  const char* comma = "";
  out.text("\"classes\":[");
  for (std::uint32_t c = 1; c < kClasses; ++c) {
    const ClassBooks& books = more.classes[c];
    if (books.runs == 0) continue;
    json_number(out.text(comma).text("{"), "size", kSizeClasses[c].size).text(",");
    json_number(out, "runs", books.runs).text(",");
    json_number(out, "pages", books.pages).text(",");
    json_number(out, "live", books.live()).text(",");
    json_number(out, "bins", books.cached).text(",");
    json_number(out, "store", books.stored).text(",");
    json_number(out, "rest", books.pages - books.out).text("}");
    comma = ",";
  }
  out.text("]");
}

inline void json_shards(const Breakdown& more, TextWriter& out) {
  const char* comma = "";
  out.text("\"shards\":[");
  for (std::uint32_t i = 0; i < kShards; ++i) {
    const ShardBooks& books = more.shards[i];
    if (books.segments == 0 && books.threads == 0) continue;
    json_number(out.text(comma).text("{"), "shard", i).text(",");
    json_number(out, "threads", books.threads).text(",");
    json_number(out, "segments", books.segments).text(",");
    json_number(out, "out", books.out).text(",");
    json_number(out, "free_dirty", books.free_dirty).text(",");
    json_number(out, "free_clean", books.free_clean).text(",");
    json_number(out, "headers", books.headers).text("}");
    comma = ",";
  }
  out.text("]");
}

}  // namespace detail

// One line. Numbers are bytes, but for counts of runs, threads, segments, blocks and places.
inline bool write_json(const MemoryReport& report, int fd) {
  const Books& books = report.books;
  TextWriter out(fd);
  detail::json_number(out.text("{"), "reserved", books.reserved).text(",");
  detail::json_number(out, "resident", books.resident()).text(",");
  for (const detail::Place& place : detail::kPlaces)
    detail::json_number(out, place.key, books.*place.bytes).text(",");
  detail::json_number(out, "free_clean", books.free_clean).text(",");
  detail::json_number(out, "footprint", report.footprint).text(",");
  detail::json_number(out, "soft_limit", report.soft_limit).text(",");
  detail::json_number(out, "hard_limit", report.hard_limit).text(",");
  detail::json_number(out, "large_blocks", books.large_blocks).text(",");
  detail::json_number(out, "large_bytes", books.large_bytes).text(",");
  detail::json_number(out, "threads", books.threads).text(",");
  detail::json_number(out, "missed", books.missed).text(",");
  detail::json_classes(report.more, out);
  detail::json_shards(report.more, out.text(","));
  out.text("}\n");
  return out.finish();
}

}  // namespace hz3
