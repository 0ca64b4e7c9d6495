// Bookkeeping memory: tables from mmap, so that a program's own data is never the allocator's.
//
// Every table is entered in one list, and `bookkeeping_kb` asks the kernel how many of their pages
// are resident: what to take off an RSS figure to see the allocator alone. Tables are kept off huge
// pages, so that a small one cannot grow to 2 MiB of RSS in one arm and not in another.
// Construct, release and destroy tables from one thread; elements may be used from any.
#pragma once

#include <cstddef>
#include <cstdint>

namespace workload {

// Zeroed private pages; exits with status 1 when the kernel refuses.
void* map_bookkeeping(std::size_t bytes);
void unmap_bookkeeping(void* base, std::size_t bytes);
// Gives back the whole pages inside [base + from, base + to); they read as zero afterwards.
void release_bookkeeping(void* base, std::size_t from, std::size_t to);
// Rounded up to whole pages, at least one: what map_bookkeeping really maps.
std::size_t mapped_bytes(std::size_t bytes);
// Resident part of all living tables. Thread stacks are not in it: see Team.
std::uint64_t bookkeeping_kb();
// Resident part of one mapping.
std::uint64_t resident_kb(const void* base, std::size_t bytes);

template <class T>
class Table {
 public:
  explicit Table(std::size_t count)
      : base_(static_cast<T*>(map_bookkeeping(count * sizeof(T)))), count_(count) {}
  ~Table() { unmap_bookkeeping(base_, bytes()); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  T& operator[](std::size_t i) { return base_[i]; }
  const T& operator[](std::size_t i) const { return base_[i]; }
  T* data() { return base_; }
  std::size_t size() const { return count_; }
  // Forgets elements [first, last) as far as they fill whole pages; those read as zero afterwards.
  void release(std::size_t first, std::size_t last) {
    const std::size_t to = last == count_ ? mapped_bytes(bytes()) : last * sizeof(T);
    release_bookkeeping(base_, first * sizeof(T), to);
  }

 private:
  std::size_t bytes() const { return count_ * sizeof(T); }

  T* base_;
  std::size_t count_;
};

}  // namespace workload
