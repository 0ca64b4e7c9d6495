// Readable lines without malloc.
//
// stdio gives stdout a buffer from malloc at the first printf, which would put the program's own
// memory into the heap under test. These format into the stack and write(2) at once.
#pragma once

namespace workload {

// The name put before complaints; Args sets it.
void set_program_name(const char* name);
const char* program_name();

// One formatted text (at most 4 KiB) to a descriptor.
void print(int fd, const char* format, ...) __attribute__((format(printf, 2, 3)));
// To stdout.
void say(const char* format, ...) __attribute__((format(printf, 1, 2)));
// One line "program: text" to stderr.
void complain(const char* format, ...) __attribute__((format(printf, 1, 2)));

// All of the bytes, through interrupted and short writes; false with errno set when that fails.
bool write_all(int fd, const char* bytes, unsigned long count);

}  // namespace workload
