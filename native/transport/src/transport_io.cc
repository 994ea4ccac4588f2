// The input and output of the transport's connections.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "transport.h"

namespace {

constexpr size_t kSlicesPerWrite = 64;

}  // namespace

// --- Input ---

void Transport::Watch(Connection& connection, uint32_t interest) {
  if (connection.interest == interest) return;
  connection.interest = interest;
  epoll_event event{};
  event.events = interest;
  event.data.u64 = static_cast<uint64_t>(connection.id);
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

void Transport::Read(Connection& connection) {
  // What it has is shown first; epoll tells again of what is new.
  if (connection.presented || connection.again_due) return;
  if (connection.gathers()) {
    ReadGathering(connection);
    return;
  }
  if (input_used_ + kSmallFrame + kReadBytes > shared_.input_bytes) {
    const int32_t id = connection.id;
    Dispatch();
    Connection* same = FindLive(id);
    if (same == nullptr || paused(*same) || same->again_due) return;
  }
  ReadShared(connection);
}

// The kept bytes go in front of the new ones. They stay in `kept` too, until it is known how many
// of them were consumed.
void Transport::ReadShared(Connection& connection) {
  char* const room = shared_.input + input_used_;
  const size_t kept = connection.kept.size();
  size_t count;
  const Io io = connection.ReadOnce(room + kept, &count);
  if (io != Io::kDone) {
    AfterInput(connection, io);
  } else if (kept + count < connection.expect) {
    if (!connection.kept.Append(room + kept, count)) Close(connection);
  } else {
    if (kept > 0) std::memcpy(room, connection.kept.data(), kept);
    const size_t end = input_used_ + kept + count;
    connection.presented = true;
    Push(Record::kData, connection.id, static_cast<int32_t>(input_used_),
         static_cast<int32_t>(end));
    input_used_ = end;
  }
}

void Transport::ReadGathering(Connection& connection) {
  size_t count;
  const Io io = connection.ReadLarge(&count);
  if (count > 0 && connection.kept.size() >= connection.expect && io != Io::kFailed) {
    PresentKept(connection);
  }
  AfterInput(connection, io);
}

// The kept bytes, without new ones: in memory of their own when they are many, or when the shared
// input is used up.
void Transport::PresentKept(Connection& connection) {
  const size_t size = connection.kept.size();
  connection.presented = true;
  if (size > kSmallFrame || input_used_ + size > shared_.input_bytes) {
    Push(Record::kLargeData, connection.id);
    return;
  }
  std::memcpy(shared_.input + input_used_, connection.kept.data(), size);
  Push(Record::kData, connection.id, static_cast<int32_t>(input_used_),
       static_cast<int32_t>(input_used_ + size));
  input_used_ += size;
}

void Transport::PresentAgain() {
  std::vector<int32_t> again;
  again.swap(again_);
  for (const int32_t id : again) {
    Connection* connection = Find(id);
    if (connection == nullptr) continue;
    connection->again_due = false;
    if (paused(*connection) || connection->ending) continue;
    const size_t size = connection->kept.size();
    if (size > 0 && size >= connection->expect) {
      PresentKept(*connection);
    } else {
      Settle(*connection);
    }
  }
}

void Transport::AfterInput(Connection& connection, Io io) {
  if (io == Io::kFailed) {
    Close(connection);
  } else if (io == Io::kEnded) {
    connection.input_ended = true;
    Watch(connection, connection.interest & ~EPOLLIN);
    Settle(connection);
  }
}

// Takes note of what the host left in a record of input. In the shared input, the kept bytes are
// in front of the new ones: those that were not consumed stay kept, and new ones join them.
void Transport::TakeConsumed(const Record& record) {
  Connection* connection = Find(record.id);
  if (connection == nullptr || !connection->presented) return;
  connection->presented = false;
  connection->expect = static_cast<size_t>(std::max(record.expected, 0));
  Bytes& kept = connection->kept;
  const size_t consumed = static_cast<size_t>(std::max(record.consumed, 0));
  const size_t shown = kept.size();
  kept.Consume(std::min(consumed, shown));
  if (record.kind == Record::kData) {
    const size_t size = static_cast<size_t>(record.end - record.start);
    const size_t taken = std::max(consumed, shown);
    const char* rest = shared_.input + record.start + taken;
    if (taken < size && !kept.Append(rest, size - taken)) {
      Close(*connection);
      return;
    }
  }
  Settle(*connection);
}

// Closes what passed a bound, and ends what has no more input.
void Transport::Settle(Connection& connection) {
  if (connection.ending || connection.gone) return;
  const size_t size = std::max(connection.kept.size(), connection.expect);
  if (size > limits_.query_buffer_bytes) {
    Close(connection);
  } else if (connection.input_ended && !paused(connection) && !connection.again_due &&
             !connection.presented) {
    EndAfterFlush(connection);
  }
}

void Transport::Resume(int32_t id) {
  Connection* connection = FindLive(id);
  if (connection == nullptr) return;
  SlotOf(*connection).paused = 0;
  if (!connection->input_ended) Watch(*connection, connection->interest | EPOLLIN);
  Again(id);
}

void Transport::Again(int32_t id) {
  Connection* connection = FindLive(id);
  if (connection == nullptr || connection->again_due) return;
  connection->again_due = true;
  again_.push_back(id);
}

Bytes* Transport::LargeInput(int32_t id) {
  Connection* connection = Find(id);
  return connection != nullptr && connection->presented ? &connection->kept : nullptr;
}

// --- Output ---

// Gathers the slices by connection, so that each gets one write.
void Transport::Flush() {
  const int32_t count = *shared_.slice_count;
  *shared_.slice_count = 0;
  next_slice_.resize(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; i++) {
    next_slice_[static_cast<size_t>(i)] = -1;
    Connection* connection = Find(shared_.slices[i].id);
    if (connection == nullptr) continue;
    if (connection->first_slice < 0) {
      connection->first_slice = i;
      touched_.push_back(connection);
    } else {
      next_slice_[static_cast<size_t>(connection->last_slice)] = i;
    }
    connection->last_slice = i;
  }
  for (Connection* connection : touched_) SendSlices(*connection);
  touched_.clear();
  for (const int32_t id : ending_) {
    Connection* connection = Find(id);
    if (connection != nullptr) AfterWrite(*connection, Io::kDone);
  }
  ending_.clear();
}

// The bound is on what was left over from before: a single reply may be larger than it.
void Transport::SendSlices(Connection& connection) {
  iovec parts[kSlicesPerWrite];
  const size_t bound = limits_.reply_buffer_bytes;
  Io io = bound > 0 && connection.unsent.size() > bound ? Io::kFailed : Io::kDone;
  int32_t at = connection.first_slice;
  connection.first_slice = -1;
  while (at >= 0 && io != Io::kFailed) {
    size_t count = 0;
    for (; at >= 0 && count < kSlicesPerWrite; at = next_slice_[static_cast<size_t>(at)]) {
      const Slice& slice = shared_.slices[at];
      // The kernel only reads it.
      parts[count].iov_base = const_cast<char*>(output_) + slice.start;
      parts[count].iov_len = static_cast<size_t>(slice.end - slice.start);
      count++;
    }
    io = connection.Write(parts, count);
  }
  AfterWrite(connection, io);
}

// Accounts for what is unsent, and watches for the socket to take more.
void Transport::AfterWrite(Connection& connection, Io io) {
  const size_t unsent = connection.unsent.size();
  if (io == Io::kFailed) {
    Close(connection);
    return;
  }
  if (connection.ending && unsent == 0) {
    Linger(connection);
    return;
  }
  const uint32_t others = connection.interest & ~EPOLLOUT;
  Watch(connection, unsent > 0 ? others | EPOLLOUT : others);
  SharedSlot& slot = SlotOf(connection);
  slot.unsent_bytes = static_cast<double>(unsent);
  if (slot.drain_due != 0 && unsent <= limits_.high_water_bytes / 2) {
    slot.drain_due = 0;
    due_.push_back(Record{Record::kDrain, connection.id, 0, 0, 0, 0});
  }
}

// Our side is done. A peer that has ended its side is let go at once, others when they do.
void Transport::Linger(Connection& connection) {
  if (connection.input_ended) {
    Close(connection);
    return;
  }
  if (!connection.lingering) {
    connection.Finish();
    due_.push_back(Record{Record::kLinger, connection.id, 0, 0, 0, 0});
  }
  if (connection.Discard() == Io::kBlocked) {
    Watch(connection, EPOLLIN);
  } else {
    Close(connection);
  }
}

void Transport::End(int32_t id) {
  Connection* connection = FindLive(id);
  if (connection != nullptr) EndAfterFlush(*connection);
}

// ORDER: slices that were queued before go first.
void Transport::EndAfterFlush(Connection& connection) {
  connection.ending = true;
  SlotOf(connection).id = 0;
  Watch(connection, connection.interest & ~EPOLLIN);
  ending_.push_back(connection.id);
}
