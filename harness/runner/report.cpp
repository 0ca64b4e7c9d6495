// See report.hpp.
#include "report.hpp"

#include <nlohmann/json.hpp>

#include "clock.hpp"

namespace hz3::runner {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json milliseconds(int64_t ns) { return static_cast<double>(ns / 1000) / 1000.0; }

Json result_of(Report& report) {
  if (report.result.empty()) return nullptr;
  if (report.result.size() >= kLongestResult) {
    report.note("the workload's result is longer than 1 MiB");
    return nullptr;
  }
  Json result = Json::parse(report.result, nullptr, false);
  if (!result.is_object()) {
    report.note("the workload's result is not one JSON object");
    return nullptr;
  }
  return result;
}

Json mapped_of(const Report& report) {
  Json list = Json::array();
  for (const MappedFile& file : report.mapped) {
    list.push_back({{"path", file.path},
                    {"inode", file.inode},
                    {"dev", file.dev},
                    {"found", file.found},
                    {"seen_at", file.seen_at != nullptr ? Json(file.seen_at) : Json(nullptr)}});
  }
  return list;
}

Json unproven_of(const Report& report) {
  Json list = Json::array();
  for (const Unproven& entry : report.unproven) {
    Json libraries = Json::array();
    for (size_t i = 0; i < report.mapped.size(); i++) {
      if ((entry.missing >> i & 1) != 0) libraries.push_back(report.mapped[i].path);
    }
    list.push_back({{"program", entry.program.empty() ? Json(nullptr) : Json(entry.program)},
                    {"why", entry.why},
                    {"libraries", std::move(libraries)},
                    {"processes", entry.processes},
                    {"cpu_ns", entry.cpu_ns},
                    {"peak_kb", entry.peak_kb},
                    {"counts", entry.counts}});
  }
  return list;
}

Json tree_of(const TreeTotals& tree) {
  return {{"followed", tree.followed},     {"processes", tree.processes},
          {"unfollowed", tree.unfollowed}, {"unfollowed_cpu_ns", tree.unfollowed_cpu_ns},
          {"helpers", tree.helpers},       {"helper_cpu_ns", tree.helper_cpu_ns}};
}

Json sampler_of(const SamplerPlace& sampler) {
  return {
      {"workload_cpus", sampler.workload_cpus}, {"cpus", sampler.cpus}, {"ran_on", sampler.ran_on}};
}

Json marks_of(const Report& report) {
  Json list = Json::array();
  for (size_t i = 0; i < report.marks.size(); i++) {
    const auto& memory = report.readings[i].memory;
    const auto figure = [&](int64_t Rollup::*field) {
      return memory ? Json((*memory).*field) : Json(nullptr);
    };
    list.push_back({{"t_ms", milliseconds(report.readings[i].t_ns)},
                    {"phase", report.marks[i].phase},
                    {"cycle", report.marks[i].cycle},
                    {"rss_kb", figure(&Rollup::rss_kb)},
                    {"pss_kb", figure(&Rollup::pss_kb)},
                    {"uss_kb", figure(&Rollup::uss_kb)},
                    {"lazyfree_kb", figure(&Rollup::lazyfree_kb)},
                    {"anon_huge_kb", figure(&Rollup::anon_huge_kb)}});
  }
  return list;
}

Json calls_of(const Report& report) {
  if (!report.calls) return nullptr;
  Json object = Json::object();
  for (size_t i = 0; i < kCountedCalls.size(); i++)
    object[kCountedCalls[i].name] = (*report.calls)[i];
  return object;
}

Json counters_of(const Report& report) {
  Json object = Json::object();
  for (const CounterFigure& figure : report.counters) object[figure.name] = or_null(figure.count);
  return object;
}

void put_usage(Json& line, const std::optional<Usage>& usage) {
  const auto put = [&](const char* key, int64_t Usage::*field) {
    line[key] = usage ? Json((*usage).*field) : Json(nullptr);
  };
  put("user_ns", &Usage::user_ns);
  put("sys_ns", &Usage::sys_ns);
  put("minflt", &Usage::minflt);
  put("majflt", &Usage::majflt);
  put("nvcsw", &Usage::nvcsw);
  put("nivcsw", &Usage::nivcsw);
  put("max_rss_kb", &Usage::max_rss_kb);
}

}  // namespace

std::string to_line(Report& report) {
  Json result = result_of(report);
  Json line;
  line["schema"] = 1;
  line["ok"] = report.ok();
  line["error"] = report.error.empty() ? Json(nullptr) : Json(report.error);
  line["exit_status"] = or_null(report.exit_status);
  line["signal"] = or_null(report.signal);
  line["timed_out"] = report.timed_out;
  line["interrupted"] = report.interrupted;
  line["wall_ns"] = or_null(report.wall_ns);
  line["held_ns"] = or_null(report.held_ns);
  put_usage(line, report.usage);
  line["peak_rss_kb"] = or_null(report.peak_rss_kb);
  line["mapped"] = mapped_of(report);
  line["unproven"] = unproven_of(report);
  line["tree"] = tree_of(report.tree);
  line["marks"] = marks_of(report);
  line["result"] = std::move(result);
  line["samples"] = report.samples;
  line["missed_deadlines"] = report.missed_deadlines;
  line["leftover_processes"] = or_null(report.leftover_processes);
  line["runner_cpu_ns"] = or_null(report.runner_cpu_ns);
  line["sampler_shared"] = report.sampler.shared;
  line["sampler"] = sampler_of(report.sampler);
  line["calls"] = calls_of(report);
  line["counters"] = counters_of(report);
  line["machine"] = {{"steal_ms", or_null(report.machine.steal_ms)},
                     {"psi_cpu_some_us", or_null(report.machine.psi_cpu_some_us)},
                     {"psi_mem_some_us", or_null(report.machine.psi_mem_some_us)},
                     {"psi_io_some_us", or_null(report.machine.psi_io_some_us)},
                     {"load1", or_null(report.machine.load1)},
                     {"handover_ns", or_null(report.handover_before_ns)},
                     {"handover_after_ns", or_null(report.handover_after_ns)}};
  // A name that is not UTF-8 is shown with replacement characters rather than losing the line.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hz3::runner
