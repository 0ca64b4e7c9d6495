// See ledger.hpp.
#include "ledger.hpp"

#include <algorithm>
#include <utility>

namespace hz3::runner {

void Ledger::close(const Share& share) {
  seen_ |= share.found;
  const Found missing = expected_ & ~share.found;
  if (missing == 0 || (share.replaced && added_later_ && !share.decisive)) return;
  Unproven& entry = lacking_[{share.program, share.why}];
  entry.program = share.program;
  entry.why = share.why;
  entry.missing |= missing;
  entry.processes++;
  entry.cpu_ns += share.cpu_ns;
  entry.peak_kb = std::max(entry.peak_kb, share.peak_kb);
  entry.decisive |= share.decisive;
}

void Ledger::judge(int64_t cpu_ns, int64_t peak_kb) {
  int64_t lacking_ns = 0;
  for (const auto& [key, entry] : lacking_) lacking_ns += entry.cpu_ns;
  proved_ = seen_ & expected_;
  for (auto& [key, entry] : lacking_) {
    entry.counts = entry.decisive || lacking_ns * 100 > cpu_ns * kCpuPercent ||
                   entry.peak_kb * 100 > peak_kb * kPeakPercent;
    if (entry.counts) proved_ &= ~entry.missing;
  }
}

std::vector<Unproven> Ledger::unproven() const {
  std::vector<Unproven> list;
  for (const auto& [key, entry] : lacking_) list.push_back(entry);
  return list;
}

}  // namespace hz3::runner
