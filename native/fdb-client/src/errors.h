// Turns FoundationDB error codes into JavaScript errors of the class that the npm package's retry
// loops test for (`FDBError`, injected from JavaScript).
#pragma once

#include <napi.h>

#include "client.h"

namespace kronotop {

// A new error object with `.code`; `detail` (may be null) is appended to the description.
Napi::Value makeError(const Client& client, fdb_error_t code, const char* detail = nullptr);

[[noreturn]] void throwError(const Client& client, fdb_error_t code, const char* detail = nullptr);

inline void check(const Client& client, fdb_error_t code) {
  if (code != 0) throwError(client, code);
}

}  // namespace kronotop
