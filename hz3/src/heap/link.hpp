// The link of a free block: its first word, which leads to the next free block of a list.
//
// Box S331, HZ3_S331_LINK_KEY. The link is encoded with the process's secret and the block's own
// address, and whoever follows it looks at what comes out. A program that writes to a block it has
// freed spoils the link; that is noticed when the block is next handed out or moved, before an
// address of the program's choice can be handed out.
//
// The multiplication carries a change of any byte up to the highest, and one of the highest byte
// stays there; so what a partial write leaves points out of the window as surely as noise does: it
// passes once in 2^28.
#pragma once

#include <cstdint>

#include "heap/page_map.hpp"
#include "os/secret.hpp"

namespace hz3 {

// Stops the program: the link of `block`, which is free, was written to. In misuse.hpp.
[[noreturn]] void stop_spoiled_link(void* block);

class EncodedLink {
 public:
  explicit EncodedLink(void* block) : word_(static_cast<std::uint64_t*>(block)) {}
  EncodedLink(const EncodedLink&) = default;

  operator void*() const {
    void* next = decode();
    if (next != nullptr && !may_be_block(next)) [[unlikely]]
      stop_spoiled_link(word_);
    return next;
  }
  EncodedLink& operator=(void* next) {
    *word_ = (reinterpret_cast<std::uintptr_t>(next) ^ mask()) * kFactor;
    return *this;
  }
  EncodedLink& operator=(const EncodedLink& other) { return *this = static_cast<void*>(other); }

  // What the link says, whatever that is.
  void* decode() const { return reinterpret_cast<void*>((*word_ * kInverse) ^ mask()); }

 private:
  static constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15;
  static constexpr std::uint64_t kInverse = 0xf1de83e19937733d;
  static_assert(kFactor * kInverse == 1);

  std::uint64_t mask() const { return os::g_secret ^ reinterpret_cast<std::uintptr_t>(word_); }
  static bool may_be_block(const void* p) {
    const PageMap* map = g_page_map;
    return map->page_of(p) < map->pages && reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
  }

  std::uint64_t* word_;
};

// The link of a free block, to be read and written.
inline decltype(auto) link_of(void* block) {
  if constexpr (flag::S331_LINK_KEY)
    return EncodedLink(block);
  else
    return (*static_cast<void**>(block));
}

// The same read where it may be anything: in a forked child.
inline void* unchecked_link_of(void* block) {
  if constexpr (flag::S331_LINK_KEY)
    return EncodedLink(block).decode();
  else
    return *static_cast<void**>(block);
}

}  // namespace hz3
