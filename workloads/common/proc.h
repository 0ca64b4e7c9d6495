// What the kernel says of this process, read without malloc.
#pragma once

#include <cstdint>

namespace workload {

// RSS from /proc/self/statm; 0 when it cannot be read.
std::uint64_t rss_kb();
// Copies a /proc file to `out_fd` through a static buffer; main thread only.
void copy_proc_file(const char* path, int out_fd);

}  // namespace workload
