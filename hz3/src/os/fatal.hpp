// The last words of the allocator: one line on stderr saying what is wrong and where, then abort.
// Uses no heap, no stdio and no locks, so it works in any state of the program. Thread-safe.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace hz3 {

// Builds short lines in place. Text that does not fit is cut, never written past the end.
class LineWriter {
 public:
  LineWriter& text(const char* s) {
    while (*s != '\0') put(*s++);
    return *this;
  }
  LineWriter& decimal(std::uint64_t value) {
    char digits[20];
    int n = 0;
    do digits[n++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    while (n > 0) put(digits[--n]);
    return *this;
  }
  LineWriter& hex(std::uint64_t value) {
    text("0x");
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 15]);
    return *this;
  }
  void write_to(int fd) {
    put('\n');
    const char* at = line_;
    while (length_ > 0) {
      const ssize_t n = ::write(fd, at, length_);
      if (n <= 0) return;
      at += n;
      length_ -= static_cast<std::size_t>(n);
    }
  }

 private:
  void put(char c) {
    if (length_ < sizeof line_) line_[length_++] = c;
  }
  char line_[512];
  std::size_t length_ = 0;
};

// Stops the program: `what` names the fault, `where` the address concerned.
[[noreturn, gnu::cold, gnu::noinline]] inline void fatal(const char* what, const void* where) {
  LineWriter line;
  line.text("hz3: ").text(what).text(" at ").hex(reinterpret_cast<std::uintptr_t>(where));
  line.write_to(STDERR_FILENO);
  std::abort();
}

}  // namespace hz3
