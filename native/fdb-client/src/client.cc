#include "client.h"

#include "network.h"

namespace kronotop {

Client::Client(Napi::Env environment) : env(environment), completions(new Completions(*this)) {}

void Client::cleanUp(void* data) {
  auto* client = static_cast<Client*>(data);
  // A stopped network answers no more calls: the process is ending and takes the rest with it.
  const bool running = client->holdsNetwork && network::running();
  const bool callbacksMayCome = client->completions->close(running);
  if (running) {
    for (FDBTransaction* transaction : client->transactions.all()) {
      if (transaction != nullptr) fdb.transaction_destroy(transaction);
    }
    for (FDBDatabase* database : client->databases.all()) {
      if (database != nullptr) fdb.database_destroy(database);
    }
    network::release();
  }
  if (callbacksMayCome) return;
  delete client->completions;
  delete client;
}

}  // namespace kronotop
