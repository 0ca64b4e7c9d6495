// xmalloc_test: threads that only allocate feeding threads that only free.
//
// Models the malloc-test of Lever and Boreham ("malloc() Performance in a Multithreaded Linux
// Environment", USENIX 2000) in the form that suites run: allocating threads fill batches of 120
// objects and put them into one shared queue; freeing threads take whole batches out. No thread
// ever frees what it allocated. Sizes: the steps 8, 12, 16, 24, 32, … 512, or one size. First and
// last byte are written. One op is one object's malloc and free; the figure is ops_per_s.

#include <pthread.h>

#include "common/args.h"
#include "common/crew.h"
#include "common/report.h"
#include "common/sizes.h"
#include "common/touch.h"

namespace workload {
namespace {

constexpr int kBatch = 120;

struct Batch {
  Batch* next;
  void* objects[kBatch];
};

// A bounded queue of batches between all threads. The lock is taken once in 120 objects.
class BatchQueue {
 public:
  explicit BatchQueue(std::size_t batches) : pool_(batches) {
    for (std::size_t i = 0; i < batches; ++i) push(empty_, &pool_[i]);
  }
  Batch* take_empty() { return take(empty_, freed_); }
  Batch* take_full() { return take(full_, filled_); }
  void put_empty(Batch* batch) { put(empty_, freed_, batch); }
  void put_full(Batch* batch) { put(full_, filled_, batch); }
  // From now on nobody waits: take returns null when there is nothing.
  void close() {
    pthread_mutex_lock(&lock_);
    closed_ = true;
    pthread_cond_broadcast(&freed_);
    pthread_cond_broadcast(&filled_);
    pthread_mutex_unlock(&lock_);
  }

 private:
  static void push(Batch*& list, Batch* batch) {
    batch->next = list;
    list = batch;
  }
  Batch* take(Batch*& list, pthread_cond_t& more) {
    pthread_mutex_lock(&lock_);
    while (list == nullptr && !closed_) pthread_cond_wait(&more, &lock_);
    Batch* batch = list;
    if (batch != nullptr) list = batch->next;
    pthread_mutex_unlock(&lock_);
    return batch;
  }
  void put(Batch*& list, pthread_cond_t& more, Batch* batch) {
    pthread_mutex_lock(&lock_);
    push(list, batch);
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock_);
  }

  Table<Batch> pool_;
  pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t freed_ = PTHREAD_COND_INITIALIZER, filled_ = PTHREAD_COND_INITIALIZER;
  Batch* empty_ = nullptr;
  Batch* full_ = nullptr;
  bool closed_ = false;
};

std::size_t step_size(Random& random) {
  const std::uint32_t step = random.below(13);  // 8 12 16 24 … 384 512
  return (step % 2 ? std::size_t{12} : std::size_t{8}) << (step / 2);
}

class XmallocTest {
 public:
  XmallocTest(unsigned pairs, std::size_t size)
      : size_(size), queue_(std::size_t{pairs} * 8), tallies_(2 * std::size_t{pairs}) {}

  void prepare(unsigned) {}
  void work(unsigned index) {
    if (index % 2 == 0) {
      allocate(index);
    } else {
      release(tallies_[index]);
    }
  }
  // Batches still queued when time was up; their frees are not part of the figure.
  void clean(unsigned index) {
    if (index == 0) release(leftovers_);
  }

  BatchQueue& queue() { return queue_; }
  Tally measured() const { return sum(tallies_); }
  const Tally& leftovers() const { return leftovers_; }
  StopFlag stop;

 private:
  void allocate(unsigned index) {
    Random random(index);
    Tally tally;
    while (!stop.raised()) {
      Batch* batch = queue_.take_empty();
      if (batch == nullptr) break;
      for (void*& object : batch->objects) {
        const std::size_t bytes = size_ != 0 ? size_ : step_size(random);
        object = take(bytes, tally);
        touch_ends(object, bytes);
      }
      queue_.put_full(batch);
    }
    tallies_[index].add(tally);
  }

  void release(Tally& into) {
    Tally tally;
    while (Batch* batch = queue_.take_full()) {
      for (void* object : batch->objects) give(object, tally);
      if (stop.raised()) continue;
      queue_.put_empty(batch);
    }
    into.add(tally);
  }

  const std::size_t size_;
  BatchQueue queue_;
  Table<Tally> tallies_;
  Tally leftovers_;
};

}  // namespace
}  // namespace workload

int main(int argc, char** argv) {
  using namespace workload;
  Args args(argc, argv,
            "pairs seconds [size]\n"
            "  pairs  allocating threads, and as many freeing ones\n"
            "  size   bytes of every object; 0: mixed, 8 to 512 (0)");
  const auto pairs = static_cast<unsigned>(args.number("pairs", 1, 512));
  const std::uint64_t run_ns = args.seconds("seconds");
  const std::size_t size = args.number_or("size", 0, 1u << 24, 0);
  args.finish();
  Phases phases;
  Team team(2 * pairs);
  XmallocTest shape(pairs, size);
  Stopwatch measured;
  run_measured(team, shape, phases, measured, [&] {
    sleep_until_ns(wall_ns() + run_ns);
    shape.stop.raise();
    shape.queue().close();
  });
  Tally tally = shape.measured();
  const std::uint64_t ops = tally.frees;
  tally.add(shape.leftovers());
  Result result;
  report(result, ops, "objects", measured, tally);
  result.write();
  return 0;
}
