// A library that counts as an allocator: it hands malloc on to the C library and tells its speed.
#include <cstddef>
#include <cstdio>

namespace {
static_assert(!hz3::flag::FAKE_BROKEN, "HZ3_FAKE_BROKEN was asked to break the build");
}

__attribute__((section(".hz3.build"), used)) extern const char hz3_fake_record[hz3::kBuildRecordBytes];
const char hz3_fake_record[hz3::kBuildRecordBytes] = HZ3_BUILD_RECORD;

extern "C" {
void* __libc_malloc(size_t size);
void __libc_free(void* block);

__attribute__((visibility("default"))) void* malloc(size_t size) { return __libc_malloc(size); }
__attribute__((visibility("default"))) void free(void* block) { __libc_free(block); }
__attribute__((visibility("default"))) long hz3_fake_speed() { return hz3::flag::FAKE_SPEED; }
__attribute__((destructor)) void tell() {
  std::fprintf(stderr, "[FAKE_STATS] fired=%ld tag=none\n", static_cast<long>(hz3::flag::FAKE_SPEED) / 100 - 1);
}
}
