// The mutants under hz3's own names, in place of hz3.cpp, for testing the fuzz driver.
#include <cerrno>

#include "broken.h"
#include "hz3/hz3.h"

namespace broken = hz3_test::broken;

void* hz3_malloc(size_t size) { return broken::allocate(size); }
void hz3_free(void* block) { broken::release(block); }
void* hz3_calloc(size_t count, size_t size) { return broken::allocate_zeroed(count, size); }
void* hz3_realloc(void* block, size_t size) { return broken::reallocate(block, size); }
void* hz3_aligned_alloc(size_t alignment, size_t size) {
  return broken::allocate_aligned(alignment, size);
}
size_t hz3_usable_size(void* block) { return broken::usable_size(block); }
void hz3_epoch_force(void) {}
int hz3_trim(size_t) { return 0; }
