// Box S334, HZ3_S334_GUARD_EVERY. One request of a page or less in about so many gets a page of its
// own between two pages that nobody may touch. A read or write past such a block, and any use of it
// after its free, stops the program at that instruction, with one line; so a fleet of programs
// finds what a canary sees too late or never (the idea is that of GWP-ASan).
//
// The block lies at the end of its page, in every second slot at the start, so that both directions
// are seen. A freed slot stays out of reach until all others had their turn. There are kSlots of
// them; while all are live nothing is sampled.
//
// The line is written by a handler of SIGSEGV. It is installed with the first guarded block and
// only where the program has none; a program that installs one later gets the signal as any other.
//
// Invariants (under the lock): a slot's page is accessible exactly while it is live; the pool, once
// open, stays. Whether a pointer lies in the pool is read without the lock.
#pragma once

#include <signal.h>

#include <atomic>

#include "heap/canary.hpp"
#include "os/clock.hpp"
#include "os/environment.hpp"

namespace hz3 {

inline constexpr bool kHasGuards = flag::S334_GUARD_EVERY > 0;

class GuardedPool {
 public:
  bool contains(const void* p) const {
    const std::uintptr_t base = base_.load(std::memory_order_acquire);
    return base != 0 && reinterpret_cast<std::uintptr_t>(p) - base < bytes();
  }

  // A block of `size` bytes at a multiple of 16; nullptr if there is no slot, or it is too large.
  void* allocate(std::size_t size) {
    if (size > os::kPageSize) return nullptr;
    os::LockGuard guard(lock_);
    if (!open_locked()) return nullptr;
    for (std::uint32_t tries = 0; tries < kSlots; ++tries) {
      const std::uint32_t n = next_;
      next_ = (next_ + 1) % kSlots;
      if (slots_[n].state == State::kLive) continue;
      char* page = page_of_slot(n);
      if (!os::commit(page, os::g_system_page)) return nullptr;
      std::size_t room = size == 0 ? 16 : (size + 15) & ~std::size_t{15};
      char* block = n % 2 == 0 ? page + os::g_system_page - room : page;
      if (block == page && room + kCanaryMost <= os::g_system_page) room += kCanaryMost;
      slots_[n] = {block, size, room, State::kLive};
      std::memset(block + size, detail::canary_byte(), room - size);
      return block;
    }
    return nullptr;
  }

  // The size of the live block that starts at p, which lies in the pool; else the program stops.
  std::size_t check(void* p) {
    os::LockGuard guard(lock_);
    return slots_[check_locked(p)].size;
  }

  void release(void* p) {
    os::LockGuard guard(lock_);
    const std::uint32_t n = check_locked(p);
    slots_[n].state = State::kFreed;
    (void)!os::purge(page_of_slot(n), os::g_system_page);
    os::forbid(page_of_slot(n), os::g_system_page);
  }

  // Whether a live block can hold `size` bytes where it lies; then it does.
  bool resize(void* p, std::size_t size) {
    os::LockGuard guard(lock_);
    Slot& slot = slots_[check_locked(p)];
    const std::size_t room = slot.room;
    if (size > room) return false;
    std::memset(slot.block + size, detail::canary_byte(), room - size);
    slot.size = size;
    return true;
  }

  // In a forked child. A slot that a dead thread was changing is in nobody's hands, and stays so.
  void repair_child() { lock_.reset(); }

  // The last words for an access to what nobody may touch. No lock: the thread may hold it.
  [[noreturn]] void stop_access(void* p) {
    const std::uint32_t n = slot_of(p);
    const std::uint32_t other = n + 1 < kSlots && is_guard(p) ? n + 1 : n;
    if (is_guard(p)) {
      const bool before = slots_[other].state == State::kLive && slots_[n].state != State::kLive;
      stop(before ? "access in front of a block" : "access past the end of a block", p,
           slots_[before ? other : n]);
    }
    stop(slots_[n].state == State::kFreed ? "use of a freed block" : "access to no block", p,
         slots_[n]);
  }

 private:
  static constexpr std::uint32_t kSlots = 128;
  enum class State : std::uint8_t { kUnused, kLive, kFreed };
  struct Slot {
    char* block;
    std::size_t size;  // what the program asked for
    std::size_t room;  // the bytes up to here are the block's or watched
    State state;
  };

  // A guard page, then every slot's page and a guard page behind it.
  static std::size_t bytes() { return (2 * kSlots + 1) * os::g_system_page; }
  char* page_of_slot(std::uint32_t n) const {
    return reinterpret_cast<char*>(base_.load(std::memory_order_relaxed)) +
           (2 * n + 1) * os::g_system_page;
  }
  std::size_t page_number(const void* p) const {
    return (reinterpret_cast<std::uintptr_t>(p) - base_.load(std::memory_order_relaxed)) /
           os::g_system_page;
  }
  bool is_guard(const void* p) const { return page_number(p) % 2 == 0; }
  // The slot of a page, or the one in front of a guard page.
  std::uint32_t slot_of(const void* p) const {
    const std::size_t page = page_number(p);
    return page == 0 ? 0 : static_cast<std::uint32_t>((page - 1) / 2);
  }
  // The slot of the live block that starts at p; the program stops if there is none, with the lock
  // free, because a handler of SIGABRT may allocate.
  std::uint32_t check_locked(void* p) {
    const std::uint32_t n = slot_of(p);
    const Slot slot = slots_[n];
    const char* wrong = nullptr;
    if (slot.state == State::kFreed) {
      wrong = "double free: the block is free already";
    } else if (slot.state == State::kUnused || slot.block != p) {
      wrong = "invalid free: no block starts here";
    } else {
      for (std::size_t i = slot.size; i < slot.room; ++i) {
        if (slot.block[i] != static_cast<char>(detail::canary_byte()))
          wrong = "write past the end of a block";
      }
    }
    if (wrong == nullptr) return n;
    lock_.unlock();
    stop(wrong, p, slot);
  }

  bool open_locked() {
    if (base_.load(std::memory_order_relaxed) != 0) return true;
    void* p = os::reserve(bytes());
    if (p == nullptr) return false;
    base_.store(reinterpret_cast<std::uintptr_t>(p), std::memory_order_release);
    install_handler();
    return true;
  }

  [[noreturn]] static void stop(const char* what, void* p, const Slot& slot) {
    LineWriter line;
    line.text("hz3: ").text(what).text("; pointer ").hex(reinterpret_cast<std::uintptr_t>(p));
    line.text(", guarded block of ").decimal(slot.size).text(" bytes, run of one page, block at ");
    line.hex(reinterpret_cast<std::uintptr_t>(slot.block)).write_to(STDERR_FILENO);
    std::abort();
  }

  static void on_fault(int, siginfo_t* info, void*);
  static void install_handler() {
    struct sigaction old {};
    if (::sigaction(SIGSEGV, nullptr, &old) != 0 || old.sa_handler != SIG_DFL ||
        (old.sa_flags & SA_SIGINFO) != 0)
      return;
    struct sigaction ours {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    ::sigaction(SIGSEGV, &ours, nullptr);
  }

  os::Lock lock_;
  std::atomic<std::uintptr_t> base_{0};
  std::uint32_t next_ = 0;
  Slot slots_[kSlots] = {};
};

inline constinit GuardedPool g_guarded;

// Any other fault is the program's own: without the handler it happens again.
inline void GuardedPool::on_fault(int number, siginfo_t* info, void*) {
  if (info->si_code > 0 && g_guarded.contains(info->si_addr)) g_guarded.stop_access(info->si_addr);
  ::signal(number, SIG_DFL);
  if (info->si_code <= 0) ::raise(number);
}

// Requests of this thread until the next one is guarded. A thread's first request only draws, so
// that short-lived threads do not take a slot each.
inline constinit thread_local std::uint32_t t_until_guarded [[gnu::tls_model("initial-exec")]] = 0;
inline constinit thread_local bool t_has_drawn [[gnu::tls_model("initial-exec")]] = false;

namespace detail {

// Draws how many requests pass until the next one, every value up to twice the mean.
inline std::uint32_t draw_distance(std::uint64_t every) {
  std::uint64_t x =
      os::g_secret + reinterpret_cast<std::uintptr_t>(&t_until_guarded) + os::now_ms();
  x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9;
  x ^= x >> 29;
  return static_cast<std::uint32_t>(every <= 1 ? 0 : x % (2 * every));
}

[[gnu::noinline, gnu::cold]] inline void* take_guarded(std::size_t size) {
  t_until_guarded = 0;
  // Page size and secret are known when the map is published.
  if (__atomic_load_n(&g_page_map, __ATOMIC_ACQUIRE) == &kNoPageMap) return nullptr;
  read_environment_once();
  const int saved_errno = errno;
  const std::uint64_t every = knob::value(knob::Name::guard_every);
  t_until_guarded = every == 0 ? UINT32_MAX : draw_distance(every);
  void* block = every != 0 && t_has_drawn ? g_guarded.allocate(size) : nullptr;
  t_has_drawn = true;
  errno = saved_errno;
  return block;
}

}  // namespace detail

// A guarded block if it is this request's turn, else nullptr.
inline void* sample_guarded(std::size_t size) {
  if constexpr (kHasGuards) {
    if (t_until_guarded-- == 0) [[unlikely]]
      return detail::take_guarded(size);
  }
  return nullptr;
}

inline bool is_guarded(const void* p) {
  if constexpr (kHasGuards) return g_guarded.contains(p);
  return false;
}

}  // namespace hz3
