#include "errors.h"

#include <string>

namespace kronotop {

Napi::Value makeError(const Client& client, fdb_error_t code, const char* detail) {
  Napi::Env env = client.env;
  std::string message = fdb.get_error(code);
  if (detail != nullptr && *detail != '\0') message.append(": ").append(detail);
  Napi::String text = Napi::String::New(env, message);
  Napi::Number number = Napi::Number::New(env, code);
  if (!client.errorClass.IsEmpty()) return client.errorClass.New({text, number});
  Napi::Object error = Napi::Error::New(env, message).Value();
  error.Set("code", number);
  return error;
}

void throwError(const Client& client, fdb_error_t code, const char* detail) {
  throw Napi::Error(client.env, makeError(client, code, detail));
}

}  // namespace kronotop
