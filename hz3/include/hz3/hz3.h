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
#include <stdint.h>

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

/* Where the memory went. hz3_stats_print writes one page for a person on stderr: what is reserved and
 * resident, and where: live, cached by level, free with memory and without, by size class.
 * hz3_stats_write does so on a descriptor, with a table by shard if asked for; hz3_stats_json writes
 * all of it as one line of JSON. Return 0, or -1 when not all could be written. Every byte is counted
 * once; exact while no other thread allocates, a fair sample otherwise. They need no memory. */
enum { HZ3_STATS_SHARDS = 1 };
void hz3_stats_print(void);
int hz3_stats_write(int fd, int options);
int hz3_stats_json(int fd);

/* The build record: one line of JSON with variant, every flag's value, compiler, options and
 * commit. The same text stands in the library's section .hz3.build. Never NULL, never freed. */
const char* hz3_build_info(void);

/* Knobs are the numbers that can be turned while a program runs; hz3/FLAGS.md lists them with their
 * ranges and meanings. Each starts at the value of a flag of the build, or at that of the
 * environment variable HZ3_<NAME> when the program started. Names are lower case, such as
 * "large_cache_bytes". */
enum {
  HZ3_KNOB_SET = 0,         /* done */
  HZ3_KNOB_UNKNOWN = 1,     /* this build has no knob of that name */
  HZ3_KNOB_OUT_OF_RANGE = 2 /* the knob stays as it was */
};

struct hz3_knob {
  const char* name;
  const char* environment; /* the variable it is read from at start */
  const char* meaning;
  uint64_t minimum;
  uint64_t maximum;
  uint64_t initial; /* of this build */
  uint64_t value;   /* now */
};

/* Sets a knob, for the next policy that looks at it, or reads it into *value. Return one of the
 * codes above. */
int hz3_knob_set(const char* name, uint64_t value);
int hz3_knob_get(const char* name, uint64_t* value);

/* Describes this build's knobs in knobs[0] to knobs[room - 1] and returns how many there are, which
 * may be more than fit. The texts are never freed. */
size_t hz3_knob_list(struct hz3_knob* knobs, size_t room);

#ifdef __cplusplus
}
#endif

#endif
