// See job.hpp.
#include "job.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "counters.hpp"
#include "error.hpp"

namespace hz3::runner {
namespace {

using Json = nlohmann::json;

constexpr double kLongestTimeoutS = 30 * 86400.0;
constexpr double kShortestSampleMs = 0.1;

constexpr std::array<std::string_view, 18> kKeys = {
    "argv",      "env",          "cwd",         "preload",         "expect_mapped",
    "cpus",      "sampler_cpus", "timeout_s",   "rlimit_as_bytes", "sample_ms",
    "pss_every", "stdin",        "stdout_path", "stderr_path",     "csv_path",
    "clear_thp", "count_calls",  "counters"};

[[noreturn]] void bad(const std::string& message) {
  throw RunnerError(kBadJob, "bad job: " + message);
}

std::string string_of(const Json& value, const std::string& key) {
  if (!value.is_string()) bad("`" + key + "` must be a string");
  std::string text = value.get<std::string>();
  if (text.find('\0') != std::string::npos) bad("`" + key + "` contains a NUL character");
  return text;
}

std::vector<std::string> strings_of(const Json& value, const std::string& key) {
  if (!value.is_array()) bad("`" + key + "` must be a list of strings");
  std::vector<std::string> out;
  for (size_t i = 0; i < value.size(); i++) {
    out.push_back(string_of(value[i], key + "[" + std::to_string(i) + "]"));
  }
  return out;
}

std::vector<int> cpus_of(const Json& value, const std::string& key) {
  if (!value.is_array()) bad("`" + key + "` must be a list of CPU numbers");
  std::vector<int> out;
  for (const Json& cpu : value) {
    if (!cpu.is_number_integer() || cpu.get<int64_t>() < 0 || cpu.get<int64_t>() >= CPU_SETSIZE) {
      bad("`" + key + "` must hold CPU numbers from 0 to " + std::to_string(CPU_SETSIZE - 1));
    }
    out.push_back(cpu.get<int>());
  }
  return out;
}

double number_of(const Json& value, const std::string& key, double low, double high) {
  if (!value.is_number()) bad("`" + key + "` must be a number");
  const double number = value.get<double>();
  if (!(number >= low && number <= high)) {
    bad("`" + key + "` is " + value.dump() + "; it must be from " + Json(low).dump() + " to " +
        Json(high).dump());
  }
  return number;
}

std::vector<std::string> env_of(const Json& value) {
  if (!value.is_object()) bad("`env` must be an object of strings, the complete environment");
  std::vector<std::string> out;
  for (const auto& [name, text] : value.items()) {
    if (name.empty() || name.find('=') != std::string::npos) bad("`env` has a bad name: " + name);
    if (name == "HZ_RESULT_FD" || name == "HZ_PHASE_FD") {
      bad("`env` sets " + name + ", which the runner sets itself; leave it out");
    }
    out.push_back(name + "=" + string_of(text, "env." + name));
  }
  return out;
}

bool bool_of(const Json& value, const std::string& key) {
  if (!value.is_boolean()) bad("`" + key + "` must be true or false");
  return value.get<bool>();
}

std::vector<std::string> counters_of(const Json& value, const std::string& key) {
  std::vector<std::string> names = strings_of(value, key);
  for (const std::string& name : names) {
    if (find_counter(name) == nullptr) bad("`" + key + "` names no counter: " + name);
  }
  return names;
}

Stream stream_of(const Json& value, const std::string& key) {
  Stream stream;
  if (value.is_number_integer()) {
    stream.inherited_fd = static_cast<int>(number_of(value, key, 0, 1 << 20));
  } else {
    stream.path = string_of(value, key);
  }
  return stream;
}

void check_preload(const Job& job) {
  if (job.preload.empty()) return;
  if (job.preload.find_first_of(" :") != std::string::npos) {
    bad("`preload` holds a space or a colon, at which the dynamic linker would split it; copy " +
        job.preload + " to a path without them");
  }
  if (job.preload.find('/') == std::string::npos) {
    bad("`preload` must be a path with a slash; the linker would search for " + job.preload);
  }
  if (env_value(job.env, "LD_PRELOAD").data() != nullptr) {
    bad("`preload` and `env.LD_PRELOAD` are both given; keep one");
  }
}

// Keys that need no more than a conversion; null stands for the default.
void read_key(Job& job, const std::string& key, const Json& value) {
  if (key == "argv") job.argv = strings_of(value, key);
  if (key == "env") job.env = env_of(value);
  if (key == "cwd") job.cwd = string_of(value, key);
  if (key == "preload") job.preload = string_of(value, key);
  if (key == "expect_mapped") job.expect_mapped = strings_of(value, key);
  if (key == "cpus") job.cpus = cpus_of(value, key);
  if (key == "sampler_cpus") job.sampler_cpus = cpus_of(value, key);
  if (key == "timeout_s") job.timeout_s = number_of(value, key, 0.001, kLongestTimeoutS);
  if (key == "rlimit_as_bytes") {
    job.rlimit_as_bytes = static_cast<uint64_t>(number_of(value, key, 1, 0x1p60));
  }
  if (key == "sample_ms") {
    job.sample_ms = number_of(value, key, 0, 3.6e6);
    if (job.sample_ms > 0 && job.sample_ms < kShortestSampleMs) {
      bad("`sample_ms` is below " + Json(kShortestSampleMs).dump() + "; 0 turns the series off");
    }
  }
  if (key == "pss_every") {
    if (!value.is_number_integer()) bad("`pss_every` must be a whole number");
    job.pss_every = static_cast<int>(number_of(value, key, 0, 1e9));
  }
  if (key == "stdin") job.input = stream_of(value, key);
  if (key == "stdout_path") job.output = stream_of(value, key);
  if (key == "stderr_path") job.errors = stream_of(value, key);
  if (key == "csv_path") job.csv_path = string_of(value, key);
  if (key == "clear_thp") job.clear_thp = bool_of(value, key);
  if (key == "count_calls") job.count_calls = bool_of(value, key);
  if (key == "counters") job.counters = counters_of(value, key);
}

Json parse_text(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    bad(std::string("not JSON: ") + error.what());
  }
}

}  // namespace

std::string_view env_value(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& entry : env) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return std::string_view(entry).substr(name.size() + 1);
    }
  }
  return {};
}

Job parse_job(std::string_view text) {
  const Json root = parse_text(text);
  if (!root.is_object()) bad("the job must be one JSON object");
  for (const auto& [key, value] : root.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) bad("unknown key `" + key + "`");
  }
  for (const char* key : {"argv", "env", "timeout_s"}) {
    if (!root.contains(key) || root[key].is_null()) bad(std::string("`") + key + "` is missing");
  }
  Job job;
  for (const auto& [key, value] : root.items()) {
    if (!value.is_null()) read_key(job, key, value);
  }
  if (job.argv.empty() || job.argv[0].empty()) bad("`argv` must name a program");
  check_preload(job);
  const auto& expected = job.expect_mapped;
  if (!job.preload.empty() &&
      std::find(expected.begin(), expected.end(), job.preload) == expected.end()) {
    job.expect_mapped.insert(job.expect_mapped.begin(), job.preload);
  }
  return job;
}

}  // namespace hz3::runner
