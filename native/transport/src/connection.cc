#include "connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace {

// All input of a connection that is discarded in a turn.
constexpr size_t kDiscardBytesMax = 1024 * 1024;

// Reads once, whatever signals come.
ssize_t Receive(int fd, char* room, size_t size, int flags) {
  ssize_t count;
  do {
    count = recv(fd, room, size, flags);
  } while (count < 0 && errno == EINTR);
  return count;
}

Io Failure() { return errno == EAGAIN || errno == EWOULDBLOCK ? Io::kBlocked : Io::kFailed; }

}  // namespace

Io Connection::ReadOnce(char* room, size_t* count) {
  *count = 0;
  const ssize_t received = Receive(fd, room, kReadBytes, 0);
  if (received < 0) return Failure();
  if (received == 0) return Io::kEnded;
  *count = static_cast<size_t>(received);
  return Io::kDone;
}

Io Connection::ReadLarge(size_t* count) {
  *count = 0;
  while (*count < kLargeReadBytes) {
    // Room grows with what is there, not with what a frame header promises.
    const size_t missing = expect > kept.size() ? expect - kept.size() : 0;
    const size_t wanted = std::min(missing, kLargeReadBytes) + kReadBytes;
    if (!kept.Reserve(wanted)) return Io::kFailed;
    const ssize_t received = Receive(fd, kept.tail(), wanted, 0);
    if (received < 0) return Failure();
    if (received == 0) return Io::kEnded;
    kept.Grow(static_cast<size_t>(received));
    *count += static_cast<size_t>(received);
    if (expect > 0 && kept.size() >= expect) return Io::kDone;
  }
  return Io::kDone;
}

Io Connection::Write(iovec* slices, size_t count) {
  size_t sent = 0;
  // Bytes left over from before go first: the socket is full, and epoll tells when it is not.
  if (unsent.empty()) {
    msghdr message{};
    message.msg_iov = slices;
    message.msg_iovlen = count;
    ssize_t result;
    do {
      result = count == 1 ? send(fd, slices->iov_base, slices->iov_len, MSG_NOSIGNAL)
                          : sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    if (result < 0 && Failure() == Io::kFailed) return Io::kFailed;
    sent = result < 0 ? 0 : static_cast<size_t>(result);
  }
  for (size_t i = 0; i < count; i++) {
    const size_t skipped = std::min(sent, slices[i].iov_len);
    sent -= skipped;
    if (skipped == slices[i].iov_len) continue;
    const char* rest = static_cast<const char*>(slices[i].iov_base) + skipped;
    if (!unsent.Append(rest, slices[i].iov_len - skipped)) return Io::kFailed;
  }
  return unsent.empty() ? Io::kDone : Io::kBlocked;
}

Io Connection::WriteUnsent() {
  size_t budget = kWriteBytes;
  while (!unsent.empty() && budget > 0) {
    const size_t size = std::min(unsent.size(), budget);
    const ssize_t sent = send(fd, unsent.data(), size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Failure();
    unsent.Consume(static_cast<size_t>(sent));
    budget -= static_cast<size_t>(sent);
  }
  return unsent.empty() ? Io::kDone : Io::kBlocked;
}

void Connection::Finish() {
  shutdown(fd, SHUT_WR);
  lingering = true;
}

Io Connection::Discard() {
  size_t discarded = 0;
  while (discarded < kDiscardBytesMax) {
    // MSG_TRUNC drops the bytes of a TCP socket without copying them.
    const ssize_t count = Receive(fd, nullptr, kReadBytes, MSG_TRUNC | MSG_DONTWAIT);
    if (count < 0) return Failure();
    if (count == 0) return Io::kEnded;
    discarded += static_cast<size_t>(count);
  }
  return Io::kBlocked;
}

void Connection::Close() {
  if (fd >= 0) close(fd);
  fd = -1;
}
