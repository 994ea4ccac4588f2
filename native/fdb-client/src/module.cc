// The module-level functions and the addon's start.
#include <napi.h>

#include "arguments.h"
#include "client.h"
#include "errors.h"
#include "network.h"
#include "transaction.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packed ranges are little-endian");

namespace kronotop {

namespace {

using Info = Napi::CallbackInfo;

void load(const Info& info) { loadLibrary(info[0].As<Napi::String>().Utf8Value()); }

void setErrorClass(const Info& info) {
  Client::of(info).errorClass = Napi::Persistent(info[0].As<Napi::Function>());
}

void useSlab(const Info& info) {
  Client::of(info).slab.use(info[0].As<Napi::Buffer<uint8_t>>());
}

Napi::Value maxApiVersion(const Info& info) {
  return Napi::Number::New(info.Env(), fdb.get_max_api_version());
}

void selectApiVersion(const Info& info) {
  check(Client::of(info), network::selectApiVersion(toInt(info[0]), toInt(info[1])));
}

void setNetworkOption(const Info& info) {
  const int code = toInt(info[0]);
  check(Client::of(info), setOption(info[1], [&](const uint8_t* value, int length) {
          return fdb.network_set_option(code, value, length);
        }));
}

void startNetwork(const Info& info) {
  Client& client = Client::of(info);
  if (client.holdsNetwork) return;
  check(client, network::acquire());
  client.holdsNetwork = true;
}

void stopNetwork(const Info& info) {
  Client& client = Client::of(info);
  if (!client.holdsNetwork) return;
  client.holdsNetwork = false;
  check(client, network::release());
}

Napi::Value errorPredicate(const Info& info) {
  return Napi::Boolean::New(info.Env(), fdb.error_predicate(toInt(info[0]), toInt(info[1])));
}

// (path | undefined) -> database handle
Napi::Value createDatabase(const Info& info) {
  Client& client = Client::of(info);
  const bool named = !info[0].IsUndefined() && !info[0].IsNull();
  const std::string path = named ? info[0].As<Napi::String>().Utf8Value() : "";
  FDBDatabase* database = nullptr;
  fdb_error_t code = fdb.create_database(named ? path.c_str() : nullptr, &database);
  if (code != 0) {
    throwError(client, code, fdb.last_error.available() ? fdb.last_error() : nullptr);
  }
  return Napi::Number::New(client.env, client.databases.add(database));
}

void setDatabaseOption(const Info& info) {
  Client& client = Client::of(info);
  FDBDatabase* database = client.databases.at(toHandle(info[0]));
  const int code = toInt(info[1]);
  check(client, setOption(info[2], [&](const uint8_t* value, int length) {
          return fdb.database_set_option(database, code, value, length);
        }));
}

void destroyDatabase(const Info& info) {
  fdb.database_destroy(Client::of(info).databases.remove(toHandle(info[0])));
}

// (database handle) -> transaction handle
Napi::Value createTransaction(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = nullptr;
  FDBDatabase* database = client.databases.at(toHandle(info[0]));
  check(client, fdb.database_create_transaction(database, &transaction));
  return Napi::Number::New(client.env, client.transactions.add(transaction));
}

Napi::Value openTransactionCount(const Info& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Client::of(info).transactions.count()));
}

template <auto Callback>
void add(Client& client, Napi::Object target, const char* name) {
  target.Set(name, Napi::Function::New<Callback>(client.env, name, &client));
}

Napi::Object nativeFunctions(Client& client) {
  Napi::Object native = Napi::Object::New(client.env);
  add<load>(client, native, "loadLibrary");
  add<setErrorClass>(client, native, "setErrorClass");
  add<useSlab>(client, native, "useSlab");
  add<maxApiVersion>(client, native, "maxApiVersion");
  add<selectApiVersion>(client, native, "selectApiVersion");
  add<setNetworkOption>(client, native, "setNetworkOption");
  add<startNetwork>(client, native, "startNetwork");
  add<stopNetwork>(client, native, "stopNetwork");
  add<errorPredicate>(client, native, "errorPredicate");
  add<createDatabase>(client, native, "createDatabase");
  add<setDatabaseOption>(client, native, "setDatabaseOption");
  add<destroyDatabase>(client, native, "destroyDatabase");
  add<createTransaction>(client, native, "createTransaction");
  add<openTransactionCount>(client, native, "openTransactionCount");
  exportTransaction(client, native);
  return native;
}

}  // namespace

// The module object is what the script's function makes of the flat native functions.
Napi::Object init(Napi::Env env, const std::string& script) {
  auto* client = new Client(env);
  napi_add_env_cleanup_hook(env, Client::cleanUp, client);
  Napi::Function wrap = env.RunScript(script).As<Napi::Function>();
  return wrap.Call({nativeFunctions(*client)}).As<Napi::Object>();
}

}  // namespace kronotop

extern "C" napi_value kronotop_fdb_client_init(napi_env env, napi_value, const char* script,
                                               size_t scriptLength) {
  try {
    return kronotop::init(env, std::string(script, scriptLength));
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    Napi::Error::New(env, error.what()).ThrowAsJavaScriptException();
  }
  return nullptr;
}
