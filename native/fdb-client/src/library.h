// The FoundationDB C API (version 720) as a table of functions that are looked up at run time in
// a libfdb_c named by the caller: one build runs with and without FoundationDB installed, and with
// our own libfdb_c over the embedded store. The table is per process and filled once.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

struct FDBFuture;
struct FDBDatabase;
struct FDBTransaction;

using fdb_error_t = int;
using fdb_bool_t = int;
using FDBCallback = void (*)(FDBFuture*, void*);

#pragma pack(push, 4)
struct FDBKey {
  const uint8_t* key;
  int key_length;
};
struct FDBKeyValue {
  const uint8_t* key;
  int key_length;
  const uint8_t* value;
  int value_length;
};
#pragma pack(pop)
static_assert(sizeof(FDBKey) == 12 && sizeof(FDBKeyValue) == 24, "layout of the C API");

namespace kronotop {

// One looked-up function. One that the library lacks throws when it is called.
template <typename Signature>
class Entry;

template <typename Result, typename... Args>
class Entry<Result(Args...)> {
 public:
  explicit Entry(const char* name) : name_(name) {}

  Result operator()(Args... args) const {
    if (target_ == nullptr) missing();
    return target_(args...);
  }
  bool available() const { return target_ != nullptr; }
  const char* name() const { return name_; }
  void bind(void* address) { target_ = reinterpret_cast<Result (*)(Args...)>(address); }

 private:
  [[noreturn]] void missing() const {
    throw std::runtime_error(std::string(name_) +
                             ": not in the loaded libfdb_c (or loadLibrary was not called)");
  }

  const char* name_;
  Result (*target_)(Args...) = nullptr;
};

// X(member, signature): the exported name is "fdb_" + member. A library without one of the first
// list is no libfdb_c that can be used; those of the second list came with later versions.
#define KRONOTOP_FDB_FUNCTIONS(X)                                                                 \
  X(get_error, const char*(fdb_error_t))                                                          \
  X(error_predicate, fdb_bool_t(int, fdb_error_t))                                                \
  X(get_max_api_version, int())                                                                   \
  X(select_api_version_impl, fdb_error_t(int, int))                                               \
  X(network_set_option, fdb_error_t(int, const uint8_t*, int))                                    \
  X(setup_network, fdb_error_t())                                                                 \
  X(run_network, fdb_error_t())                                                                   \
  X(stop_network, fdb_error_t())                                                                  \
  X(create_database, fdb_error_t(const char*, FDBDatabase**))                                     \
  X(database_destroy, void(FDBDatabase*))                                                         \
  X(database_set_option, fdb_error_t(FDBDatabase*, int, const uint8_t*, int))                     \
  X(database_create_transaction, fdb_error_t(FDBDatabase*, FDBTransaction**))                     \
  X(transaction_destroy, void(FDBTransaction*))                                                   \
  X(transaction_cancel, void(FDBTransaction*))                                                    \
  X(transaction_reset, void(FDBTransaction*))                                                     \
  X(transaction_set_option, fdb_error_t(FDBTransaction*, int, const uint8_t*, int))               \
  X(transaction_set_read_version, void(FDBTransaction*, int64_t))                                 \
  X(transaction_get_read_version, FDBFuture*(FDBTransaction*))                                    \
  X(transaction_get, FDBFuture*(FDBTransaction*, const uint8_t*, int, fdb_bool_t))                \
  X(transaction_get_key,                                                                          \
    FDBFuture*(FDBTransaction*, const uint8_t*, int, fdb_bool_t, int, fdb_bool_t))                \
  X(transaction_get_range,                                                                        \
    FDBFuture*(FDBTransaction*, const uint8_t*, int, fdb_bool_t, int, const uint8_t*, int,        \
               fdb_bool_t, int, int, int, int, int, fdb_bool_t, fdb_bool_t))                      \
  X(transaction_get_addresses_for_key, FDBFuture*(FDBTransaction*, const uint8_t*, int))          \
  X(transaction_set, void(FDBTransaction*, const uint8_t*, int, const uint8_t*, int))             \
  X(transaction_clear, void(FDBTransaction*, const uint8_t*, int))                                \
  X(transaction_clear_range, void(FDBTransaction*, const uint8_t*, int, const uint8_t*, int))     \
  X(transaction_atomic_op,                                                                        \
    void(FDBTransaction*, const uint8_t*, int, const uint8_t*, int, int))                         \
  X(transaction_add_conflict_range,                                                               \
    fdb_error_t(FDBTransaction*, const uint8_t*, int, const uint8_t*, int, int))                  \
  X(transaction_watch, FDBFuture*(FDBTransaction*, const uint8_t*, int))                          \
  X(transaction_commit, FDBFuture*(FDBTransaction*))                                              \
  X(transaction_on_error, FDBFuture*(FDBTransaction*, fdb_error_t))                               \
  X(transaction_get_committed_version, fdb_error_t(FDBTransaction*, int64_t*))                    \
  X(transaction_get_versionstamp, FDBFuture*(FDBTransaction*))                                    \
  X(future_is_ready, fdb_bool_t(FDBFuture*))                                                      \
  X(future_set_callback, fdb_error_t(FDBFuture*, FDBCallback, void*))                             \
  X(future_cancel, void(FDBFuture*))                                                              \
  X(future_destroy, void(FDBFuture*))                                                             \
  X(future_get_error, fdb_error_t(FDBFuture*))                                                    \
  X(future_get_int64, fdb_error_t(FDBFuture*, int64_t*))                                          \
  X(future_get_key, fdb_error_t(FDBFuture*, const uint8_t**, int*))                               \
  X(future_get_value, fdb_error_t(FDBFuture*, fdb_bool_t*, const uint8_t**, int*))                \
  X(future_get_keyvalue_array, fdb_error_t(FDBFuture*, const FDBKeyValue**, int*, fdb_bool_t*))   \
  X(future_get_string_array, fdb_error_t(FDBFuture*, const char***, int*))

#define KRONOTOP_FDB_LATER_FUNCTIONS(X)                                                           \
  X(transaction_get_estimated_range_size_bytes,                                                   \
    FDBFuture*(FDBTransaction*, const uint8_t*, int, const uint8_t*, int))                        \
  X(transaction_get_range_split_points,                                                           \
    FDBFuture*(FDBTransaction*, const uint8_t*, int, const uint8_t*, int, int64_t))               \
  X(transaction_get_approximate_size, FDBFuture*(FDBTransaction*))                                \
  X(future_get_key_array, fdb_error_t(FDBFuture*, const FDBKey**, int*))

struct Library {
#define KRONOTOP_ENTRY(member, ...) Entry<__VA_ARGS__> member{"fdb_" #member};
  KRONOTOP_FDB_FUNCTIONS(KRONOTOP_ENTRY)
  KRONOTOP_FDB_LATER_FUNCTIONS(KRONOTOP_ENTRY)
#undef KRONOTOP_ENTRY
  // Only in our own libfdb_c: why the last create_database on this thread failed, in words; and
  // the pairs of a range as one packed buffer (data, length, count, more).
  Entry<const char*()> last_error{"kronotop_last_error"};
  Entry<fdb_error_t(FDBFuture*, const uint8_t**, int*, int*, fdb_bool_t*)> get_packed{
      "kronotop_future_get_packed"};
};

extern Library fdb;

// Fills the table from the shared library at `path`. Loading the same path again is no error
// (each worker thread loads the addon anew). Throws std::runtime_error when the library cannot be
// loaded, is no libfdb_c, or another one is loaded already.
void loadLibrary(const std::string& path);

}  // namespace kronotop
