#include "transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "address.h"

namespace {

constexpr int kEventsMax = 256;
constexpr int kAcceptsMax = 64;
constexpr size_t kFreeSlotsMin = 64;

// An identifier: | 0 | generation, 11 bits, never 0 | slot, 20 bits |
constexpr int kSlotBits = 20;
constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
constexpr int32_t kGenerationStep = 1 << kSlotBits;
// What epoll says instead of an identifier.
constexpr uint64_t kListenerTag = 0;

uint32_t SlotIndex(int32_t id) { return static_cast<uint32_t>(id) & kSlotMask; }

// The name of the next connection in the slot of `id`.
int32_t NextId(int32_t id) {
  const int64_t next = static_cast<int64_t>(id) + kGenerationStep;
  return next > INT32_MAX ? static_cast<int32_t>(SlotIndex(id)) + kGenerationStep
                          : static_cast<int32_t>(next);
}

}  // namespace

// The memory of the three handles stays until libuv has closed them, and so does the transport.
struct Transport::LoopHandles {
  explicit LoopHandles(std::shared_ptr<Transport> owner) : transport(std::move(owner)) {}
  ~LoopHandles() {
    for (uv_handle_s* handle : {poll, prepare, idle}) std::free(handle);
  }
  LoopHandles(const LoopHandles&) = delete;
  LoopHandles& operator=(const LoopHandles&) = delete;

  static uv_handle_s* Allocate(int type) {
    return static_cast<uv_handle_s*>(std::calloc(1, uv_handle_size(type)));
  }
  static Transport& Of(uv_handle_s* handle) {
    return *static_cast<Transport*>(uv_handle_get_data(handle));
  }

  uv_handle_s* poll = Allocate(kUvPoll);
  // Runs before the loop goes to sleep, whatever its phase work was.
  uv_handle_s* prepare = Allocate(kUvPrepare);
  // Keeps the loop awake while it is active.
  uv_handle_s* idle = Allocate(kUvIdle);
  int open = 0;
  std::shared_ptr<Transport> transport;
};

Transport::Transport(Host* host, const SharedMemory& shared, const Limits& limits)
    : host_(host), shared_(shared), limits_(limits) {}

Transport::~Transport() = default;

int Transport::Listen(uv_loop_s* loop, const std::string& address, int port, int backlog) {
  listener_ = OpenListener(address, backlog, &port);
  if (listener_ < 0) return listener_;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenerTag;
  if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) {
    const int error = errno;
    close(listener_);
    if (epoll_ >= 0) close(epoll_);
    return -error;
  }
  handles_ = std::make_unique<LoopHandles>(shared_from_this());
  handles_->open = 3;
  uv_poll_init(loop, handles_->poll, epoll_);
  uv_prepare_init(loop, handles_->prepare);
  uv_idle_init(loop, handles_->idle);
  for (uv_handle_s* handle : {handles_->poll, handles_->prepare, handles_->idle}) {
    uv_handle_set_data(handle, this);
  }
  uv_poll_start(handles_->poll, kUvReadable, [](uv_handle_s* handle, int, int) {
    LoopHandles::Of(handle).OnReadable();
  });
  uv_prepare_start(handles_->prepare,
                   [](uv_handle_s* handle) { LoopHandles::Of(handle).OnBeforeSleep(); });
  uv_unref(handles_->prepare);
  return port;
}

// --- Turns ---

void Transport::OnReadable() {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_, events, kEventsMax, 0);
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 == kListenerTag) {
      Accept();
      continue;
    }
    Connection* connection = Find(static_cast<int32_t>(events[i].data.u64));
    if (connection == nullptr) continue;
    const uint32_t what = events[i].events;
    if (connection->lingering) {
      Linger(*connection);
      continue;
    }
    if ((what & EPOLLOUT) != 0) AfterWrite(*connection, connection->WriteUnsent());
    if (connection->gone || connection->lingering) continue;
    if ((what & EPOLLIN) != 0 && !paused(*connection) && !connection->ending) {
      Read(*connection);
    } else if ((what & (EPOLLERR | EPOLLHUP)) != 0) {
      Close(*connection);
    } else if ((what & EPOLLIN) != 0) {
      Watch(*connection, connection->interest & ~EPOLLIN);
    }
  }
  Dispatch();
}

// ORDER: what the rest of the loop sent goes out first, then the host hears what is due.
void Transport::OnBeforeSleep() {
  Flush();
  PresentAgain();
  PushDue();
  Dispatch();
  if (shutting_down_ && open_count_ == 0 && due_.empty()) {
    CloseHandles();
  } else if (again_.empty() && due_.empty()) {
    uv_idle_stop(handles_->idle);
  } else {
    uv_idle_start(handles_->idle, [](uv_handle_s*) {});
  }
}

void Transport::Push(Record::Kind kind, int32_t id, int32_t start, int32_t end) {
  if (record_count_ == shared_.record_count) Dispatch();
  shared_.records[record_count_++] = Record{kind, id, start, end, 0, 0};
}

void Transport::PushDue() {
  std::vector<Record> due;
  due.swap(due_);
  for (const Record& record : due) {
    const bool stale = (record.kind == Record::kDrain && FindLive(record.id) == nullptr) ||
                       (record.kind == Record::kLinger && Find(record.id) == nullptr);
    if (!stale) Push(record.kind, record.id, record.start, record.end);
  }
}

void Transport::Dispatch() {
  if (record_count_ == 0) return;
  const size_t count = std::exchange(record_count_, 0);
  host_->OnRecords(count);
  for (size_t i = 0; i < count; i++) {
    const Record& record = shared_.records[i];
    if (record.kind == Record::kClose) Release(record.id);
    if (record.kind == Record::kData || record.kind == Record::kLargeData) TakeConsumed(record);
  }
  input_used_ = 0;
  Flush();
}

// --- Accepting ---

void Transport::Accept() {
  for (int i = 0; i < kAcceptsMax && listener_ >= 0; i++) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      if (Refuse(fd) || !AddConnection(fd)) close(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // No descriptor or memory left. The connection stays in the backlog, so the listener would
    // be ready again at once: the host says when to retry.
    due_.push_back(Record{Record::kAcceptFailed, 0, errno, 0, 0, 0});
    epoll_event event{};
    event.data.u64 = kListenerTag;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, listener_, &event);
    return;
  }
}

// Says why, and returns true, when there is no room for the connection. A new descriptor is the
// lowest that is free: one near the limit tells that all others are in use.
bool Transport::Refuse(int fd) {
  const bool scarce = limits_.descriptors > 0 && static_cast<size_t>(fd) >= limits_.descriptors;
  const bool full = (limits_.connections > 0 && open_count_ >= limits_.connections) ||
                    (free_slots_.empty() && connections_.size() == shared_.slot_count);
  if (!scarce && !full) return false;
  send(fd, limits_.refusal.data(), limits_.refusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  Connection refused(fd);
  refused.Finish();
  refused.Discard();
  Push(Record::kRefused, 0, 0, scarce ? 1 : 0);
  return true;
}

// Returns false when the kernel cannot watch it.
bool Transport::AddConnection(int fd) {
  // A new slot while few are free, else the one free for longest: names repeat late.
  uint32_t slot = static_cast<uint32_t>(connections_.size());
  if (free_slots_.size() < kFreeSlotsMin && slot < shared_.slot_count) {
    connections_.emplace_back();
    last_ids_.push_back(static_cast<int32_t>(slot));
  } else {
    slot = free_slots_.front();
    free_slots_.pop_front();
  }
  auto connection = std::make_unique<Connection>(fd);
  connection->id = last_ids_[slot] = NextId(last_ids_[slot]);
  connection->interest = EPOLLIN;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(connection->id);
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    free_slots_.push_back(slot);
    return false;
  }
  shared_.slots[slot] = SharedSlot{static_cast<double>(connection->id), 0, 0, 0};
  open_count_++;
  Push(Record::kOpen, connection->id);
  connections_[slot] = std::move(connection);
  return true;
}

void Transport::StopAccepting() {
  if (listener_ >= 0) close(listener_);
  listener_ = -1;
}

void Transport::RetryAccept() {
  if (listener_ < 0) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenerTag;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, listener_, &event);
}

// --- Lifetime ---

Connection* Transport::Find(int32_t id) {
  const uint32_t slot = SlotIndex(id);
  if (slot >= connections_.size()) return nullptr;
  Connection* connection = connections_[slot].get();
  const bool found = connection != nullptr && connection->id == id && !connection->gone;
  return found ? connection : nullptr;
}

Connection* Transport::FindLive(int32_t id) {
  Connection* connection = Find(id);
  return connection != nullptr && !connection->ending ? connection : nullptr;
}

SharedSlot& Transport::SlotOf(const Connection& connection) {
  return shared_.slots[SlotIndex(connection.id)];
}

int Transport::Descriptor(int32_t id) {
  const Connection* connection = Find(id);
  return connection == nullptr ? -1 : connection->fd;
}

void Transport::Destroy(int32_t id) {
  Connection* connection = Find(id);
  if (connection != nullptr) Close(*connection);
}

// The memory of the connection stays until the host was told: it may be looking at it.
void Transport::Close(Connection& connection) {
  if (connection.gone) return;
  connection.Close();
  connection.gone = true;
  SlotOf(connection).id = 0;
  due_.push_back(Record{Record::kClose, connection.id, 0, 0, 0, 0});
}

void Transport::Release(int32_t id) {
  const uint32_t slot = SlotIndex(id);
  connections_[slot].reset();
  free_slots_.push_back(slot);
  open_count_--;
}

void Transport::Shutdown() {
  StopAccepting();
  shutting_down_ = true;
  for (const auto& connection : connections_) {
    if (connection != nullptr) Close(*connection);
  }
}

void Transport::ReleaseDescriptors() {
  StopAccepting();
  for (const auto& connection : connections_) {
    if (connection != nullptr) connection->Close();
  }
  if (epoll_ >= 0) close(epoll_);
  epoll_ = -1;
}

void Transport::Abandon(void (*done)(void*), void* argument) {
  if (std::exchange(host_, nullptr) == nullptr) return;
  on_abandoned_ = done;
  on_abandoned_argument_ = argument;
  if (handles_ == nullptr) {
    ReleaseDescriptors();
    if (done != nullptr) done(argument);
  } else {
    CloseHandles();
  }
}

// ORDER: libuv forgets the epoll descriptor before it is closed.
void Transport::CloseHandles() {
  if (std::exchange(handles_closing_, true)) return;
  for (uv_handle_s* handle : {handles_->poll, handles_->prepare, handles_->idle}) {
    uv_close(handle, [](uv_handle_s* closed) { LoopHandles::Of(closed).OnHandleClosed(); });
  }
  ReleaseDescriptors();
}

void Transport::OnHandleClosed() {
  if (--handles_->open > 0) return;
  // They hold the transport: it must not go before this call ends.
  const std::unique_ptr<LoopHandles> handles = std::move(handles_);
  const std::shared_ptr<Transport> self = handles->transport;
  if (on_abandoned_ != nullptr) on_abandoned_(on_abandoned_argument_);
  if (host_ == nullptr) return;
  Push(Record::kShutDown, 0);
  Dispatch();
  host_->OnReleased();
}
