// The promises of the family, one by one, so that allocators can be compared in a table: who keeps
// which. Each runs in a child of its own; what crashes or hangs there is a promise not kept.
#pragma once

namespace hz3_test {

struct Promise {
  const char* source;  // who asks for it: C, POSIX, glibc, C++, or an extension of allocators
  const char* text;
  const char* needs;  // a function the allocator itself must provide; "" if libc's part is enough
  void (*check)();
};

// For the strict test: every promise must be kept, and nothing be absent.
void check_promises();

// Prints a line a promise on stdout: source, text, kept | broken | absent, and the first finding,
// with tabs between.
void print_promises();

}  // namespace hz3_test
