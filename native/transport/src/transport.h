// A listener and its connections in one epoll descriptor, which one handle of Node's loop watches.
//
// A turn: take up to kEventsMax ready sockets, read each into the shared input, tell the host of
// all of them in one call, send the slices that it left in the shared tables.
//
// INVARIANT: the host is called from OnReadable and OnBeforeSleep only, never from a method that
// the host called; what a method causes is noted in `due_` and told in the next turn.
// INVARIANT: an identifier is given to another connection only after the host was told that the
// first one is gone, and after all others of its generation count were used up.

#ifndef KRONOTOP_TRANSPORT_TRANSPORT_H_
#define KRONOTOP_TRANSPORT_TRANSPORT_H_

#include <sys/epoll.h>
#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "connection.h"
#include "libuv.h"

// One of the things that happened, as the host sees it: six int32 in a shared table.
struct Record {
  enum Kind : int32_t {
    kOpen = 1,          // a connection was accepted
    kData = 2,          // input[start, end) is there; the host leaves `consumed`, `expected`
    kLargeData = 3,     // the same in memory of its own: see LargeInput
    kDrain = 4,         // a slow connection caught up
    kClose = 5,         // a connection is gone
    kAcceptFailed = 6,  // start: errno; until RetryAccept, nobody is accepted
    kShutDown = 7,      // everything is released, after Shutdown
    kLinger = 8,        // our side has ended, the peer's has not: the host destroys it in a while
    kRefused = 9,       // some were; end: 1 where descriptors run out, else 0
  };
  Kind kind;
  int32_t id;
  int32_t start;
  int32_t end;
  int32_t consumed;
  int32_t expected;
};
static_assert(sizeof(Record) == 24, "JavaScript indexes the table with a stride of 6");

// What the two sides tell each other of a connection: four doubles in a shared table.
struct SharedSlot {
  double id;            // 0 when nothing can be sent to the connection, or there is none
  double unsent_bytes;  // the host adds what it queues, a flush sets what is left
  double drain_due;     // the host sets 1 when it wants kDrain
  double paused;        // the host sets 1 to get no input, and calls Resume for the opposite
};
static_assert(sizeof(SharedSlot) == 32, "JavaScript indexes the table with a stride of 4");

// A reply: the part [start, end) of the output for one connection.
struct Slice {
  int32_t id;
  int32_t start;
  int32_t end;
};

// Memory that both sides see. It belongs to the host, which outlives the transport's use of it.
struct SharedMemory {
  char* input;
  size_t input_bytes;
  Record* records;
  size_t record_count;
  int32_t* slice_count;
  Slice* slices;
  SharedSlot* slots;
  size_t slot_count;
};

struct Limits {
  size_t high_water_bytes;
  size_t query_buffer_bytes;
  size_t reply_buffer_bytes;  // 0 = no bound
  size_t connections;         // 0 = no bound
  size_t descriptors;         // a connection is refused whose descriptor is this or more; 0 = none
  std::string refusal;
};

class Host {
 public:
  virtual ~Host() = default;
  // Handles the first `count` records. Whatever it throws is its own business.
  virtual void OnRecords(size_t count) = 0;
  // The transport let go of everything, after Shutdown.
  virtual void OnReleased() = 0;
};

class Transport : public std::enable_shared_from_this<Transport> {
 public:
  Transport(Host* host, const SharedMemory& shared, const Limits& limits);
  ~Transport();

  // Listens on a numeric address and starts to watch. Returns the bound port or a negative errno.
  int Listen(uv_loop_s* loop, const std::string& address, int port, int backlog);

  // The host's output moved to another place.
  void SetOutput(const char* output) { output_ = output; }
  // Sends the slices that the host queued.
  void Flush();

  void Resume(int32_t id);
  void Again(int32_t id);
  void End(int32_t id);
  void Destroy(int32_t id);
  // The input of a kLargeData record that the host is handling; null when it is gone.
  Bytes* LargeInput(int32_t id);
  // The socket of a connection; -1 when it is gone.
  int Descriptor(int32_t id);

  void StopAccepting();
  // Tries again after kAcceptFailed.
  void RetryAccept();
  // Closes everything; kShutDown follows after the last kClose.
  void Shutdown();
  // Closes everything now and tells nobody: the environment is going down. `done` may be null and
  // is called when the loop has let go.
  void Abandon(void (*done)(void*), void* argument);

 private:
  struct LoopHandles;

  void OnReadable();
  void OnBeforeSleep();
  void OnHandleClosed();
  void CloseHandles();

  void Accept();
  bool Refuse(int fd);
  bool AddConnection(int fd);
  void Watch(Connection& connection, uint32_t interest);
  void Read(Connection& connection);
  void ReadShared(Connection& connection);
  void ReadGathering(Connection& connection);
  void PresentKept(Connection& connection);
  void PresentAgain();
  void AfterInput(Connection& connection, Io io);
  void Settle(Connection& connection);

  void Push(Record::Kind kind, int32_t id, int32_t start = 0, int32_t end = 0);
  void PushDue();
  void Dispatch();
  void TakeConsumed(const Record& record);

  void SendSlices(Connection& connection);
  void AfterWrite(Connection& connection, Io io);
  void EndAfterFlush(Connection& connection);
  void Linger(Connection& connection);
  void Close(Connection& connection);
  void Release(int32_t id);
  void ReleaseDescriptors();

  Connection* Find(int32_t id);
  Connection* FindLive(int32_t id);
  SharedSlot& SlotOf(const Connection& connection);
  bool paused(const Connection& connection) { return SlotOf(connection).paused != 0; }

  Host* host_;
  const SharedMemory shared_;
  const Limits limits_;
  const char* output_ = nullptr;
  std::unique_ptr<LoopHandles> handles_;
  int epoll_ = -1;
  int listener_ = -1;
  bool shutting_down_ = false;
  bool handles_closing_ = false;
  void (*on_abandoned_)(void*) = nullptr;
  void* on_abandoned_argument_ = nullptr;

  std::vector<std::unique_ptr<Connection>> connections_;  // by slot
  std::vector<int32_t> last_ids_;                         // by slot
  std::deque<uint32_t> free_slots_;
  size_t open_count_ = 0;

  size_t record_count_ = 0;
  size_t input_used_ = 0;
  std::vector<Record> due_;
  std::vector<int32_t> again_;
  std::vector<int32_t> ending_;
  // Scratch of Flush, kept for its memory.
  std::vector<Connection*> touched_;
  std::vector<int32_t> next_slice_;
};

#endif  // KRONOTOP_TRANSPORT_TRANSPORT_H_
