// A wish: how many blocks somebody wants, and how many he can take.
#pragma once

#include <cstdint>

namespace hz3 {

struct Wish {
  std::uint32_t wanted;
  std::uint32_t most;  // at least `wanted`
};

}  // namespace hz3
