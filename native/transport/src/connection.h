// One accepted connection: its socket, the input that was not consumed, the output that was not
// sent. Knows nothing of epoll, of other connections or of JavaScript.

#ifndef KRONOTOP_TRANSPORT_CONNECTION_H_
#define KRONOTOP_TRANSPORT_CONNECTION_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "bytes.h"

// Frames up to this size are presented in the shared input; beyond it, in memory of their own.
constexpr size_t kSmallFrame = 64 * 1024;
// One read of a connection in a turn.
constexpr size_t kReadBytes = 64 * 1024;
// All reads of a connection in a turn, while a large frame comes in.
constexpr size_t kLargeReadBytes = 1024 * 1024;
// All writes of a connection that is caught up with, in a turn.
constexpr size_t kWriteBytes = 4 * 1024 * 1024;

enum class Io { kDone, kBlocked, kEnded, kFailed };

struct Connection {
  explicit Connection(int descriptor) : fd(descriptor) {}

  // Reads once into `room`, of kReadBytes. `count` is what arrived, 0 unless kDone.
  Io ReadOnce(char* room, size_t* count);
  // Reads into `kept` until the frame is whole, nothing more arrived, or the turn's budget is
  // used up. `count` is what arrived, whatever the result.
  Io ReadLarge(size_t* count);
  // Writes what the socket takes at once and keeps the rest.
  Io Write(iovec* slices, size_t count);
  // Writes kept output.
  Io WriteUnsent();
  // Ends our side of the connection; the peer's input is discarded from here on. Closing over
  // unread input would reset the connection, and the peer would lose output.
  void Finish();
  // Discards input that is there. kBlocked when the peer may send more.
  Io Discard();
  void Close();

  // Whether the next frame is to be gathered in `kept` rather than in the shared input.
  bool gathers() const { return expect > kSmallFrame || kept.size() > kSmallFrame; }

  int fd;
  int32_t id = 0;
  // Events that epoll reports for the socket.
  uint32_t interest = 0;
  Bytes kept;
  Bytes unsent;
  // How many bytes the handler needs before the next call; 0 = any.
  size_t expect = 0;
  // The kept bytes are to be presented in the next turn.
  bool again_due = false;
  // Its input is in the records that JavaScript is about to see.
  bool presented = false;
  // The input ended; the connection ends when nothing is left to present.
  bool input_ended = false;
  // No more events but the last: our side ends when `unsent` is empty.
  bool ending = false;
  // Our side has ended. Closes when the peer's has, or when the host says so.
  bool lingering = false;
  // Closed; its onClose is due.
  bool gone = false;
  // Slices of this flush: a chain of indexes, -1 = none.
  int32_t first_slice = -1;
  int32_t last_slice = -1;
};

#endif  // KRONOTOP_TRANSPORT_CONNECTION_H_
