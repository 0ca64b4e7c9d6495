// See proof.hpp.
#include "proof.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "error.hpp"
#include "fd.hpp"
#include "proc_text.hpp"

namespace hz3::runner {
namespace {

std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

template <typename Visit>
void for_each_mapping(std::string_view maps, Visit visit) {
  while (!maps.empty()) {
    const std::string_view line = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(line.size() + 1, maps.size()));
    Mapping mapping;
    if (parse_mapping(line, mapping)) visit(mapping);
  }
}

// Device and inode of `full_path` as this kernel shows them in maps.
void identify(const std::string& full_path, MappedFile& file) {
  const Fd fd(open(full_path.c_str(), O_RDONLY | O_CLOEXEC));
  void* const page = fd ? mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, fd.get(), 0) : MAP_FAILED;
  if (page == MAP_FAILED) {
    throw RunnerError(kBadJob, "bad job: library " + full_path + ": " + std::strerror(errno));
  }
  const std::string maps = read_proc("/proc/self/maps").value_or("");
  for_each_mapping(maps, [&](const Mapping& mapping) {
    if (mapping.start != reinterpret_cast<uint64_t>(page)) return;
    file.dev = mapping.dev;
    file.inode = mapping.inode;
  });
  munmap(page, 1);
  if (file.inode == 0) {
    throw RunnerError(kCannotMeasure, "cannot find " + full_path + " in /proc/self/maps");
  }
}

}  // namespace

bool parse_mapping(std::string_view line, Mapping& mapping) {
  const std::string_view range = take_word(line);
  const std::string_view permissions = take_word(line);
  take_word(line);  // offset
  mapping.dev = take_word(line);
  const std::string_view inode = take_word(line);
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos || permissions.size() != 4 || inode.empty()) return false;
  mapping.executable = permissions[2] == 'x';
  const auto start = std::from_chars(range.data(), range.data() + dash, mapping.start, 16);
  const auto number = std::from_chars(inode.data(), inode.data() + inode.size(), mapping.inode);
  return start.ec == std::errc{} && number.ec == std::errc{};
}

Proof::Proof(const std::vector<std::string>& paths, const std::string& cwd) {
  if (paths.size() > kMostLibraries) {
    throw RunnerError(kBadJob, "bad job: `expect_mapped` names more than " +
                                   std::to_string(kMostLibraries) + " libraries");
  }
  for (const std::string& path : paths) {
    MappedFile file;
    file.path = path;
    identify(path.starts_with('/') ? path : cwd + "/" + path, file);
    files_.push_back(std::move(file));
  }
}

Found Proof::all() const {
  return files_.size() == kMostLibraries ? ~Found{0} : (Found{1} << files_.size()) - 1;
}

Found Proof::look(pid_t pid) const {
  Found found = 0;
  if (files_.empty()) return found;
  const auto maps = read_proc("/proc/" + std::to_string(pid) + "/maps");
  if (!maps) return found;
  for_each_mapping(*maps, [&](const Mapping& mapping) {
    if (!mapping.executable || mapping.inode == 0) return;
    for (size_t i = 0; i < files_.size(); i++) {
      if (mapping.inode == files_[i].inode && mapping.dev == files_[i].dev) found |= Found{1} << i;
    }
  });
  return found;
}

}  // namespace hz3::runner
