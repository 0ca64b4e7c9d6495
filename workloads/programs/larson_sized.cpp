// larson_sized: the server of Larson and Krishnan with operator new and sized operator delete; see
// larson.h for the shape. Against larson it shows what an allocator gains from being told the size.
// Linked with the shared C++ library, so that a preloaded library's operators are the ones called.

#include <new>

#include "programs/larson.h"

namespace {

struct SizedNew {
  static void* take(std::size_t bytes, workload::Tally& tally) {
    void* object = ::operator new(bytes, std::nothrow);
    if (object == nullptr) [[unlikely]]
      workload::allocation_failed(bytes);
    ++tally.allocs;
    tally.requested_bytes += bytes;
    return object;
  }
  static void give(void* object, std::size_t bytes, workload::Tally& tally) {
    ::operator delete(object, bytes);
    ++tally.frees;
  }
};

}  // namespace

int main(int argc, char** argv) {
  workload::Larson<SizedNew> larson(workload::larson_arguments(argc, argv));
  return larson.run();
}
