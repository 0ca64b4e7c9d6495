// The mutants as a library to preload: exports the C family, on which libstdc++'s operator new and
// delete stand.
#include <cerrno>
#include <cstddef>

#include "broken.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace broken = hz3_test::broken;

EXPORT void* malloc(size_t size) { return broken::allocate(size); }
EXPORT void free(void* block) { broken::release(block); }
EXPORT void* calloc(size_t count, size_t size) { return broken::allocate_zeroed(count, size); }
EXPORT void* realloc(void* block, size_t size) { return broken::reallocate(block, size); }
EXPORT void* reallocarray(void* block, size_t count, size_t size) {
  return broken::reallocate_array(block, count, size);
}
EXPORT size_t malloc_usable_size(void* block) { return broken::usable_size(block); }

EXPORT void* memalign(size_t alignment, size_t size) {
  return broken::allocate_aligned(alignment, size);
}
EXPORT void* aligned_alloc(size_t alignment, size_t size) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    errno = EINVAL;
    return nullptr;
  }
  return broken::allocate_aligned(alignment, size);
}
EXPORT int posix_memalign(void** block, size_t alignment, size_t size) {
  if (alignment < sizeof(void*) || (alignment & (alignment - 1)) != 0) return EINVAL;
  const int before = errno;
  void* made = broken::allocate_aligned(alignment, size);
  errno = before;
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}
EXPORT void* valloc(size_t size) { return broken::allocate_aligned(4096, size); }
EXPORT void* pvalloc(size_t size) {
  if (size > static_cast<size_t>(-1) - 4096) {
    errno = ENOMEM;
    return nullptr;
  }
  return broken::allocate_aligned(4096, (size + 4095) / 4096 * 4096);
}
