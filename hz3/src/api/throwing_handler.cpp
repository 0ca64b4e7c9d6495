// Calling a new-handler from the forms of operator new that must not throw ([new.delete.single]):
// what the handler throws is caught and means "no memory". The only file of hz3 that is compiled
// with exceptions; the C++ runtime stays optional because every reference to it is weak.
namespace hz3 {

using NewHandler = void (*)();

// False if the handler threw.
bool call_handler_without_throwing(NewHandler handler) noexcept;

bool call_handler_without_throwing(NewHandler handler) noexcept {
  try {
    handler();
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace hz3

asm(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n.weak "
    "_ZSt9terminatev");
