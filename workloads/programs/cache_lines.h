// Do blocks of different threads share a cache line? Shared by cache_scratch and cache_thrash.
//
// From Berger, McKinley, Blumofe and Wilson, "Hoard" (ASPLOS 2000). Every thread, `iters` times,
// allocates one small block, writes all of it `reps` times, and frees it. Writing a line that
// another thread also writes is some twenty times slower than writing one's own, so the time shows
// the sharing: actively caused when an allocator cuts one line up for several threads (thrash), or
// passively when a thread is given back a piece of such a line that it freed (scratch: the main
// thread allocates one block a thread from neighbouring addresses, and each thread frees its own
// before it starts). One op is one such block; the figure is ns_per_op.
#pragma once

namespace workload {

// `passive` selects cache_scratch. Reads the arguments itself; returns the exit status.
int run_cache_lines(int argc, char** argv, bool passive);

}  // namespace workload
