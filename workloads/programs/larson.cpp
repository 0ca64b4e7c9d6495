// larson: the server of Larson and Krishnan with malloc and free; see larson.h for the shape.

#include "programs/larson.h"

namespace {

struct Malloc {
  static void* take(std::size_t bytes, workload::Tally& tally) {
    return workload::take(bytes, tally);
  }
  static void give(void* object, std::size_t, workload::Tally& tally) {
    workload::give(object, tally);
  }
};

}  // namespace

int main(int argc, char** argv) {
  workload::Larson<Malloc> larson(workload::larson_arguments(argc, argv));
  return larson.run();
}
