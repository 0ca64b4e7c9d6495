/* hz3: a malloc for Linux that is quick and gives memory back.
 *
 * Preloaded or linked, the library replaces malloc, free and the rest of the family; a program
 * needs nothing from this header. It is for programs that want to call hz3 by its own names, tell
 * it that they are idle, or ask what build they run on. All functions may be called from any thread
 * at any time except from a signal handler that interrupted the allocator.
 */
#ifndef HZ3_HZ3_H
#define HZ3_HZ3_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As ISO C malloc, free, calloc, realloc and aligned_alloc, and glibc's malloc_usable_size. Failure
 * is NULL with errno ENOMEM (EINVAL for an alignment that is no power of two). Addresses are
 * multiples of 16. hz3_free keeps errno. hz3_realloc(p, 0) frees p and returns NULL. */
void* hz3_malloc(size_t size);
void hz3_free(void* p);
void* hz3_calloc(size_t count, size_t size);
void* hz3_realloc(void* p, size_t size);
void* hz3_aligned_alloc(size_t alignment, size_t size);
size_t hz3_usable_size(void* p);

/* Moves the process's epoch clock on by one and runs the calling thread's policies now, such as the
 * decay of its cache. For programs that know they are about to be idle; cheap, never blocks for
 * long. */
void hz3_epoch_force(void);

/* Gives back to the system whatever can be given back now: the calling thread's cache, and every
 * empty run of every shard. Returns 1 if any memory was returned, else 0. `pad` is ignored. */
int hz3_trim(size_t pad);

/* The build record: one line of JSON with variant, every flag's value, compiler, options and
 * commit. The same text stands in the library's section .hz3.build. Never NULL, never freed. */
const char* hz3_build_info(void);

#ifdef __cplusplus
}
#endif

#endif
