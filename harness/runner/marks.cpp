// See marks.hpp.
#include "marks.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "error.hpp"

namespace hz3::runner {
namespace {

bool allowed_in_phase(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::strchr("_-.:", c) != nullptr;
}

bool whole_number(std::string_view text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= 0;
}

pid_t writer_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS) continue;
    ucred writer;
    std::memcpy(&writer, CMSG_DATA(part), sizeof writer);
    return writer.pid;
  }
  return 0;
}

}  // namespace

bool parse_mark(std::string_view line, Mark& mark) {
  const size_t first = line.find(' ');
  const size_t second = first == line.npos ? line.npos : line.find(' ', first + 1);
  if (second == line.npos) return false;
  const std::string_view phase = line.substr(first + 1, second - first - 1);
  if (phase.empty() || !std::all_of(phase.begin(), phase.end(), allowed_in_phase)) return false;
  mark.phase = phase;
  return whole_number(line.substr(0, first), mark.at_ns) &&
         whole_number(line.substr(second + 1), mark.cycle);
}

MarkChannel::MarkChannel() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw cannot("make the socket for phase marks");
  }
  runner_ = Fd(ends[0]);
  workload_ = Fd(ends[1]);
  const int on = 1;
  if (setsockopt(runner_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    throw cannot("ask the phase socket for the writer's identity");
  }
}

bool MarkChannel::receive(std::vector<Mark>& marks) {
  bool well_formed = true;
  while (open_) {
    char block[1024];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    iovec area{block, sizeof block};
    msghdr message{};
    message.msg_iov = &area;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(runner_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EINTR)) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got <= 0) {
      open_ = false;  // every writer is gone
      break;
    }
    pending_.append(block, static_cast<size_t>(got));
    well_formed &= take_lines(writer_of(message), marks);
  }
  return well_formed;
}

bool MarkChannel::take_lines(pid_t pid, std::vector<Mark>& marks) {
  bool well_formed = true;
  for (size_t end; (end = pending_.find('\n')) != pending_.npos; pending_.erase(0, end + 1)) {
    Mark mark;
    mark.pid = pid;
    if (parse_mark(std::string_view(pending_).substr(0, end), mark)) {
      marks.push_back(std::move(mark));
    } else {
      well_formed = false;
    }
  }
  if (pending_.size() > kLongestMarkLine) {
    pending_.clear();
    well_formed = false;
  }
  return well_formed;
}

bool MarkChannel::release() {
  int unread = 0;
  const bool parked = ioctl(runner_.get(), SIOCOUTQ, &unread) != 0 || unread == 0;
  send(runner_.get(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  return parked;
}

ResultChannel::ResultChannel() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw cannot("make the pipe for the result");
  runner_ = Fd(ends[0]);
  workload_ = Fd(ends[1]);
  // Only the runner's end: the workload writes with plain blocking writes.
  fcntl(runner_.get(), F_SETFL, O_NONBLOCK);
}

void ResultChannel::receive() {
  while (open_) {
    char block[16384];
    const ssize_t got = read(runner_.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      open_ = false;
      break;
    }
    const size_t room = kLongestResult - text_.size();
    text_.append(block, std::min(room, static_cast<size_t>(got)));
  }
}

}  // namespace hz3::runner
