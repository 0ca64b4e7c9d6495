#include "common/result.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "common/args.h"
#include "common/clocks.h"
#include "common/heap.h"
#include "common/phase.h"
#include "common/say.h"

namespace workload {

Result::Result() : fd_(descriptor_from_environment("HZ_RESULT_FD")) {
  append("{\"program\":");
  quoted(program_name());
}

void Result::append(const char* format, ...) {
  va_list list;
  va_start(list, format);
  const unsigned room = sizeof line_ - length_;
  const int added = std::vsnprintf(line_ + length_, room, format, list);
  va_end(list);
  if (added < 0 || static_cast<unsigned>(added) >= room) {
    complain("result longer than %zu bytes", sizeof line_);
    std::abort();
  }
  length_ += static_cast<unsigned>(added);
}

void Result::quoted(const char* value) {
  append("\"");
  for (; *value != '\0'; ++value) {
    const unsigned char c = static_cast<unsigned char>(*value);
    if (c == '"' || c == '\\') {
      append("\\%c", c);
    } else if (c < 0x20) {
      append("\\u%04x", c);
    } else {
      append("%c", c);
    }
  }
  append("\"");
}

void Result::key(const char* name) {
  append(",");
  quoted(name);
  append(":");
}

void Result::number(const char* name, std::uint64_t value) {
  key(name);
  append("%llu", static_cast<unsigned long long>(value));
}

void Result::number(const char* name, double value) {
  if (!std::isfinite(value)) return;
  key(name);
  append("%.9g", value);
}

void Result::text(const char* name, const char* value) {
  key(name);
  quoted(value);
}

void Result::rates(std::uint64_t ops, const Stopwatch& measured) {
  const double count = static_cast<double>(ops);
  number("ops", ops);
  number("elapsed_ns", measured.wall());
  number("ops_per_s", count * 1e9 / static_cast<double>(measured.wall()));
  number("ns_per_op", static_cast<double>(measured.wall()) / count);
  number("cpu_ns", measured.cpu());
  number("ops_per_cpu_s", count * 1e9 / static_cast<double>(measured.cpu()));
}

void Result::calls(const Tally& tally) {
  number("allocs", tally.allocs);
  number("frees", tally.frees);
  number("requested_bytes", tally.requested_bytes);
  number("alloc_fail", std::uint64_t{0});
}

void Result::write() {
  append("}\n");
  if (fd_ >= 0 && !write_all(fd_, line_, length_)) {
    complain("result not written");
    std::exit(kExitUsage);
  }
}

}  // namespace workload
