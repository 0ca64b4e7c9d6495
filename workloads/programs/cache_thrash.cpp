// cache_thrash: active false sharing between small blocks; see cache_lines.h for the shape.
// Usual arguments: 1 1000 8 2000, and the same with as many threads as CPUs.

#include "programs/cache_lines.h"

int main(int argc, char** argv) { return workload::run_cache_lines(argc, argv, false); }
