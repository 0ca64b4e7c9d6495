// Reading small files of /proc. They have no size in advance and may vanish with their process at
// any moment, so a failed read is an ordinary answer and not an error.
#pragma once

#include <optional>
#include <string>

namespace hz3::runner {

// The whole text, or nothing when it cannot be opened or read.
std::optional<std::string> read_proc(const std::string& path);

}  // namespace hz3::runner
