#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace {

constexpr int kKeepAliveIdleSeconds = 300;
constexpr int kKeepAliveIntervalSeconds = 100;
constexpr int kKeepAliveProbes = 3;

union AnyAddress {
  sockaddr base;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_storage storage;
};

socklen_t ParseAddress(const std::string& text, int port, AnyAddress* address) {
  std::memset(address, 0, sizeof(*address));
  if (inet_pton(AF_INET, text.c_str(), &address->v4.sin_addr) == 1) {
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons(static_cast<uint16_t>(port));
    return sizeof(address->v4);
  }
  if (inet_pton(AF_INET6, text.c_str(), &address->v6.sin6_addr) == 1) {
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(static_cast<uint16_t>(port));
    return sizeof(address->v6);
  }
  return 0;
}

int PortOf(const AnyAddress& address) {
  const bool v6 = address.base.sa_family == AF_INET6;
  return ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port);
}

std::string Format(const AnyAddress& address) {
  char host[INET6_ADDRSTRLEN] = "?";
  const std::string port = std::to_string(PortOf(address));
  if (address.base.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof(host));
    return std::string(host) + ":" + port;
  }
  const in6_addr& v6 = address.v6.sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    inet_ntop(AF_INET, v6.s6_addr + 12, host, sizeof(host));
    return std::string(host) + ":" + port;
  }
  inet_ntop(AF_INET6, &v6, host, sizeof(host));
  return "[" + std::string(host) + "]:" + port;
}

using NameOf = int (*)(int fd, sockaddr* address, socklen_t* length);

std::string AddressOf(int fd, NameOf name_of) {
  AnyAddress address;
  socklen_t length = sizeof(address);
  if (name_of(fd, &address.base, &length) != 0) return "?:0";
  return Format(address);
}

// Accepted sockets inherit these from the listener on Linux: no calls for each connection.
bool SetOptions(int fd) {
  const auto set = [fd](int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
  };
  return set(SOL_SOCKET, SO_REUSEADDR, 1) && set(IPPROTO_TCP, TCP_NODELAY, 1) &&
         set(SOL_SOCKET, SO_KEEPALIVE, 1) &&
         set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds) &&
         set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds) &&
         set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

}  // namespace

int OpenListener(const std::string& text, int backlog, int* port) {
  AnyAddress address;
  socklen_t length = ParseAddress(text, *port, &address);
  if (length == 0) return -EINVAL;
  const int fd =
      socket(address.base.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const bool listening = SetOptions(fd) && bind(fd, &address.base, length) == 0 &&
                         listen(fd, backlog) == 0 &&
                         getsockname(fd, &address.base, &length) == 0;
  if (!listening) {
    const int error = errno;
    close(fd);
    return -error;
  }
  *port = PortOf(address);
  return fd;
}

std::string PeerAddress(int fd) { return AddressOf(fd, getpeername); }

std::string LocalAddress(int fd) { return AddressOf(fd, getsockname); }
