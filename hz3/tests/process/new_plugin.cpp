// The C++ part of new_host: what operator new does without memory, in an object that brought the
// C++ runtime with it.
#include <cstddef>
#include <new>

namespace {

constexpr std::size_t kTooMuch = std::size_t{1} << 62;
constexpr std::align_val_t kPage{4096};

volatile std::size_t g_size = kTooMuch;
int g_handled = 0;

// The second call gives up, as a handler does that has nothing left to release.
void give_up_later() {
  if (++g_handled == 2) std::set_new_handler(nullptr);
}
void throw_seven() { throw 7; }

template <typename Exception, typename Attempt>
bool throws(Attempt attempt) {
  try {
    attempt();
  } catch (const Exception&) {
    return true;
  } catch (...) {
  }
  return false;
}

void plain() { ::operator delete(::operator new(g_size)); }
void array() { ::operator delete[](::operator new[](g_size)); }
void aligned() { ::operator delete(::operator new(g_size, kPage), kPage); }

bool nothrow_is_null() {
  return ::operator new(g_size, std::nothrow) == nullptr&& ::operator new[](g_size, std::nothrow) ==
         nullptr&& ::operator new(g_size, kPage, std::nothrow) == nullptr;
}

}  // namespace

// nullptr, or what is wrong.
extern "C" const char* plugin_complaint() {
  for (int round = 0; round < 2; ++round) {
    if (!throws<std::bad_alloc>(plain)) return "operator new did not throw bad_alloc";
    if (!throws<std::bad_alloc>(array)) return "operator new[] did not throw bad_alloc";
    if (!throws<std::bad_alloc>(aligned)) return "aligned operator new did not throw bad_alloc";
    if (!nothrow_is_null()) return "the nothrow form is not null";
    g_handled = 0;
    std::set_new_handler(give_up_later);
    if (!throws<std::bad_alloc>(plain) || g_handled != 2) return "the handler was not called twice";
    std::set_new_handler(throw_seven);
    if (!throws<int>(plain) || !throws<int>(aligned)) return "what the handler threw was lost";
    if (!nothrow_is_null()) return "the nothrow form let through what the handler threw";
    std::set_new_handler(nullptr);
  }
  return nullptr;
}
