// Listening sockets and the text form of addresses.

#ifndef KRONOTOP_TRANSPORT_ADDRESS_H_
#define KRONOTOP_TRANSPORT_ADDRESS_H_

#include <string>

// Opens a non-blocking socket that listens on a numeric v4 or v6 address. `port` is changed to
// the bound one. Returns the descriptor, or a negative errno.
int OpenListener(const std::string& address, int backlog, int* port);

// `host:port`, v6 hosts in brackets, v4 hosts plain even on a v6 listener; `?:0` if it is gone.
std::string PeerAddress(int fd);
std::string LocalAddress(int fd);

#endif  // KRONOTOP_TRANSPORT_ADDRESS_H_
