// The FoundationDB network thread. It exists once per process and cannot be started twice, while
// every worker thread that loads the addon has an environment of its own: each environment holds
// one share, and the thread stops when the last share is returned.
#pragma once

#include "library.h"

namespace kronotop::network {

// Takes a share, starting the thread for the first one; returns an fdb error code.
fdb_error_t acquire();

// Returns a share; the last one stops the thread and joins it. Returns an fdb error code.
fdb_error_t release();

// Whether callbacks of pending futures can still arrive.
bool running();

// Selects the API version; choosing the selected version again succeeds.
fdb_error_t selectApiVersion(int version, int headerVersion);

}  // namespace kronotop::network
