// The state of one JavaScript environment (the main thread, or one worker): its handles, its
// pending futures and the buffer that small results are written to.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "completions.h"
#include "library.h"

namespace kronotop {

// Native objects by small integer, so that a transaction costs no garbage-collected wrapper.
// Handle 0 names nothing: the JavaScript classes set it when they close.
template <typename T>
class Handles {
 public:
  explicit Handles(const char* what) : what_(what) {}

  uint32_t add(T* object) {
    if (free_.empty()) {
      objects_.push_back(object);
      return static_cast<uint32_t>(objects_.size());
    }
    uint32_t handle = free_.back();
    free_.pop_back();
    objects_[handle - 1] = object;
    return handle;
  }
  T* at(uint32_t handle) const {
    T* object = handle - 1 < objects_.size() ? objects_[handle - 1] : nullptr;
    if (object == nullptr) throw std::runtime_error(std::string("the ") + what_ + " is closed");
    return object;
  }
  T* remove(uint32_t handle) {
    T* object = at(handle);
    objects_[handle - 1] = nullptr;
    free_.push_back(handle);
    return object;
  }
  size_t count() const { return objects_.size() - free_.size(); }
  const std::vector<T*>& all() const { return objects_; }

 private:
  const char* what_;
  std::vector<T*> objects_;
  std::vector<uint32_t> free_;
};

// The JavaScript-owned buffer that small results are written to, where they stay: the caller
// makes a view of the written part, and replaces the buffer when it is used up.
class Slab {
 public:
  void use(const Napi::Buffer<uint8_t>& buffer) {
    owner_ = Napi::Persistent(buffer.As<Napi::Object>());
    data_ = buffer.Data();
    size_ = buffer.Length();
  }
  // Where `length` bytes may be written at `offset`, or null if they do not fit.
  uint8_t* place(uint32_t offset, size_t length) const {
    return offset <= size_ && length <= size_ - offset ? data_ + offset : nullptr;
  }

 private:
  Napi::ObjectReference owner_;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

struct Client {
  explicit Client(Napi::Env environment);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  static Client& of(const Napi::CallbackInfo& info) { return *static_cast<Client*>(info.Data()); }

  // Releases everything when the environment ends (process exit, end of a worker).
  static void cleanUp(void* client);

  Napi::Env env;
  Napi::FunctionReference errorClass;
  Slab slab;
  Handles<FDBDatabase> databases{"database"};
  Handles<FDBTransaction> transactions{"transaction"};
  Completions* completions;
  bool holdsNetwork = false;
};

}  // namespace kronotop
