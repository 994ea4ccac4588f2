// A queue of bytes in one block of memory: appended at its end, consumed at its front.
//
//     data | consumed | held          | free |
//          0          start           end    capacity
//
// INVARIANT: each byte is moved a bounded number of times: the block grows by doubling (large ones
// by remapping pages, without a copy), and held bytes move down only when as many free ones lie in
// front of them.

#ifndef KRONOTOP_TRANSPORT_BYTES_H_
#define KRONOTOP_TRANSPORT_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { std::free(data_); }

  size_t size() const { return end_ - start_; }
  bool empty() const { return end_ == start_; }
  char* data() { return data_ + start_; }
  char* tail() { return data_ + end_; }
  size_t room() const { return capacity_ - end_; }

  // Makes room for at least `count` bytes behind the held ones. False when memory is short.
  bool Reserve(size_t count) {
    if (count <= room()) return true;
    const size_t need = size() + count;
    if (start_ > 0 && start_ >= size()) MoveDown();
    if (count <= room()) return true;
    MoveDown();
    const size_t capacity = std::max({need, capacity_ * 2, kCapacityMin});
    char* grown = static_cast<char*>(std::realloc(data_, capacity));
    if (grown == nullptr) return false;
    data_ = grown;
    capacity_ = capacity;
    return true;
  }

  bool Append(const char* source, size_t count) {
    if (!Reserve(count)) return false;
    std::memcpy(tail(), source, count);
    end_ += count;
    return true;
  }

  // Says that `count` bytes were written at tail().
  void Grow(size_t count) { end_ += count; }

  // Drops the first `count` bytes. The memory goes with the last one, and most of a large block
  // when little is left in it.
  void Consume(size_t count) {
    start_ += count;
    if (start_ == end_) {
      Clear();
    } else if (capacity_ > kLarge && size() < capacity_ / 8) {
      MoveDown();
      char* shrunk = static_cast<char*>(std::realloc(data_, end_));
      if (shrunk == nullptr) return;
      data_ = shrunk;
      capacity_ = end_;
    }
  }

  void Clear() {
    std::free(data_);
    data_ = nullptr;
    capacity_ = start_ = end_ = 0;
  }

 private:
  static constexpr size_t kCapacityMin = 4096;
  static constexpr size_t kLarge = 256 * 1024;

  void MoveDown() {
    if (start_ == 0) return;
    std::memmove(data_, data_ + start_, size());
    end_ = size();
    start_ = 0;
  }

  char* data_ = nullptr;
  size_t capacity_ = 0;
  size_t start_ = 0;
  size_t end_ = 0;
};

#endif  // KRONOTOP_TRANSPORT_BYTES_H_
