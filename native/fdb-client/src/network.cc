#include "network.h"

#include <cstdio>
#include <mutex>
#include <thread>

namespace kronotop::network {

namespace {

constexpr fdb_error_t kNetworkCannotBeRestarted = 2025;

// FDB_NET_OPTION_CALLBACKS_ON_EXTERNAL_THREADS
constexpr int kCallbacksOnExternalThreads = 61;

enum class State { kIdle, kRunning, kStopped };

struct Network {
  std::mutex mutex;
  State state = State::kIdle;
  int shares = 0;
  int apiVersion = 0;
  std::thread thread;
};

// Never destroyed: a thread that still runs when the process exits must not meet a destructor.
Network& instance() {
  static Network* network = new Network;
  return *network;
}

void run() {
  fdb_error_t code = fdb.run_network();
  // Stopped before this thread got to run it, by a process that ends right after its start.
  if (code == 0 || code == kNetworkCannotBeRestarted) return;
  std::fprintf(stderr, "fdb_run_network: %s (%d)\n", fdb.get_error(code), code);
}

}  // namespace

fdb_error_t acquire() {
  Network& network = instance();
  std::lock_guard<std::mutex> lock(network.mutex);
  if (network.state == State::kStopped) return kNetworkCannotBeRestarted;
  if (network.state == State::kIdle) {
    // Our callbacks only queue (completions.h), from whatever thread: with the embedded store they
    // come from the thread that has the answer, without a detour over the network thread.
    fdb_error_t code = 0;
    if (fdb.last_error.available()) {
      code = fdb.network_set_option(kCallbacksOnExternalThreads, nullptr, 0);
    }
    if (code == 0) code = fdb.setup_network();
    if (code != 0) return code;
    network.thread = std::thread(run);
    network.state = State::kRunning;
  }
  network.shares += 1;
  return 0;
}

fdb_error_t release() {
  Network& network = instance();
  std::lock_guard<std::mutex> lock(network.mutex);
  network.shares -= 1;
  if (network.shares > 0 || network.state != State::kRunning) return 0;
  network.state = State::kStopped;
  fdb_error_t code = fdb.stop_network();
  if (code != 0) {
    network.thread.detach();
    return code;
  }
  // Safe to wait: the thread never blocks on JavaScript, its queue is unbounded (completions.h).
  network.thread.join();
  return 0;
}

bool running() {
  Network& network = instance();
  std::lock_guard<std::mutex> lock(network.mutex);
  return network.state == State::kRunning;
}

fdb_error_t selectApiVersion(int version, int headerVersion) {
  Network& network = instance();
  std::lock_guard<std::mutex> lock(network.mutex);
  if (network.apiVersion == version) return 0;
  fdb_error_t code = fdb.select_api_version_impl(version, headerVersion);
  if (code == 0) network.apiVersion = version;
  return code;
}

}  // namespace kronotop::network
