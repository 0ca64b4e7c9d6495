// operator new and delete in all their forms, and the new_handler protocol: a failing new calls the
// handler again and again until memory appears, the handler is taken away, or the handler throws.
#include <cstdlib>
#include <new>

#include "../support/check.h"
#include "../support/child.h"
#include "../support/pattern.h"
#include "conformance.h"

namespace hz3_test {

namespace {

constexpr std::align_val_t kAlignments[] = {
    std::align_val_t{1},    std::align_val_t{8},     std::align_val_t{16},
    std::align_val_t{32},   std::align_val_t{64},    std::align_val_t{256},
    std::align_val_t{4096}, std::align_val_t{65536}, std::align_val_t{4 << 20}};

void check_block(const char* form, void* block, size_t size, size_t alignment) {
  CHECK(block != nullptr, "%s of %zu bytes returned null", form, size);
  CHECK(aligned_to(block, alignment), "%s of %zu bytes returned %p, want alignment %zu", form, size,
        block, alignment);
  if (block != nullptr) memset(block, 0x3c, size);
}

// One block of each way to make it, released by each way to release it.
void check_plain_forms(size_t size) {
  using New = void* (*)(size_t);
  constexpr New kNews[] = {[](size_t n) { return ::operator new(n); },
                           [](size_t n) { return ::operator new(n, std::nothrow); },
                           [](size_t n) { return ::operator new[](n); },
                           [](size_t n) { return ::operator new[](n, std::nothrow); }};
  using Delete = void (*)(void*, size_t);
  constexpr Delete kDeletes[] = {[](void* p, size_t) { ::operator delete(p); },
                                 [](void* p, size_t n) { ::operator delete(p, n); },
                                 [](void* p, size_t) { ::operator delete(p, std::nothrow); },
                                 [](void* p, size_t) { ::operator delete[](p); },
                                 [](void* p, size_t n) { ::operator delete[](p, n); },
                                 [](void* p, size_t) { ::operator delete[](p, std::nothrow); }};
  for (size_t maker = 0; maker < 4; ++maker) {
    for (size_t i = 0; i < 3; ++i) {
      void* block = kNews[maker](opaque(size));
      check_block("operator new", block, size, alignment_of(size));
      errno = 99;
      kDeletes[maker < 2 ? i : i + 3](block, size);
      CHECK(errno == 99, "operator delete changed errno to %d", errno);
    }
  }
}

void check_aligned_forms(size_t size, std::align_val_t alignment) {
  using New = void* (*)(size_t, std::align_val_t);
  constexpr New kNews[] = {
      [](size_t n, std::align_val_t a) { return ::operator new(n, a); },
      [](size_t n, std::align_val_t a) { return ::operator new(n, a, std::nothrow); },
      [](size_t n, std::align_val_t a) { return ::operator new[](n, a); },
      [](size_t n, std::align_val_t a) { return ::operator new[](n, a, std::nothrow); }};
  using Delete = void (*)(void*, size_t, std::align_val_t);
  constexpr Delete kDeletes[] = {
      [](void* p, size_t, std::align_val_t a) { ::operator delete(p, a); },
      [](void* p, size_t n, std::align_val_t a) { ::operator delete(p, n, a); },
      [](void* p, size_t, std::align_val_t a) { ::operator delete(p, a, std::nothrow); },
      [](void* p, size_t, std::align_val_t a) { ::operator delete[](p, a); },
      [](void* p, size_t n, std::align_val_t a) { ::operator delete[](p, n, a); },
      [](void* p, size_t, std::align_val_t a) { ::operator delete[](p, a, std::nothrow); }};
  for (size_t maker = 0; maker < 4; ++maker) {
    for (size_t i = 0; i < 3; ++i) {
      void* block = kNews[maker](opaque(size), alignment);
      check_block("aligned operator new", block, size, static_cast<size_t>(alignment));
      kDeletes[maker < 2 ? i : i + 3](block, size, alignment);
    }
  }
}

template <typename Make>
bool throws_bad_alloc(Make make, void** made = nullptr) {
  try {
    void* block = make();
    if (made != nullptr) *made = block;
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

void check_throwing() {
  for (const size_t size : kImpossibleSizes) {
    const size_t n = opaque(size);
    const std::align_val_t a{64};
    CHECK(throws_bad_alloc([&] { return ::operator new(n); }), "operator new(%#zx) did not throw",
          size);
    CHECK(throws_bad_alloc([&] { return ::operator new[](n); }),
          "operator new[](%#zx) did not throw", size);
    CHECK(::operator new(n, std::nothrow) == nullptr&& ::operator new[](n, std::nothrow) == nullptr,
          "a nothrow operator new(%#zx) did not return null", size);
    if (!g_strict && size > SIZE_MAX - 64) continue;
    CHECK(throws_bad_alloc([&] { return ::operator new(n, a); }),
          "aligned operator new(%#zx) did not throw", size);
    CHECK(throws_bad_alloc([&] { return ::operator new[](n, a); }),
          "aligned operator new[](%#zx) did not throw", size);
    CHECK(::operator new(n, a, std::nothrow) == nullptr&& ::operator new[](n, a, std::nothrow) ==
              nullptr,
          "an aligned nothrow operator new(%#zx) did not return null", size);
  }
}

int g_handler_calls = 0;

void give_up_at_third_call() {
  if (++g_handler_calls == 3) std::set_new_handler(nullptr);
}

void throw_at_once() {
  ++g_handler_calls;
  throw std::bad_alloc();
}

// The handler is asked each time anew: the failing request must come back after it.
void check_handler_loop(const char* form, void* (*make)(size_t), bool expect_throw) {
  g_handler_calls = 0;
  std::set_new_handler(give_up_at_third_call);
  void* block = nullptr;
  const bool threw = throws_bad_alloc([&] { return make(opaque(SIZE_MAX / 2 + 100)); }, &block);
  std::set_new_handler(nullptr);
  CHECK(block == nullptr && threw == expect_throw, "%s with a handler: returned %p, threw %d", form,
        block, threw);
  CHECK(g_handler_calls == 3, "%s called the new_handler %d times, want 3", form, g_handler_calls);
}

// A handler that throws: passed on by the throwing forms, turned into null by the others. In a
// child, because the wrong answer to it is std::terminate.
void check_throwing_handler(const char* form, void* (*make)(size_t), bool expect_throw) {
  const ChildEnd end = run_child(
      [&] {
        std::set_new_handler(throw_at_once);
        void* block = nullptr;
        const bool threw =
            throws_bad_alloc([&] { return make(opaque(SIZE_MAX / 2 + 100)); }, &block);
        return block == nullptr && threw == expect_throw ? 0 : 1;
      },
      20, true);
  CHECK(end.ok(), "%s whose handler throws: %s %d, want %s", form, end.how(), end.status,
        expect_throw ? "the exception" : "null");
}

}  // namespace

void check_operator_new() {
  void* first = ::operator new(opaque<size_t>(0));
  void* second = ::operator new(opaque<size_t>(0));
  CHECK(first != nullptr && first != second, "operator new(0) returned %p and %p", first, second);
  ::operator delete(first);
  ::operator delete(second);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{16}, size_t{100}, size_t{2048},
                            size_t{5000}, size_t{300000}, size_t{3} << 20}) {
    check_plain_forms(size);
    for (const std::align_val_t alignment : kAlignments) check_aligned_forms(size, alignment);
  }
  check_throwing();
}

void check_operator_delete() {
  const std::align_val_t a{64};
  ::operator delete(nullptr);
  ::operator delete[](nullptr);
  ::operator delete (nullptr, size_t{8});
  ::operator delete[](nullptr, size_t{8});
  ::operator delete(nullptr, a);
  ::operator delete[](nullptr, a);
  ::operator delete (nullptr, size_t{8}, a);
  ::operator delete[](nullptr, size_t{8}, a);
  ::operator delete(nullptr, std::nothrow);
  ::operator delete[](nullptr, std::nothrow);
}

void check_new_handler() {
  struct Form {
    const char* name;
    void* (*make)(size_t);
    bool throws;
  };
  constexpr std::align_val_t kAligned{64};
  constexpr Form kForms[] = {
      {"operator new", [](size_t n) { return ::operator new(n); }, true},
      {"operator new[]", [](size_t n) { return ::operator new[](n); }, true},
      {"aligned operator new", [](size_t n) { return ::operator new(n, kAligned); }, true},
      {"aligned operator new[]", [](size_t n) { return ::operator new[](n, kAligned); }, true},
      {"nothrow new", [](size_t n) { return ::operator new(n, std::nothrow); }, false},
      {"nothrow new[]", [](size_t n) { return ::operator new[](n, std::nothrow); }, false},
      {"aligned nothrow new", [](size_t n) { return ::operator new(n, kAligned, std::nothrow); },
       false}};
  for (const Form& form : kForms) {
    check_handler_loop(form.name, form.make, form.throws);
    check_throwing_handler(form.name, form.make, form.throws);
  }
}

}  // namespace hz3_test
