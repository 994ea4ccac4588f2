// Checked conversions of JavaScript arguments. The classes in fdb_client.js pass booleans, numbers
// and handles of the right kind; keys, values and options come from the user as they are.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "library.h"

namespace kronotop {

// A key or value: a Buffer (borrowed for the call) or a string (copied as UTF-8).
class Bytes {
 public:
  explicit Bytes(const Napi::Value& value) {
    napi_env env = value.Env();
    bool isBuffer = false;
    napi_is_buffer(env, value, &isBuffer);
    if (isBuffer) {
      void* data = nullptr;
      napi_get_buffer_info(env, value, &data, &size_);
      data_ = static_cast<const uint8_t*>(data);
    } else if (value.IsString()) {
      text_ = value.As<Napi::String>().Utf8Value();
      data_ = reinterpret_cast<const uint8_t*>(text_.data());
      size_ = text_.size();
    } else {
      throw Napi::TypeError::New(env, "expected a Buffer or a string");
    }
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  const uint8_t* data() const { return data_; }
  int size() const { return static_cast<int>(size_); }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  std::string text_;
};

inline int32_t toInt(const Napi::Value& value) {
  int32_t result = 0;
  if (napi_get_value_int32(value.Env(), value, &result) != napi_ok) {
    throw Napi::TypeError::New(value.Env(), "expected a number");
  }
  return result;
}

inline uint32_t toHandle(const Napi::Value& value) { return static_cast<uint32_t>(toInt(value)); }

inline fdb_bool_t toFlag(const Napi::Value& value) {
  bool result = false;
  if (napi_get_value_bool(value.Env(), value, &result) != napi_ok) {
    throw Napi::TypeError::New(value.Env(), "expected a boolean");
  }
  return result ? 1 : 0;
}

// The value of an option: null, a Buffer or string, or a number (8 bytes, little-endian).
template <typename Set>
fdb_error_t setOption(const Napi::Value& value, Set set) {
  if (value.IsNull() || value.IsUndefined()) return set(nullptr, 0);
  if (value.IsNumber()) {
    int64_t number = value.As<Napi::Number>().Int64Value();
    return set(reinterpret_cast<const uint8_t*>(&number), static_cast<int>(sizeof number));
  }
  Bytes bytes(value);
  return set(bytes.data(), bytes.size());
}

}  // namespace kronotop
