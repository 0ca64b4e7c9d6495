#include "common/args.h"

#include <cstdlib>
#include <cstring>

#include "common/say.h"

namespace workload {
namespace {

constexpr std::uint64_t kSecond = 1000000000ull;
constexpr std::uint64_t kDaySeconds = 86400;

bool parse_whole(const char* text, std::uint64_t* value) {
  unsigned base = 10;
  if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text += 2;
  }
  if (*text == '\0') return false;
  std::uint64_t sum = 0;
  for (; *text != '\0'; ++text) {
    unsigned digit;
    if (*text >= '0' && *text <= '9') {
      digit = static_cast<unsigned>(*text - '0');
    } else if (base == 16 && *text >= 'a' && *text <= 'f') {
      digit = static_cast<unsigned>(*text - 'a') + 10;
    } else if (base == 16 && *text >= 'A' && *text <= 'F') {
      digit = static_cast<unsigned>(*text - 'A') + 10;
    } else {
      return false;
    }
    if (__builtin_mul_overflow(sum, base, &sum) || __builtin_add_overflow(sum, digit, &sum)) {
      return false;
    }
  }
  *value = sum;
  return true;
}

// Decimal seconds to nanoseconds by hand: strtod would read "inf", "1e9" and the locale's comma.
bool parse_seconds(const char* text, std::uint64_t* ns) {
  std::uint64_t whole = 0, fraction = 0, scale = kSecond;
  bool digits = false;
  for (; *text >= '0' && *text <= '9'; ++text, digits = true) {
    whole = whole * 10 + static_cast<unsigned>(*text - '0');
    if (whole > kDaySeconds) return false;
  }
  if (*text == '.') {
    for (++text; *text >= '0' && *text <= '9'; ++text, digits = true) {
      scale /= 10;
      fraction += scale * static_cast<unsigned>(*text - '0');
    }
  }
  *ns = whole * kSecond + fraction;
  return digits && *text == '\0';
}

const char* base_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash ? slash + 1 : path;
}

}  // namespace

Args::Args(int argc, char** argv, const char* usage)
    : argc_(argc),
      argv_(argv),
      usage_(usage),
      program_(argc > 0 ? base_name(argv[0]) : "workload") {
  set_program_name(program_);
  if (argc > 1 && (!std::strcmp(argv[1], "-h") || !std::strcmp(argv[1], "--help"))) {
    say("usage: %s %s\n", program_, usage_);
    std::exit(0);
  }
}

void Args::fail(const char* name, const char* why) const {
  complain("%s: %s", name, why);
  print(2, "usage: %s %s\n", program_, usage_);
  std::exit(kExitUsage);
}

const char* Args::next(const char* name) {
  if (at_ >= argc_) fail(name, "argument missing");
  return argv_[at_++];
}

std::uint64_t Args::number(const char* name, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  if (!parse_whole(next(name), &value)) fail(name, "not a whole number");
  if (value < low || value > high) {
    complain("%s is %llu; it must be from %llu to %llu", name,
             static_cast<unsigned long long>(value), static_cast<unsigned long long>(low),
             static_cast<unsigned long long>(high));
    fail(name, "out of range");
  }
  return value;
}

std::uint64_t Args::number_or(const char* name, std::uint64_t low, std::uint64_t high,
                              std::uint64_t fallback) {
  return at_ < argc_ ? number(name, low, high) : fallback;
}

std::uint64_t Args::seconds(const char* name) {
  std::uint64_t ns = 0;
  if (!parse_seconds(next(name), &ns)) fail(name, "not a number of seconds up to a day");
  return ns;
}

std::size_t Args::word(const char* name, std::initializer_list<const char*> words) {
  const char* given = next(name);
  std::size_t index = 0;
  for (const char* candidate : words) {
    if (!std::strcmp(given, candidate)) return index;
    ++index;
  }
  fail(name, "not one of the words it may be");
}

void Args::finish() {
  if (at_ < argc_) fail(argv_[at_], "one argument too many");
}

}  // namespace workload
