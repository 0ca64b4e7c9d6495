// A program without a dynamic linker: LD_PRELOAD has no effect on it and says nothing about that.
// With an argument it touches that many MiB first.
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  if (argc < 2) return 0;
  const size_t bytes = std::strtoul(argv[1], nullptr, 10) << 20;
  char* const memory = static_cast<char*>(std::malloc(bytes));
  if (memory == nullptr) return 1;
  std::memset(memory, 1, bytes);
  return memory[bytes - 1] != 1;
}
