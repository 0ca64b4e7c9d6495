// The C library's names. Where a name means the same as one of ours it is an alias, so a call of
// malloc runs hz3_malloc's instructions with nothing in between.
#pragma once

#include "api/functions.hpp"

#define HZ3_ALIAS(name) [[gnu::alias(name), gnu::visibility("default")]]

extern "C" {

HZ3_ALIAS("hz3_malloc") void* malloc(size_t size) noexcept;
HZ3_ALIAS("hz3_free") void free(void* p) noexcept;
HZ3_ALIAS("hz3_free") void cfree(void* p) noexcept;
HZ3_ALIAS("hz3_calloc") void* calloc(size_t count, size_t size) noexcept;
HZ3_ALIAS("hz3_realloc") void* realloc(void* p, size_t size) noexcept;
HZ3_ALIAS("hz3_aligned_alloc") void* aligned_alloc(size_t alignment, size_t size) noexcept;
HZ3_ALIAS("hz3_usable_size") size_t malloc_usable_size(void* p) noexcept;
HZ3_ALIAS("hz3_trim") int malloc_trim(size_t pad) noexcept;

// As aligned_alloc, but any alignment is rounded up to a power of two, as glibc does.
HZ3_PUBLIC void* memalign(size_t alignment, size_t size) noexcept {
  size_t power = 16;
  while (power < alignment && power <= hz3::kSizeLimit) power *= 2;
  return hz3::allocate_aligned(power, size);
}

HZ3_PUBLIC int posix_memalign(void** out, size_t alignment, size_t size) noexcept {
  if (!hz3::is_power_of_two(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  const hz3::KeepErrno keep;
  void* p = hz3::allocate_aligned(alignment, size);
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}

HZ3_PUBLIC void* valloc(size_t size) noexcept {
  return hz3::allocate_aligned(hz3::os::system_page_size(), size);
}

HZ3_PUBLIC void* pvalloc(size_t size) noexcept {
  const size_t page = hz3::os::system_page_size();
  if (size > hz3::kSizeLimit) return hz3::detail::out_of_memory();
  return hz3::allocate_aligned(page, size == 0 ? page : (size + page - 1) & ~(page - 1));
}

HZ3_PUBLIC void* reallocarray(void* p, size_t count, size_t size) noexcept {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return hz3::detail::out_of_memory();
  return hz3::reallocate(p, bytes);
}

// glibc's second set of names for the same functions, which programs with malloc wrappers of their
// own call; memory from one set is freed through the other.
HZ3_ALIAS("hz3_malloc") void* __libc_malloc(size_t size) noexcept;
HZ3_ALIAS("hz3_free") void __libc_free(void* p) noexcept;
HZ3_ALIAS("hz3_free") void __libc_cfree(void* p) noexcept;
HZ3_ALIAS("hz3_calloc") void* __libc_calloc(size_t count, size_t size) noexcept;
HZ3_ALIAS("hz3_realloc") void* __libc_realloc(void* p, size_t size) noexcept;
HZ3_ALIAS("memalign") void* __libc_memalign(size_t alignment, size_t size) noexcept;
HZ3_ALIAS("valloc") void* __libc_valloc(size_t size) noexcept;
HZ3_ALIAS("pvalloc") void* __libc_pvalloc(size_t size) noexcept;
HZ3_ALIAS("posix_memalign")
int __posix_memalign(void** out, size_t alignment, size_t size) noexcept;

// C23. The sizes are hints that hz3 does not need; box S333 compares them.
HZ3_PUBLIC void free_sized(void* p, size_t size) noexcept { hz3::deallocate_sized(p, size); }
HZ3_PUBLIC void free_aligned_sized(void* p, size_t, size_t size) noexcept {
  hz3::deallocate_sized(p, size);
}

// As jemalloc and tcmalloc have it: the usable size of a block of `size` bytes, 0 if there is none.
// Of the flags only the alignment (its logarithm, in the lowest six bits) makes a difference.
HZ3_PUBLIC size_t nallocx(size_t size, int flags) noexcept {
  return hz3::good_size(size, size_t{1} << (flags & 63));
}
}
