#include "completions.h"

#include <chrono>

#include "client.h"

namespace kronotop {

namespace {

constexpr auto kCancelWait = std::chrono::seconds(1);

void expectOk(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

Completions::Completions(Client& client) : client_(client) {
  outstanding_.previous = outstanding_.next = &outstanding_;
  napi_env env = client.env;
  Napi::String name = Napi::String::New(env, "foundationdb");
  // Queue size 0: unbounded, so that the network thread never blocks here.
  expectOk(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr,
                                                nullptr, this, wake, &wakeUp_));
  expectOk(env, napi_unref_threadsafe_function(env, wakeUp_));
}

Napi::Promise Completions::promise(Future future, Extract extract) {
  return add(std::move(future), extract, Kind::kOperation, 0);
}

Napi::Promise Completions::watch(Future future, Extract extract, uint32_t* id) {
  *id = nextWatchId_++;
  return add(std::move(future), extract, Kind::kWatch, *id);
}

Napi::Promise Completions::add(Future future, Extract extract, Kind kind, uint32_t watchId) {
  napi_env env = client_.env;
  napi_value promise;
  napi_deferred deferred;
  expectOk(env, napi_create_promise(env, &deferred, &promise));
  auto* pending = new Pending{this, future.release(), extract, deferred, kind, watchId,
                              outstanding_.previous, &outstanding_};
  pending->previous->next = outstanding_.previous = pending;
  if (kind == Kind::kWatch) {
    watches_.emplace(watchId, pending);
  } else if (operations_++ == 0) {
    napi_ref_threadsafe_function(env, wakeUp_);
  }
  // ORDER: last, and under no lock. The callback may run at once, on this thread.
  fdb_error_t code = fdb.future_set_callback(pending->future, onReady, pending);
  if (code != 0) onReady(pending->future, pending);
  return Napi::Promise(env, promise);
}

void Completions::cancelWatch(uint32_t id) {
  auto found = watches_.find(id);
  if (found != watches_.end()) fdb.future_cancel(found->second->future);
}

void Completions::onReady(FDBFuture*, void* data) {
  auto* pending = static_cast<Pending*>(data);
  Completions& self = *pending->owner;
  std::lock_guard<std::mutex> lock(self.mutex_);
  // After close() nobody will settle it; `pending` is left as it is, the process is ending.
  if (self.closed_) return;
  self.ready_.push_back(pending);
  if (self.ready_.size() == 1) {
    // Under the lock: close() must not release the wake-up between the check and the call.
    napi_call_threadsafe_function(self.wakeUp_, nullptr, napi_tsfn_nonblocking);
    self.arrived_.notify_one();
  }
}

void Completions::wake(napi_env env, napi_value, void* completions, void*) {
  // Without an environment the process is going down and the queue is dropped.
  if (env == nullptr) return;
  static_cast<Completions*>(completions)->drain();
}

void Completions::drain() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    batch_.swap(ready_);
  }
  for (Pending* pending : batch_) {
    Napi::HandleScope scope(client_.env);
    settle(*pending);
    forget(pending);
  }
  batch_.clear();
}

void Completions::settle(Pending& pending) {
  napi_env env = client_.env;
  try {
    napi_value value = pending.extract(client_, pending.future);
    if (value == nullptr) value = Napi::Env(env).Undefined();
    napi_resolve_deferred(env, pending.deferred, value);
  } catch (const Napi::Error& error) {
    napi_reject_deferred(env, pending.deferred, error.Value());
  } catch (const std::exception& error) {
    napi_reject_deferred(env, pending.deferred, Napi::Error::New(env, error.what()).Value());
  }
}

void Completions::forget(Pending* pending) {
  pending->previous->next = pending->next;
  pending->next->previous = pending->previous;
  if (pending->kind == Kind::kWatch) {
    watches_.erase(pending->watchId);
  } else if (--operations_ == 0) {
    napi_unref_threadsafe_function(client_.env, wakeUp_);
  }
  fdb.future_destroy(pending->future);
  delete pending;
}

bool Completions::close(bool cancelPending) {
  if (cancelPending) {
    for (Pending* each = outstanding_.next; each != &outstanding_; each = each->next) {
      fdb.future_cancel(each->future);
    }
    const auto deadline = std::chrono::steady_clock::now() + kCancelWait;
    std::unique_lock<std::mutex> lock(mutex_);
    while (outstanding_.next != &outstanding_) {
      if (!arrived_.wait_until(lock, deadline, [this] { return !ready_.empty(); })) break;
      batch_.swap(ready_);
      lock.unlock();
      for (Pending* pending : batch_) forget(pending);
      batch_.clear();
      lock.lock();
    }
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  napi_release_threadsafe_function(wakeUp_, napi_tsfn_abort);
  return outstanding_.next != &outstanding_;
}

}  // namespace kronotop
