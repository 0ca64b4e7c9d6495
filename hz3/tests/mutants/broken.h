// A broken allocator for testing the tests: libc's malloc with a header in front of each block and
// one thing spoiled, chosen by the environment variable HZ3_BROKEN. A test that does not fail under
// its mutant proves nothing about hz3. Nothing chosen: nothing is broken.
//
//   overlap        now and then a small block in use is handed out a second time
//   misaligned     one block in 16 starts 8 bytes late; aligned requests get 16
//   dirty_calloc   calloc clears only the first half of blocks of 1000 bytes and more
//   lossy_realloc  realloc loses bytes 16 to 31 of the content
//   errno_free     free sets errno
//   quiet_enomem   a failed malloc leaves errno alone
//   usable         malloc_usable_size promises 64 bytes too many
//   overflow       calloc and reallocarray multiply without looking
//   abort_oom      a failed allocation stops the program
//   fork_deadlock  the lock around malloc is not released in the child of a fork
//   thread_leak    every thread leaves 64 KiB behind
//   dead_thread    a thread cannot allocate any more once its pthread-key destructor ran
//   foreign        realloc of a block of somebody else loses the content
#pragma once

#include <cstddef>

namespace hz3_test::broken {

void* allocate(size_t size);
void* allocate_zeroed(size_t count, size_t size);
void* allocate_aligned(size_t alignment, size_t size);
void* reallocate(void* block, size_t size);
void* reallocate_array(void* block, size_t count, size_t size);
void release(void* block);
size_t usable_size(void* block);

}  // namespace hz3_test::broken
