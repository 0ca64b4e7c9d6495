// See latency.h.
#include "common/latency.h"

#include <cerrno>
#include <cstdlib>

#include "common/args.h"
#include "common/say.h"

namespace workload {

std::uint32_t latency_every() {
  const char* text = std::getenv("HZ_LATENCY");
  if (text == nullptr) return 0;
  char* end = nullptr;
  errno = 0;
  const unsigned long every = std::strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || every < 1 || every > 1000000000) {
    complain("HZ_LATENCY is '%s'; one call in so many is timed, give a number from 1 to 1e9", text);
    std::_Exit(kExitUsage);
  }
  return static_cast<std::uint32_t>(every);
}

void Durations::add(const Durations& other) {
  for (unsigned step = 0; step < kSteps; ++step) counts_[step] += other.counts_[step];
  if (other.longest_ > longest_) longest_ = other.longest_;
}

std::uint64_t Durations::total() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts_) sum += count;
  return sum;
}

double Durations::lower_end(unsigned step) {
  if (step < kExact) return step;
  const unsigned shift = ((step - kExact) >> kStepBits) + 1;
  const std::uint64_t mantissa = (1u << kStepBits) + ((step - kExact) & ((1u << kStepBits) - 1));
  return static_cast<double>(mantissa << shift);
}

double Durations::quantile(double share) const {
  const double wanted = share * static_cast<double>(total());
  double below = 0;
  for (unsigned step = 0; step < kSteps; ++step) {
    const double here = static_cast<double>(counts_[step]);
    if (here > 0 && below + here >= wanted) {
      const double low = lower_end(step), high = lower_end(step + 1);
      const double at = low + (high - low) * (wanted - below) / here;
      const double most = static_cast<double>(longest_) + 1;
      return at < most ? at : most;
    }
    below += here;
  }
  return 0;
}

namespace {

struct Names {
  const char *p50, *p99, *p999, *max;
};

void report_durations(Result& result, const Durations& found, const Names& names) {
  if (found.total() == 0) return;
  result.number(names.p50, found.quantile(0.5));
  result.number(names.p99, found.quantile(0.99));
  result.number(names.p999, found.quantile(0.999));
  result.number(names.max, static_cast<double>(found.longest()));
}

}  // namespace

void report_latencies(Result& result, const Latencies& found) {
  report_durations(result, found.malloc,
                   {"malloc_p50_ns", "malloc_p99_ns", "malloc_p999_ns", "malloc_max_ns"});
  report_durations(result, found.free,
                   {"free_p50_ns", "free_p99_ns", "free_p999_ns", "free_max_ns"});
  result.number("timer_p50_ns", found.timer.quantile(0.5));
  result.number("latency_samples", found.malloc.total() + found.free.total());
}

}  // namespace workload
