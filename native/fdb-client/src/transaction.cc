// Every function takes the transaction's handle first. One that reads answers at once when its
// future is ready at once, else with a promise; fdb_client.js makes both look alike where needed.
#include "transaction.h"

#include <cstring>

#include "arguments.h"
#include "errors.h"

namespace kronotop {

namespace {

using Info = Napi::CallbackInfo;

// Error codes that a watch reports as "did not fire" on request, as the npm package documents.
constexpr fdb_error_t kNotCommitted = 1020;
constexpr fdb_error_t kTransactionCancelled = 1025;
constexpr fdb_error_t kOperationCancelled = 1101;

// A packed range written to the slab answers as one integer: bytes, pair count and the `more` flag.
// A pair takes at least its 8-byte header, so the count fits when the byte length does.
constexpr uint32_t kPackedByteBits = 14;
constexpr uint32_t kPackedCountBits = kPackedByteBits - 3;
constexpr size_t kPackedByteLimit = (size_t{1} << kPackedByteBits) - 8;
static_assert(kPackedByteBits + kPackedCountBits + 1 <= 30, "stays a small integer in V8");

FDBTransaction* transactionOf(const Client& client, const Info& info) {
  return client.transactions.at(toHandle(info[0]));
}

// Copies and returns the end. Null with length 0 is no source for memcpy.
uint8_t* put(uint8_t* target, const void* source, size_t length) {
  if (length > 0) std::memcpy(target, source, length);
  return target + length;
}

Napi::Value copy(const Client& client, const uint8_t* data, int length) {
  return Napi::Buffer<uint8_t>::Copy(client.env, data, static_cast<size_t>(length));
}

// ---- values of ready futures ----

Napi::Value extractNothing(const Client& client, FDBFuture* future) {
  check(client, fdb.future_get_error(future));
  return Napi::Value();
}

Napi::Value extractValue(const Client& client, FDBFuture* future) {
  fdb_bool_t present = 0;
  const uint8_t* value = nullptr;
  int length = 0;
  check(client, fdb.future_get_value(future, &present, &value, &length));
  return present ? copy(client, value, length) : Napi::Value();
}

Napi::Value extractKey(const Client& client, FDBFuture* future) {
  const uint8_t* key = nullptr;
  int length = 0;
  check(client, fdb.future_get_key(future, &key, &length));
  return copy(client, key, length);
}

Napi::Value extractNumber(const Client& client, FDBFuture* future) {
  int64_t number = 0;
  check(client, fdb.future_get_int64(future, &number));
  return Napi::Number::New(client.env, static_cast<double>(number));
}

Napi::Value extractVersion(const Client& client, FDBFuture* future) {
  int64_t version = 0;
  check(client, fdb.future_get_int64(future, &version));
  return Napi::BigInt::New(client.env, version);
}

Napi::Value extractKeys(const Client& client, FDBFuture* future) {
  const FDBKey* keys = nullptr;
  int count = 0;
  check(client, fdb.future_get_key_array(future, &keys, &count));
  Napi::Array array = Napi::Array::New(client.env, static_cast<size_t>(count));
  for (int i = 0; i < count; i++) {
    array.Set(static_cast<uint32_t>(i), copy(client, keys[i].key, keys[i].key_length));
  }
  return array;
}

Napi::Value extractStrings(const Client& client, FDBFuture* future) {
  const char** strings = nullptr;
  int count = 0;
  check(client, fdb.future_get_string_array(future, &strings, &count));
  Napi::Array array = Napi::Array::New(client.env, static_cast<size_t>(count));
  for (int i = 0; i < count; i++) array.Set(static_cast<uint32_t>(i), strings[i]);
  return array;
}

Napi::Value extractFired(const Client& client, FDBFuture* future) {
  check(client, fdb.future_get_error(future));
  return Napi::Boolean::New(client.env, true);
}

Napi::Value extractFiredOrFalse(const Client& client, FDBFuture* future) {
  fdb_error_t code = fdb.future_get_error(future);
  const bool standard =
      code == kOperationCancelled || code == kTransactionCancelled || code == kNotCommitted;
  if (!standard) check(client, code);
  return Napi::Boolean::New(client.env, code == 0);
}

// The pairs of a range: u32le key length, u32le value length, key, value, back to back. Our own
// libfdb_c has them in this form, FoundationDB's hands out an array of pointers.
struct Pairs {
  const FDBKeyValue* pairs = nullptr;
  const uint8_t* packed = nullptr;
  size_t bytes = 0;
  int count = 0;
  fdb_bool_t more = 0;

  Pairs(const Client& client, FDBFuture* future) {
    if (fdb.get_packed.available()) {
      int length = 0;
      check(client, fdb.get_packed(future, &packed, &length, &count, &more));
      bytes = static_cast<size_t>(length);
      return;
    }
    check(client, fdb.future_get_keyvalue_array(future, &pairs, &count, &more));
    for (int i = 0; i < count; i++) {
      bytes += 8 + static_cast<size_t>(pairs[i].key_length + pairs[i].value_length);
    }
  }

  void write(uint8_t* target) const {
    if (packed != nullptr) {
      put(target, packed, bytes);
      return;
    }
    for (int i = 0; i < count; i++) {
      const FDBKeyValue& pair = pairs[i];
      const uint32_t lengths[2] = {static_cast<uint32_t>(pair.key_length),
                                   static_cast<uint32_t>(pair.value_length)};
      target = put(target, lengths, sizeof lengths);
      target = put(target, pair.key, lengths[0]);
      target = put(target, pair.value, lengths[1]);
    }
  }

  Napi::Value toObject(const Client& client) const {
    auto data = Napi::Buffer<uint8_t>::New(client.env, bytes);
    write(data.Data());
    Napi::Object object = Napi::Object::New(client.env);
    object.Set("data", data);
    object.Set("count", count);
    object.Set("more", more != 0);
    return object;
  }
};

Napi::Value extractPacked(const Client& client, FDBFuture* future) {
  return Pairs(client, future).toObject(client);
}

// ---- answering ----

Napi::Value answer(const Client& client, Future future, Extract extract) {
  if (fdb.future_is_ready(future.get())) return extract(client, future.get());
  return client.completions->promise(std::move(future), extract);
}

// (handle, key, snapshot, slab offset) -> bytes written to the slab | Buffer | undefined | promise
Napi::Value get(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes key(info[1]);
  Future future(fdb.transaction_get(transaction, key.data(), key.size(), toFlag(info[2])));
  if (!fdb.future_is_ready(future.get())) {
    return client.completions->promise(std::move(future), extractValue);
  }
  fdb_bool_t present = 0;
  const uint8_t* value = nullptr;
  int length = 0;
  check(client, fdb.future_get_value(future.get(), &present, &value, &length));
  if (!present) return Napi::Value();
  uint8_t* place = client.slab.place(toHandle(info[3]), static_cast<size_t>(length));
  if (place == nullptr) return copy(client, value, length);
  put(place, value, static_cast<size_t>(length));
  return Napi::Number::New(client.env, length);
}

// (handle, begin ×3, end ×3, limit, targetBytes, mode, iteration, snapshot, reverse, slab offset)
//   -> packed integer, written to the slab | { data, count, more } | promise of the latter
Napi::Value getRange(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes begin(info[1]);
  Bytes end(info[4]);
  Future future(fdb.transaction_get_range(
      transaction, begin.data(), begin.size(), toFlag(info[2]), toInt(info[3]), end.data(),
      end.size(), toFlag(info[5]), toInt(info[6]), toInt(info[7]), toInt(info[8]), toInt(info[9]),
      toInt(info[10]), toFlag(info[11]), toFlag(info[12])));
  if (!fdb.future_is_ready(future.get())) {
    return client.completions->promise(std::move(future), extractPacked);
  }
  Pairs pairs(client, future.get());
  uint8_t* place = client.slab.place(toHandle(info[13]), pairs.bytes);
  if (pairs.bytes > kPackedByteLimit || place == nullptr) return pairs.toObject(client);
  pairs.write(place);
  const uint32_t packed = static_cast<uint32_t>(pairs.bytes) |
                          static_cast<uint32_t>(pairs.count) << kPackedByteBits |
                          (pairs.more ? 1u : 0u) << (kPackedByteBits + kPackedCountBits);
  return Napi::Number::New(client.env, packed);
}

Napi::Value getKey(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes key(info[1]);
  return answer(client,
                Future(fdb.transaction_get_key(transaction, key.data(), key.size(),
                                               toFlag(info[2]), toInt(info[3]), toFlag(info[4]))),
                extractKey);
}

Napi::Value getReadVersion(const Info& info) {
  Client& client = Client::of(info);
  Future future(fdb.transaction_get_read_version(transactionOf(client, info)));
  return answer(client, std::move(future), extractVersion);
}

Napi::Value getApproximateSize(const Info& info) {
  Client& client = Client::of(info);
  Future future(fdb.transaction_get_approximate_size(transactionOf(client, info)));
  return answer(client, std::move(future), extractNumber);
}

Napi::Value getEstimatedRangeSizeBytes(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes begin(info[1]);
  Bytes end(info[2]);
  Future future(fdb.transaction_get_estimated_range_size_bytes(
      transaction, begin.data(), begin.size(), end.data(), end.size()));
  return answer(client, std::move(future), extractNumber);
}

Napi::Value getRangeSplitPoints(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes begin(info[1]);
  Bytes end(info[2]);
  Future future(fdb.transaction_get_range_split_points(transaction, begin.data(), begin.size(),
                                                       end.data(), end.size(), toInt(info[3])));
  return answer(client, std::move(future), extractKeys);
}

Napi::Value getAddressesForKey(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes key(info[1]);
  Future future(fdb.transaction_get_addresses_for_key(transaction, key.data(), key.size()));
  return answer(client, std::move(future), extractStrings);
}

// ---- writes ----

void set(const Info& info) {
  FDBTransaction* transaction = transactionOf(Client::of(info), info);
  Bytes key(info[1]);
  Bytes value(info[2]);
  fdb.transaction_set(transaction, key.data(), key.size(), value.data(), value.size());
}

void clear(const Info& info) {
  FDBTransaction* transaction = transactionOf(Client::of(info), info);
  Bytes key(info[1]);
  fdb.transaction_clear(transaction, key.data(), key.size());
}

void clearRange(const Info& info) {
  FDBTransaction* transaction = transactionOf(Client::of(info), info);
  Bytes begin(info[1]);
  Bytes end(info[2]);
  fdb.transaction_clear_range(transaction, begin.data(), begin.size(), end.data(), end.size());
}

// (handle, mutation type, key, operand)
void atomicOp(const Info& info) {
  FDBTransaction* transaction = transactionOf(Client::of(info), info);
  Bytes key(info[2]);
  Bytes operand(info[3]);
  fdb.transaction_atomic_op(transaction, key.data(), key.size(), operand.data(), operand.size(),
                            toInt(info[1]));
}

// (handle, begin, end, conflict range type)
void addConflictRange(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes begin(info[1]);
  Bytes end(info[2]);
  check(client, fdb.transaction_add_conflict_range(transaction, begin.data(), begin.size(),
                                                   end.data(), end.size(), toInt(info[3])));
}

// ---- life cycle ----

void setTransactionOption(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  const int code = toInt(info[1]);
  check(client, setOption(info[2], [&](const uint8_t* value, int length) {
          return fdb.transaction_set_option(transaction, code, value, length);
        }));
}

void setReadVersion(const Info& info) {
  FDBTransaction* transaction = transactionOf(Client::of(info), info);
  bool lossless = false;
  fdb.transaction_set_read_version(transaction, info[1].As<Napi::BigInt>().Int64Value(&lossless));
}

Napi::Value commit(const Info& info) {
  Client& client = Client::of(info);
  Future future(fdb.transaction_commit(transactionOf(client, info)));
  return answer(client, std::move(future), extractNothing);
}

Napi::Value onError(const Info& info) {
  Client& client = Client::of(info);
  Future future(fdb.transaction_on_error(transactionOf(client, info), toInt(info[1])));
  return answer(client, std::move(future), extractNothing);
}

Napi::Value getCommittedVersion(const Info& info) {
  Client& client = Client::of(info);
  int64_t version = 0;
  check(client, fdb.transaction_get_committed_version(transactionOf(client, info), &version));
  return Napi::BigInt::New(client.env, version);
}

Napi::Value getVersionstamp(const Info& info) {
  Client& client = Client::of(info);
  Future future(fdb.transaction_get_versionstamp(transactionOf(client, info)));
  return answer(client, std::move(future), extractKey);
}

// (handle, key, whether cancellation answers false instead of an error) -> { id, promise }
Napi::Value watch(const Info& info) {
  Client& client = Client::of(info);
  FDBTransaction* transaction = transactionOf(client, info);
  Bytes key(info[1]);
  const Extract extract = toFlag(info[2]) ? extractFiredOrFalse : extractFired;
  Future future(fdb.transaction_watch(transaction, key.data(), key.size()));
  uint32_t id = 0;
  Napi::Promise promise = client.completions->watch(std::move(future), extract, &id);
  Napi::Object object = Napi::Object::New(client.env);
  object.Set("id", id);
  object.Set("promise", promise);
  return object;
}

void cancelWatch(const Info& info) {
  Client::of(info).completions->cancelWatch(toHandle(info[0]));
}

void reset(const Info& info) { fdb.transaction_reset(transactionOf(Client::of(info), info)); }

void cancel(const Info& info) { fdb.transaction_cancel(transactionOf(Client::of(info), info)); }

void destroy(const Info& info) {
  fdb.transaction_destroy(Client::of(info).transactions.remove(toHandle(info[0])));
}

template <auto Callback>
void add(Client& client, Napi::Object target, const char* name) {
  target.Set(name, Napi::Function::New<Callback>(client.env, name, &client));
}

}  // namespace

void exportTransaction(Client& client, Napi::Object target) {
  add<get>(client, target, "get");
  add<getRange>(client, target, "getRange");
  add<getKey>(client, target, "getKey");
  add<getReadVersion>(client, target, "getReadVersion");
  add<getApproximateSize>(client, target, "getApproximateSize");
  add<getEstimatedRangeSizeBytes>(client, target, "getEstimatedRangeSizeBytes");
  add<getRangeSplitPoints>(client, target, "getRangeSplitPoints");
  add<getAddressesForKey>(client, target, "getAddressesForKey");
  add<set>(client, target, "set");
  add<clear>(client, target, "clear");
  add<clearRange>(client, target, "clearRange");
  add<atomicOp>(client, target, "atomicOp");
  add<addConflictRange>(client, target, "addConflictRange");
  add<setTransactionOption>(client, target, "setTransactionOption");
  add<setReadVersion>(client, target, "setReadVersion");
  add<commit>(client, target, "commit");
  add<onError>(client, target, "onError");
  add<getCommittedVersion>(client, target, "getCommittedVersion");
  add<getVersionstamp>(client, target, "getVersionstamp");
  add<watch>(client, target, "watch");
  add<cancelWatch>(client, target, "cancelWatch");
  add<reset>(client, target, "reset");
  add<cancel>(client, target, "cancel");
  add<destroy>(client, target, "destroyTransaction");
}

}  // namespace kronotop
