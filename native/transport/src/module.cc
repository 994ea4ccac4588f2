// The JavaScript face of Transport: one class whose methods convert arguments and delegate. The
// tables that both sides share are made by JavaScript, see `native-module.ts`.

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "address.h"
#include "transport.h"

namespace {

template <typename Array>
Array Member(const Napi::Object& config, const char* name) {
  return config.Get(name).As<Array>();
}

size_t Size(const Napi::Object& config, const char* name) {
  return static_cast<size_t>(config.Get(name).ToNumber().Int64Value());
}

SharedMemory SharedMemoryOf(const Napi::Object& config) {
  auto input = Member<Napi::Buffer<char>>(config, "input");
  auto records = Member<Napi::Int32Array>(config, "records");
  auto slices = Member<Napi::Int32Array>(config, "slices");
  auto slots = Member<Napi::Float64Array>(config, "slots");
  SharedMemory shared{};
  shared.input = input.Data();
  shared.input_bytes = input.Length();
  shared.records = reinterpret_cast<Record*>(records.Data());
  shared.record_count = records.ByteLength() / sizeof(Record);
  // The first element is the count.
  shared.slice_count = slices.Data();
  shared.slices = reinterpret_cast<Slice*>(slices.Data() + 1);
  shared.slots = reinterpret_cast<SharedSlot*>(slots.Data());
  shared.slot_count = slots.ByteLength() / sizeof(SharedSlot);
  return shared;
}

Limits LimitsOf(const Napi::Object& config) {
  const auto refusal = Member<Napi::Buffer<char>>(config, "refusal");
  Limits limits{};
  limits.high_water_bytes = Size(config, "highWaterBytes");
  limits.query_buffer_bytes = Size(config, "queryBufferBytes");
  limits.reply_buffer_bytes = Size(config, "replyBufferBytes");
  limits.connections = Size(config, "maxConnections");
  limits.descriptors = Size(config, "maxDescriptors");
  limits.refusal.assign(refusal.Data(), refusal.Length());
  return limits;
}

int32_t IdOf(const Napi::CallbackInfo& info) { return info[0].As<Napi::Number>().Int32Value(); }

}  // namespace

class TransportObject : public Napi::ObjectWrap<TransportObject>, public Host {
 public:
  explicit TransportObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<TransportObject>(info) {
    const auto config = info[0].As<Napi::Object>();
    config_ = Napi::Persistent(config);
    on_records_ = Napi::Persistent(config.Get("onRecords").As<Napi::Function>());
    transport_ = std::make_shared<Transport>(this, SharedMemoryOf(config), LimitsOf(config));
  }

  ~TransportObject() override { transport_->Abandon(nullptr, nullptr); }

  static Napi::Function Define(Napi::Env env) {
    using Self = TransportObject;
    return DefineClass(
        env, "NativeTransport",
        {InstanceMethod<&Self::Listen>("listen"), InstanceMethod<&Self::SetOutput>("setOutput"),
         InstanceMethod<&Self::Flush>("flush"), InstanceMethod<&Self::Resume>("resume"),
         InstanceMethod<&Self::Again>("again"), InstanceMethod<&Self::End>("end"),
         InstanceMethod<&Self::Destroy>("destroy"), InstanceMethod<&Self::View>("largeInput"),
         InstanceMethod<&Self::Addresses>("addresses"),
         InstanceMethod<&Self::StopAccepting>("stopAccepting"),
         InstanceMethod<&Self::RetryAccept>("retryAccept"),
         InstanceMethod<&Self::Shutdown>("shutdown")});
  }

  // Microtasks run before this returns: replies of promises that are ready leave in this turn.
  void OnRecords(size_t count) override {
    const Napi::Env env = Env();
    const Napi::HandleScope scope(env);
    const napi_value argument = Napi::Number::New(env, static_cast<double>(count));
    const napi_status status = napi_make_callback(env, nullptr, Value(), on_records_.Value(), 1,
                                                  &argument, nullptr);
    DetachViews();
    if (status != napi_pending_exception) return;  // else fine, or the environment goes down
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }

  void OnReleased() override {
    napi_remove_async_cleanup_hook(cleanup_hook_);
    Unref();
  }

 private:
  // (address, port, backlog): the bound port, or a negative errno.
  Napi::Value Listen(const Napi::CallbackInfo& info) {
    const std::string address = info[0].As<Napi::String>();
    const int port = info[1].As<Napi::Number>().Int32Value();
    const int backlog = info[2].As<Napi::Number>().Int32Value();
    uv_loop_s* loop = nullptr;
    napi_get_uv_event_loop(info.Env(), &loop);
    const int result = transport_->Listen(loop, address, port, backlog);
    if (result >= 0) {
      // INVARIANT: while it listens the object lives, and the hook is registered.
      Ref();
      napi_add_async_cleanup_hook(info.Env(), OnCleanup, this, &cleanup_hook_);
    }
    return Napi::Number::New(info.Env(), result);
  }

  // The environment goes down: no JavaScript from here on.
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* data) {
    const auto done = [](void* argument) {
      napi_remove_async_cleanup_hook(static_cast<napi_async_cleanup_hook_handle>(argument));
    };
    static_cast<TransportObject*>(data)->transport_->Abandon(done, hook);
  }

  void SetOutput(const Napi::CallbackInfo& info) {
    const auto output = info[0].As<Napi::Buffer<char>>();
    output_ = Napi::Persistent(output.As<Napi::Object>());
    transport_->SetOutput(output.Data());
  }

  // The kept bytes of a large record, without a copy. The memory is the connection's: the view is
  // detached when the call into JavaScript ends.
  Napi::Value View(const Napi::CallbackInfo& info) {
    Bytes* bytes = transport_->LargeInput(IdOf(info));
    if (bytes == nullptr) return info.Env().Undefined();
    const auto memory = Napi::ArrayBuffer::New(info.Env(), bytes->data(), bytes->size());
    views_.push_back(Napi::Persistent(memory));
    return memory;
  }

  void DetachViews() {
    for (const auto& view : views_) view.Value().Detach();
    views_.clear();
  }

  // [peer, local]
  Napi::Value Addresses(const Napi::CallbackInfo& info) {
    const int fd = transport_->Descriptor(IdOf(info));
    const auto pair = Napi::Array::New(info.Env(), 2);
    pair.Set(0u, PeerAddress(fd));
    pair.Set(1u, LocalAddress(fd));
    return pair;
  }

  void Flush(const Napi::CallbackInfo& info) { transport_->Flush(); }
  void Resume(const Napi::CallbackInfo& info) { transport_->Resume(IdOf(info)); }
  void Again(const Napi::CallbackInfo& info) { transport_->Again(IdOf(info)); }
  void End(const Napi::CallbackInfo& info) { transport_->End(IdOf(info)); }
  void Destroy(const Napi::CallbackInfo& info) { transport_->Destroy(IdOf(info)); }
  void StopAccepting(const Napi::CallbackInfo& info) { transport_->StopAccepting(); }
  void RetryAccept(const Napi::CallbackInfo& info) { transport_->RetryAccept(); }
  void Shutdown(const Napi::CallbackInfo& info) { transport_->Shutdown(); }

  // Holds the shared tables; JavaScript freezes it.
  Napi::ObjectReference config_;
  Napi::ObjectReference output_;
  Napi::FunctionReference on_records_;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> views_;
  std::shared_ptr<Transport> transport_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
};

extern "C" napi_value kronotop_transport_init(napi_env env, napi_value exports) {
  return Napi::RegisterModule(env, exports, [](Napi::Env inner, Napi::Object target) {
    target.Set("NativeTransport", TransportObject::Define(inner));
    return target;
  });
}
