#include "micro/bridge.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "common/args.h"
#include "common/phase.h"
#include "common/result.h"
#include "common/say.h"

namespace {

class Collector : public benchmark::ConsoleReporter {
 public:
  Collector() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.error_occurred) failed_ = true;
      if (run.error_occurred || run.run_type != Run::RT_Iteration) continue;
      const auto items = run.counters.find("items_per_second");
      const double ns = items != run.counters.end()
                            ? 1e9 / items->second.value
                            : run.real_accumulated_time * 1e9 / static_cast<double>(run.iterations);
      ns_[key_of(run.run_name)].push_back(ns);
    }
  }

  void write() {
    workload::Result result;
    for (auto& [name, values] : ns_) {
      std::sort(values.begin(), values.end());
      const std::size_t middle = values.size() / 2;
      const double median =
          values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
      result.number(name.c_str(), median);
    }
    result.write();
  }

  bool empty() const { return ns_.empty(); }
  bool failed() const { return failed_; }

 private:
  // Without the settings (iterations, kind of time) that the full name carries.
  static std::string key_of(const benchmark::BenchmarkName& name) {
    return name.args.empty() ? name.function_name : name.function_name + "/" + name.args;
  }

  std::map<std::string, std::vector<double>> ns_;
  bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  const char* slash = std::strrchr(argv[0], '/');
  workload::set_program_name(slash ? slash + 1 : argv[0]);
  // A twentieth of a second is enough for a call of some nanoseconds; an argument overrides it.
  std::vector<char*> arguments(argv, argv + argc);
  char min_time[] = "--benchmark_min_time=0.05";
  arguments.insert(arguments.begin() + 1, min_time);
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return workload::kExitUsage;
  workload::Phases phases;
  phases.mark("run", 1);
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  phases.end();
  if (collector.empty()) {
    workload::complain("no benchmark was run");
    return workload::kExitUsage;
  }
  collector.write();
  return collector.failed() ? 1 : 0;
}
