// See series.hpp.
#include "series.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <utility>

#include "clock.hpp"
#include "error.hpp"

namespace hz3::runner {
namespace {

constexpr size_t kMostSamples = size_t{1} << 24;
constexpr size_t kRoomForMarks = size_t{1} << 16;
// Touched in advance; the rest is faulted in a page per 64 samples, by the runner alone.
constexpr size_t kReadySamples = size_t{1} << 14;

void put_cell(std::FILE* file, int64_t value) {
  if (value == kNotMeasured) {
    std::fputc(',', file);
  } else {
    std::fprintf(file, ",%" PRId64, value);
  }
}

void put_row(std::FILE* file, const Sample& sample, const std::vector<Mark>& marks) {
  std::fprintf(file, "%.3f", static_cast<double>(sample.t_ns) / kNsPerMs);
  for (const int64_t value : {sample.rss_kb, sample.vms_kb, sample.pss_kb, sample.uss_kb,
                              sample.lazyfree_kb, sample.anon_huge_kb}) {
    put_cell(file, value);
  }
  if (sample.mark < 0) {
    std::fputs(",,\n", file);
  } else {
    const Mark& mark = marks[static_cast<size_t>(sample.mark)];
    std::fprintf(file, ",%s,%" PRId64 "\n", mark.phase.c_str(), mark.cycle);
  }
}

}  // namespace

int64_t Deadlines::take(int64_t now_ns) {
  const int64_t reached = (now_ns - start_ns_) / period_ns_;
  const int64_t missed = reached - next_;
  next_ = reached + 1;
  return missed;
}

void Deadlines::skip(int64_t now_ns) {
  if (due(now_ns)) take(now_ns);
}

SampleBuffer::SampleBuffer(size_t capacity) : capacity_(capacity) {
  void* const memory = mmap(nullptr, capacity * sizeof(Sample), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw cannot("reserve the sample buffer");
  madvise(memory, std::min(capacity, kReadySamples) * sizeof(Sample), MADV_POPULATE_WRITE);
  samples_ = static_cast<Sample*>(memory);
}

SampleBuffer::SampleBuffer(SampleBuffer&& other) noexcept { *this = std::move(other); }

SampleBuffer& SampleBuffer::operator=(SampleBuffer&& other) noexcept {
  std::swap(samples_, other.samples_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

SampleBuffer::~SampleBuffer() {
  if (samples_ != nullptr) munmap(samples_, capacity_ * sizeof(Sample));
}

bool SampleBuffer::push(Sample sample) {
  if (size_ == capacity_) return false;
  if (size_ > 0) sample.t_ns = std::max(sample.t_ns, samples_[size_ - 1].t_ns);
  samples_[size_++] = sample;
  return true;
}

size_t capacity_for(double timeout_s, double sample_ms) {
  if (sample_ms <= 0) return kRoomForMarks;
  const double samples = timeout_s * 1000 / sample_ms + static_cast<double>(kRoomForMarks);
  return static_cast<size_t>(std::min(samples, static_cast<double>(kMostSamples)));
}

void write_csv(const std::string& path, const SampleBuffer& samples,
               const std::vector<Mark>& marks) {
  std::FILE* const file = std::fopen(path.c_str(), "we");
  if (file == nullptr) throw cannot("write " + path);
  std::fputs("t_ms,rss_kb,vms_kb,pss_kb,uss_kb,lazyfree_kb,anon_huge_kb,phase,cycle\n", file);
  for (const Sample& sample : samples) put_row(file, sample, marks);
  // Output is buffered, so a full disk may show at any write and at the last flush only.
  errno = 0;
  const bool failed = std::fflush(file) != 0 || std::ferror(file) != 0;
  const int error = errno != 0 ? errno : ENOSPC;
  if (std::fclose(file) != 0 || failed) throw cannot("write " + path, error);
}

}  // namespace hz3::runner
