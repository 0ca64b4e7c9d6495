// larson: the server of Larson and Krishnan with malloc and free; see larson.h for the shape.

#include "programs/larson.h"

int main(int argc, char** argv) {
  workload::Larson<workload::Malloc> larson(workload::larson_arguments(argc, argv));
  return larson.run();
}
