// api_conformance: the whole malloc family and its edge cases, as promised by C, POSIX, C++ and,
// where those leave a choice, by glibc. Run it under LD_PRELOAD of the allocator; without a preload
// it checks glibc itself. Prints only what fails; exit status 1 if anything did.
//
// --strict: also demand that every function of the family comes from the same object as malloc, and
// what the standards ask where glibc and libstdc++ themselves fall short, and every single promise
// (promises.h).
// --table: print which promises are kept, for tools/conformance, whatever they are.
#include <cstring>

#include "../support/check.h"
#include "conformance.h"
#include "promises.h"

bool hz3_test::g_strict = false;

int main(int argc, char** argv) {
  using namespace hz3_test;
  g_strict = argc == 2 && strcmp(argv[1], "--strict") == 0;
  const bool table = argc == 2 && strcmp(argv[1], "--table") == 0;
  if (argc > 2 || (argc == 2 && !g_strict && !table)) {
    say("usage: api_conformance [--strict | --table]");
    return 2;
  }
  if (table) {
    g_strict = true;
    g_least_alignment = 8;
    print_promises();
    return 0;
  }
  if (g_strict) check_completeness();
  check_malloc();
  check_calloc();
  check_realloc();
  check_aligned();
  check_impossible_sizes();
  check_usable_size();
  check_free();
  check_introspection();
  check_libc_callers();
  check_operator_new();
  check_operator_delete();
  check_new_handler();
  if (g_strict) check_promises();
  return verdict();
}
