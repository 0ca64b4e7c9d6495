// The report on SIGUSR2, for a program that cannot be asked otherwise: on stderr, when the knob
// report_on_sigusr2 says so, 1 for the page, 2 for JSON.
//
// The handler writes the report itself, so an idle program answers too. It may have interrupted
// anything, so it allocates nothing, waits for no lock (a census of Busy::kSkip: what the
// interrupted thread holds is counted as missed), and touches nothing of the heap but its books. It
// blocks every signal while it runs, for while it holds a lock no other handler may leave by a
// jump. Two at once make one report. In a forked child that has not used the heap yet it says so.
//
// A program that has a handler of its own when the library is loaded, or sets one later, keeps it.
#pragma once

#include <csignal>

#include "observe/memory_page.hpp"

namespace hz3 {

namespace detail {

inline constinit std::atomic<bool> g_reporting{false};
inline constinit MemoryReport g_signal_report{};  // not on a stack that may be small

inline void report_on_signal(int) {
  const int saved = errno;
  const std::uint64_t form = knob::value(knob::Name::report_on_sigusr2);
  if (os::is_fresh_child()) {
    LineWriter line;
    line.text("hz3: this forked process has not used the heap yet").write_to(STDERR_FILENO);
  } else if (form != 0 && !g_reporting.exchange(true)) {
    take_report(g_signal_report, Busy::kSkip);
    if (form == 2)
      write_json(g_signal_report, STDERR_FILENO);
    else
      write_page(g_signal_report, STDERR_FILENO, true);
    g_reporting.store(false);
  }
  errno = saved;
}

}  // namespace detail

// Once, when the environment has been read, and when the knob is set.
inline void install_report_signal() {
  if (knob::value(knob::Name::report_on_sigusr2) == 0) return;
  struct sigaction old {};
  if (::sigaction(SIGUSR2, nullptr, &old) != 0 || (old.sa_flags & SA_SIGINFO) != 0 ||
      old.sa_handler != SIG_DFL)
    return;
  struct sigaction ours {};
  ours.sa_handler = detail::report_on_signal;
  ours.sa_flags = SA_RESTART;
  sigfillset(&ours.sa_mask);
  ::sigaction(SIGUSR2, &ours, nullptr);
}

// In a forked child: the thread that was writing may not exist.
inline void repair_report_in_child() { detail::g_reporting.store(false); }

}  // namespace hz3
