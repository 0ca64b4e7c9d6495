// new_host local|global PLUGIN: a program without the C++ runtime (it is linked like C) loads a
// plugin that has one, for itself or for all, and lets it run out of memory: operator new must
// throw as it does in a C++ program.
#include <dlfcn.h>

#include <cstring>

#include "../support/check.h"

using namespace hz3_test;

int main(int argc, char** argv) {
  if (argc != 3 || (strcmp(argv[1], "local") != 0 && strcmp(argv[1], "global") != 0)) {
    say("usage: new_host local|global PLUGIN");
    return 2;
  }
  if (dlsym(RTLD_DEFAULT, "__cxa_throw") != nullptr) {
    say("the program has the C++ runtime before its plugin");
    return 3;
  }
  const int scope = strcmp(argv[1], "local") == 0 ? RTLD_LOCAL : RTLD_GLOBAL;
  for (int round = 0; round < 2; ++round) {
    void* plugin = dlopen(argv[2], RTLD_NOW | scope);
    CHECK(plugin != nullptr, "dlopen: %s", dlerror());
    if (plugin == nullptr) break;
    auto* complain = reinterpret_cast<const char* (*)()>(dlsym(plugin, "plugin_complaint"));
    const char* complaint = complain != nullptr ? complain() : "plugin_complaint is missing";
    CHECK(complaint == nullptr, "%s", complaint);
    dlclose(plugin);
  }
  return verdict();
}
