// What hz3 says when a program misuses the heap: one line on stderr with what is wrong, the
// pointer, and whatever of class, run and block the heap knows of the place; then abort.
#pragma once

#include <dlfcn.h>

#include "heap/large.hpp"
#include "heap/shard.hpp"

namespace hz3 {

namespace detail {

inline void describe_run(LineWriter& line, Segment& segment, const void* p) {
  const std::uint32_t page = page_in_segment(p);
  if (page < kHeaderPages) {
    line.text(", in the header of a segment");
  } else if (segment.free_bits.test(page)) {
    line.text(", in a free page, no run has it");
  } else {
    const Run& run = run_of(segment, p);
    const SizeClass& info = kSizeClasses[run.size_class];
    const char* start = page_address(segment, first_page(segment, run));
    const auto offset = static_cast<std::size_t>(static_cast<const char*>(p) - start);
    line.text(", class of ").decimal(info.size).text(" bytes, run at ");
    line.hex(reinterpret_cast<std::uintptr_t>(start)).text(", block at ");
    line.hex(reinterpret_cast<std::uintptr_t>(start) + offset / info.size * info.size);
  }
}

inline void describe_large(LineWriter& line, const Arena& arena, std::uintptr_t address) {
  std::size_t slot = &arena == &g_arenas.window ? arena.slot_of(address) : 0;
  while (slot > 0 && kind_of(arena.table[slot]) == SlotKind::kLargeTail) --slot;
  const Slot& head = arena.table[slot];
  const bool live = kind_of(head) == SlotKind::kLargeHead;
  if (!live && kind_of(head) != SlotKind::kLargeCached) {
    line.text(", in a part of the heap that no block has");
    return;
  }
  line.text(live ? ", large block of " : ", freed large block of ").decimal(size_of(head));
  line.text(" bytes, block at ").hex(reinterpret_cast<std::uintptr_t>(arena.address(slot)));
}

// Where p lies. Reads what other threads may be changing: a last word may be wrong, not dangerous.
[[gnu::no_sanitize("thread")]] inline void describe_place(LineWriter& line, void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  line.text("; pointer ").hex(address);
  Arena* arena = find_arena(p);
  Dl_info object{};
  if (arena == nullptr) {
    line.text(", outside the heap");
    if (::dladdr(p, &object) != 0 && object.dli_fname != nullptr)
      line.text(", in ").text(object.dli_fname);
  } else if (arena == &g_arenas.window &&
             kind_of(arena->table[arena->slot_of(address)]) == SlotKind::kSegment) {
    describe_run(line, segment_of(p), p);
  } else {
    describe_large(line, *arena, address);
  }
}

}  // namespace detail

[[noreturn, gnu::cold, gnu::noinline]] inline void stop_misuse(const char* what, void* p) {
  LineWriter line;
  line.text("hz3: ").text(what);
  detail::describe_place(line, p);
  line.write_to(STDERR_FILENO);
  std::abort();
}

// The same with two numbers of bytes, which `what` and `against` name.
[[noreturn, gnu::cold, gnu::noinline]] inline void stop_misuse(const char* what, std::size_t bytes,
                                                               const char* against,
                                                               std::size_t others, void* p) {
  LineWriter line;
  line.text("hz3: ").text(what).decimal(bytes).text(against).decimal(others).text(" bytes");
  detail::describe_place(line, p);
  line.write_to(STDERR_FILENO);
  std::abort();
}

[[noreturn, gnu::cold, gnu::noinline]] inline void stop_spoiled_link(void* block) {
  stop_misuse("write to a freed block: its link is spoiled", block);
}

}  // namespace hz3
