// Futures that are not ready at once, from the call that made them to the promise they settle.
//
//   JS thread                         any thread                     JS thread
//   promise() ── set_callback ──▶ future ready ──▶ queue ── wake-up ──▶ drain(): settle all
//
// Only the push that makes the queue non-empty wakes JavaScript; one wake-up settles the batch.
// Futures that somebody waits for keep the process alive, watches do not.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "library.h"

namespace kronotop {

struct Client;

// Owns one FDBFuture.
class Future {
 public:
  explicit Future(FDBFuture* future) : future_(future) {}
  Future(Future&& other) noexcept : future_(other.release()) {}
  Future(const Future&) = delete;
  Future& operator=(const Future&) = delete;
  ~Future() {
    if (future_ != nullptr) fdb.future_destroy(future_);
  }
  FDBFuture* get() const { return future_; }
  FDBFuture* release() {
    FDBFuture* future = future_;
    future_ = nullptr;
    return future;
  }

 private:
  FDBFuture* future_;
};

// Makes the JavaScript value of a ready future, or throws.
using Extract = Napi::Value (*)(const Client&, FDBFuture*);

class Completions {
 public:
  // What a pending future means to the life of the process and to cancelling.
  enum class Kind { kOperation, kWatch };

  explicit Completions(Client& client);

  // The promise of a future that is not ready. Takes the future.
  Napi::Promise promise(Future future, Extract extract);

  // Like `promise`, but the future may be cancelled with the returned id until it is settled.
  Napi::Promise watch(Future future, Extract extract, uint32_t* id);
  void cancelWatch(uint32_t id);

  // Ends the queue: nothing is delivered afterwards. With `cancelPending`, pending futures are
  // cancelled first and their callbacks waited for (at most a second), so that nothing leaks.
  // Returns whether callbacks may still arrive; the object must then outlive them.
  bool close(bool cancelPending);

 private:
  struct Pending {
    Completions* owner;
    FDBFuture* future;
    Extract extract;
    napi_deferred deferred;
    Kind kind;
    uint32_t watchId;
    Pending* previous;
    Pending* next;
  };

  static void onReady(FDBFuture*, void* pending);
  static void wake(napi_env env, napi_value, void* completions, void*);

  Napi::Promise add(Future future, Extract extract, Kind kind, uint32_t watchId);
  void drain();
  void settle(Pending& pending);
  void forget(Pending* pending);

  Client& client_;
  napi_threadsafe_function wakeUp_ = nullptr;

  // JS thread only.
  Pending outstanding_{};  // ring; this node is its head
  std::unordered_map<uint32_t, Pending*> watches_;
  uint32_t nextWatchId_ = 1;
  size_t operations_ = 0;
  std::vector<Pending*> batch_;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Pending*> ready_;
  bool closed_ = false;
};

}  // namespace kronotop
