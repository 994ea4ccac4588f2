// The flat functions over a transaction handle, called by the Transaction class of fdb_client.js.
#pragma once

#include <napi.h>

#include "client.h"

namespace kronotop {

// Adds the functions to `target`.
void exportTransaction(Client& client, Napi::Object target);

}  // namespace kronotop
