// The time series of one run: when to sample, and where samples stay until the run is over.
//
// Deadlines are absolute (start + k · period), so a late sample does not delay the ones after it; a
// deadline that passed unserved is counted instead of being made up for. The buffer is one mapping
// made before the workload starts: storing a sample never allocates and never writes to disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "marks.hpp"

namespace hz3::runner {

class Deadlines {
 public:
  Deadlines() = default;  // none, ever
  Deadlines(int64_t start_ns, int64_t period_ns) : start_ns_(start_ns), period_ns_(period_ns) {}

  bool any() const { return period_ns_ > 0; }
  int64_t next_ns() const { return start_ns_ + next_ * period_ns_; }
  bool due(int64_t now_ns) const { return any() && now_ns >= next_ns(); }

  // Serves the deadline that is due; returns how many later ones have passed as well.
  int64_t take(int64_t now_ns);
  // Leaves out every deadline up to now: the workload was held, so there was nothing to see.
  void skip(int64_t now_ns);

 private:
  int64_t start_ns_ = 0;
  int64_t period_ns_ = 0;
  int64_t next_ = 0;
};

inline constexpr int64_t kNotMeasured = -1;

struct Sample {
  int64_t t_ns = 0;  // since exec
  int64_t rss_kb = kNotMeasured;
  int64_t vms_kb = kNotMeasured;
  int64_t pss_kb = kNotMeasured;
  int64_t uss_kb = kNotMeasured;
  int64_t lazyfree_kb = kNotMeasured;
  int64_t anon_huge_kb = kNotMeasured;
  int64_t mark = -1;  // index of the mark that began the phase this state belongs to
};

class SampleBuffer {
 public:
  SampleBuffer() = default;
  explicit SampleBuffer(size_t capacity);  // throws RunnerError
  SampleBuffer(SampleBuffer&& other) noexcept;
  SampleBuffer& operator=(SampleBuffer&& other) noexcept;
  ~SampleBuffer();

  // False when full; the sample is dropped. A time before the last one is moved up to it.
  bool push(Sample sample);
  const Sample* begin() const { return samples_; }
  const Sample* end() const { return samples_ + size_; }

 private:
  Sample* samples_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Room for every sample of a run of `timeout_s`, within reason (1 GiB of address space).
size_t capacity_for(double timeout_s, double sample_ms);

// Writes the columns t_ms,rss_kb,vms_kb,pss_kb,uss_kb,lazyfree_kb,anon_huge_kb,phase,cycle; a value
// that was not measured is an empty cell. Throws RunnerError when the file cannot be kept.
void write_csv(const std::string& path, const SampleBuffer& samples,
               const std::vector<Mark>& marks);

}  // namespace hz3::runner
