// Text of any length to a file descriptor, through a small buffer. Uses no heap, no stdio and no
// locks, so a signal handler may write with it too.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace hz3 {

class TextWriter {
 public:
  explicit TextWriter(int fd) : fd_(fd) {}
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;

  TextWriter& text(const char* s) {
    while (*s != '\0') put(*s++);
    return *this;
  }
  TextWriter& decimal(std::uint64_t value) { return right(value, 0); }
  // The number, with blanks in front to fill `width`.
  TextWriter& right(std::uint64_t value, std::uint32_t width) {
    char digits[20];
    std::uint32_t n = 0;
    do digits[n++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    for (std::uint32_t i = n; i < width; ++i) put(' ');
    while (n > 0) put(digits[--n]);
    return *this;
  }
  // Bytes as MiB with one digit behind the point, rounded.
  TextWriter& mib(std::uint64_t bytes, std::uint32_t width) {
    const std::uint64_t tenths = (bytes >> 20) * 10 + ((bytes & 0xfffff) * 10 + 0x80000) / 0x100000;
    return right(tenths / 10, width - 2).text(".").decimal(tenths % 10);
  }
  // Sends what is left. Whether everything was written.
  bool finish() {
    flush();
    return !failed_;
  }

 private:
  void put(char c) {
    if (used_ == sizeof buffer_) flush();
    buffer_[used_++] = c;
  }
  void flush() {
    const char* at = buffer_;
    while (used_ > 0 && !failed_) {
      const ssize_t n = ::write(fd_, at, used_);
      if (n < 0 && errno == EINTR) continue;
      failed_ = n <= 0;
      if (failed_) break;
      at += n;
      used_ -= static_cast<std::size_t>(n);
    }
    used_ = 0;
  }

  int fd_;
  bool failed_ = false;
  std::size_t used_ = 0;
  char buffer_[1024];
};

}  // namespace hz3
