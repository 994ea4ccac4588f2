// A library for LD_PRELOAD under which the connections that a process accepted move few bytes at a
// time: a read or write of one moves at most as many as the next cap allows, and the one after it
// fails with EAGAIN, as if the socket had been used up. Both are what a kernel may do at any time.
//
// SHORT_IO_READS, SHORT_IO_WRITES: caps like `1,2,300`, which each descriptor goes through in
// turn, again and again. Without one, that direction is left alone.
// SHORT_IO_COUNTS: a file of 32 bytes, where four u64 count the reads that were cut and the bytes
// they moved, then the same of writes.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kDescriptorsMax = 65536;
constexpr size_t kPartsMax = 1024;

enum Direction { kReads = 0, kWrites = 1 };

// Whether the connection was accepted, and the calls on it so far.
struct Progress {
  std::atomic<bool> accepted{false};
  std::atomic<uint32_t> calls[2] = {};
};

struct State {
  Progress progress[kDescriptorsMax];
  std::vector<size_t> caps[2];
  std::atomic<uint64_t>* counts = nullptr;
};

// Not an object of its own: others' constructors may read and write before this library's.
State* state = nullptr;

std::vector<size_t> CapsIn(const char* list) {
  std::vector<size_t> found;
  while (list != nullptr && *list != '\0') {
    char* end = nullptr;
    found.push_back(strtoul(list, &end, 10));
    list = *end == ',' ? end + 1 : end;
  }
  return found;
}

__attribute__((constructor)) void Start() {
  auto* fresh = new State;
  fresh->caps[kReads] = CapsIn(getenv("SHORT_IO_READS"));
  fresh->caps[kWrites] = CapsIn(getenv("SHORT_IO_WRITES"));
  const char* path = getenv("SHORT_IO_COUNTS");
  const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  void* shared = mmap(nullptr, 4 * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) abort();
  fresh->counts = static_cast<std::atomic<uint64_t>*>(shared);
  close(fd);
  state = fresh;
}

template <typename Function>
Function Real(Function, const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// The descriptor may belong to a file by now: not every close comes by here.
bool IsConnection(int fd) {
  if (state == nullptr || fd < 0 || fd >= kDescriptorsMax) return false;
  if (!state->progress[fd].accepted) return false;
  int protocol = 0;
  socklen_t size = sizeof(protocol);
  const int error = errno;
  const bool found = getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0;
  errno = error;
  return found && protocol == IPPROTO_TCP;
}

// How many bytes this call may move: 0 = it is to fail, SIZE_MAX = all.
size_t Allowed(int fd, Direction direction) {
  if (!IsConnection(fd)) return SIZE_MAX;
  const std::vector<size_t>& list = state->caps[direction];
  if (list.empty()) return SIZE_MAX;
  const uint32_t call = state->progress[fd].calls[direction]++;
  return call % 2 == 1 ? 0 : list[call / 2 % list.size()];
}

template <typename Move>
ssize_t Moved(int fd, Direction direction, size_t wanted, Move move) {
  const size_t allowed = Allowed(fd, direction);
  if (allowed == 0) {
    errno = EAGAIN;
    return -1;
  }
  const ssize_t moved = move(std::min(wanted, allowed));
  if (allowed != SIZE_MAX && allowed < wanted && moved > 0) {
    state->counts[direction * 2]++;
    state->counts[direction * 2 + 1] += static_cast<uint64_t>(moved);
  }
  return moved;
}

// The first bytes of several buffers.
std::vector<iovec> FirstOf(const iovec* parts, size_t count, size_t bytes) {
  std::vector<iovec> first;
  for (size_t i = 0; i < std::min(count, kPartsMax) && bytes > 0; i++) {
    const size_t size = std::min(parts[i].iov_len, bytes);
    first.push_back({parts[i].iov_base, size});
    bytes -= size;
  }
  return first;
}

size_t SizeOf(const iovec* parts, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) size += parts[i].iov_len;
  return size;
}

}  // namespace

EXPORT int accept4(int listener, sockaddr* address, socklen_t* length, int flags) {
  static const auto real = Real(&accept4, "accept4");
  const int fd = real(listener, address, length, flags);
  if (state == nullptr || fd < 0 || fd >= kDescriptorsMax) return fd;
  for (auto& calls : state->progress[fd].calls) calls = 0;
  state->progress[fd].accepted = true;
  return fd;
}

// A descriptor that was an accepted connection before is none any more.
EXPORT int connect(int fd, const sockaddr* address, socklen_t length) {
  static const auto real = Real(&connect, "connect");
  if (state != nullptr && fd >= 0 && fd < kDescriptorsMax) state->progress[fd].accepted = false;
  return real(fd, address, length);
}

EXPORT ssize_t recv(int fd, void* room, size_t size, int flags) {
  static const auto real = Real(&recv, "recv");
  return Moved(fd, kReads, size, [&](size_t some) { return real(fd, room, some, flags); });
}

EXPORT ssize_t read(int fd, void* room, size_t size) {
  static const auto real = Real(&read, "read");
  return Moved(fd, kReads, size, [&](size_t some) { return real(fd, room, some); });
}

EXPORT ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  static const auto real = Real(&send, "send");
  return Moved(fd, kWrites, size, [&](size_t some) { return real(fd, bytes, some, flags); });
}

EXPORT ssize_t write(int fd, const void* bytes, size_t size) {
  static const auto real = Real(&write, "write");
  return Moved(fd, kWrites, size, [&](size_t some) { return real(fd, bytes, some); });
}

EXPORT ssize_t writev(int fd, const iovec* parts, int count) {
  static const auto real = Real(&writev, "writev");
  const size_t wanted = SizeOf(parts, static_cast<size_t>(count));
  return Moved(fd, kWrites, wanted, [&](size_t some) {
    if (some == wanted) return real(fd, parts, count);
    const auto first = FirstOf(parts, static_cast<size_t>(count), some);
    return real(fd, first.data(), static_cast<int>(first.size()));
  });
}

EXPORT ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static const auto real = Real(&sendmsg, "sendmsg");
  const size_t wanted = SizeOf(message->msg_iov, message->msg_iovlen);
  return Moved(fd, kWrites, wanted, [&](size_t some) {
    if (some == wanted) return real(fd, message, flags);
    auto first = FirstOf(message->msg_iov, message->msg_iovlen, some);
    msghdr less = *message;
    less.msg_iov = first.data();
    less.msg_iovlen = first.size();
    return real(fd, &less, flags);
  });
}
