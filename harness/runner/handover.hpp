// How far apart two processors are: the time a cache line needs from one to the other.
//
// A guest's virtual processors may share a core or a cache in one second and lie on two chips in
// the next, and the guest is not told. Programs whose threads hand memory to each other run up to
// three times as fast in the one state as in the other, whatever their allocator; so a run is kept
// together with the state it was made in.
#pragma once

#include <sched.h>

#include <cstdint>
#include <optional>

namespace hz3::runner {

// Nanoseconds for one way, the median over batches of round trips between the first two processors
// of `cpus`. Takes some milliseconds. Nothing with one processor, where the threads cannot be
// placed on them, or when these were too busy to answer in time. Starts and ends a thread of its
// own.
std::optional<int64_t> handover_ns(const cpu_set_t& cpus);

}  // namespace hz3::runner
