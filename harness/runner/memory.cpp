// See memory.hpp.
#include "memory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "proc_text.hpp"

namespace hz3::runner {
namespace {

std::string_view skip_spaces(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view{} : text.substr(start);
}

std::optional<int64_t> take_number(std::string_view& text) {
  text = skip_spaces(text);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

// Figure of the line "Name:   123 kB"; 0 when the kernel does not print that line.
int64_t field_kb(std::string_view text, std::string_view line_start) {
  const size_t at = text.find(line_start);
  if (at == std::string_view::npos) return 0;
  std::string_view rest = text.substr(at + line_start.size());
  return take_number(rest).value_or(0);
}

}  // namespace

std::optional<Statm> parse_statm(std::string_view text, int64_t page_kb) {
  const std::optional<int64_t> size = take_number(text);
  const std::optional<int64_t> resident = size ? take_number(text) : std::nullopt;
  if (!resident || *size == 0) return std::nullopt;
  return Statm{.rss_kb = *resident * page_kb, .vms_kb = *size * page_kb};
}

std::optional<Rollup> parse_rollup(std::string_view text) {
  if (text.find("\nRss:") == std::string_view::npos) return std::nullopt;
  Rollup rollup;
  rollup.rss_kb = field_kb(text, "\nRss:");
  rollup.pss_kb = field_kb(text, "\nPss:");
  rollup.uss_kb = field_kb(text, "\nPrivate_Clean:") + field_kb(text, "\nPrivate_Dirty:");
  rollup.lazyfree_kb = field_kb(text, "\nLazyFree:");
  rollup.anon_huge_kb = field_kb(text, "\nAnonHugePages:");
  return rollup;
}

Rollup& Rollup::operator+=(const Rollup& other) {
  rss_kb += other.rss_kb;
  pss_kb += other.pss_kb;
  uss_kb += other.uss_kb;
  lazyfree_kb += other.lazyfree_kb;
  anon_huge_kb += other.anon_huge_kb;
  return *this;
}

bool StatmReader::open(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/statm";
  fd_ = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd_ || (errno != EMFILE && errno != ENFILE);
}

std::optional<Statm> StatmReader::read() const {
  static const int64_t page_kb = sysconf(_SC_PAGESIZE) / 1024;
  char text[256];
  const ssize_t got = fd_ ? pread(fd_.get(), text, sizeof text, 0) : -1;
  if (got <= 0) return std::nullopt;
  return parse_statm(std::string_view(text, static_cast<size_t>(got)), page_kb);
}

std::optional<Rollup> read_rollup(pid_t pid) {
  const auto text = read_proc("/proc/" + std::to_string(pid) + "/smaps_rollup");
  if (!text) return std::nullopt;
  return parse_rollup(*text);
}

}  // namespace hz3::runner
