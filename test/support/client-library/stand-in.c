// A libfdb_c without a cluster, for tests of how the server uses an installed client library.
//
//   STAND_IN_LOG      file to which each network option is written: its number and its bytes
//   STAND_IN_NEWEST   newest API version; default 730
//   STAND_IN_REFUSES  number of a network option that is answered 2006
//   STAND_IN_ERROR    code that reads fail with; unset: they are never answered
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Future {
  int error;
} Future;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stopped = 0;

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text == NULL ? otherwise : atoi(text);
}

const char* fdb_get_error(int code) {
  switch (code) {
    case 2006: return "Option set with an invalid value";
    case 2104: return "Connection string invalid";
    case 2203: return "API version not supported";
    default: return "Another error";
  }
}

int fdb_get_max_api_version(void) { return number("STAND_IN_NEWEST", 730); }

int fdb_select_api_version_impl(int runtime, int header) {
  return header > fdb_get_max_api_version() || runtime > header ? 2203 : 0;
}

int fdb_network_set_option(int option, const uint8_t* value, int length) {
  const char* path = getenv("STAND_IN_LOG");
  FILE* log = path == NULL ? NULL : fopen(path, "a");
  if (log != NULL) {
    fprintf(log, "%d %s", option, value == NULL ? "none" : "");
    for (int i = 0; i < length; i++) fprintf(log, "%02x", value[i]);
    fprintf(log, "\n");
    fclose(log);
  }
  return option == number("STAND_IN_REFUSES", 0) ? 2006 : 0;
}

int fdb_setup_network(void) { return 0; }

int fdb_run_network(void) {
  pthread_mutex_lock(&mutex);
  while (!stopped) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  return 0;
}

int fdb_stop_network(void) {
  pthread_mutex_lock(&mutex);
  stopped = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  return 0;
}

// As the real one, which finds out later, on its network thread, what is wrong with the file.
int fdb_create_database(const char* path, void** database) {
  (void)path;
  *database = &stopped;
  return 0;
}
void fdb_database_destroy(void* database) { (void)database; }

int fdb_database_set_option(void* database, int option, const uint8_t* value, int length) {
  (void)database;
  (void)option;
  (void)value;
  (void)length;
  return 0;
}

int fdb_database_create_transaction(void* database, void** transaction) {
  *transaction = database;
  return 0;
}
void fdb_transaction_destroy(void* transaction) { (void)transaction; }
void fdb_transaction_cancel(void* transaction) { (void)transaction; }

Future* fdb_transaction_get_read_version(void* transaction) {
  (void)transaction;
  Future* future = malloc(sizeof *future);
  future->error = number("STAND_IN_ERROR", 0);
  return future;
}
int fdb_future_is_ready(Future* future) { return future->error != 0; }
int fdb_future_get_error(Future* future) { return future->error; }
int fdb_future_get_int64(Future* future, int64_t* out) {
  (void)out;
  return future->error;
}
int fdb_future_set_callback(Future* future, void (*callback)(Future*, void*), void* parameter) {
  if (future->error != 0) callback(future, parameter);
  return 0;
}
void fdb_future_cancel(Future* future) { (void)future; }
void fdb_future_destroy(Future* future) { free(future); }

// What no start gets to.
#define NOT_CALLED(name) \
  void fdb_##name(void) { abort(); }
NOT_CALLED(error_predicate)
NOT_CALLED(transaction_reset)
NOT_CALLED(transaction_set_option)
NOT_CALLED(transaction_set_read_version)
NOT_CALLED(transaction_get)
NOT_CALLED(transaction_get_key)
NOT_CALLED(transaction_get_range)
NOT_CALLED(transaction_get_addresses_for_key)
NOT_CALLED(transaction_set)
NOT_CALLED(transaction_clear)
NOT_CALLED(transaction_clear_range)
NOT_CALLED(transaction_atomic_op)
NOT_CALLED(transaction_add_conflict_range)
NOT_CALLED(transaction_watch)
NOT_CALLED(transaction_commit)
NOT_CALLED(transaction_on_error)
NOT_CALLED(transaction_get_committed_version)
NOT_CALLED(transaction_get_versionstamp)
NOT_CALLED(future_get_key)
NOT_CALLED(future_get_value)
NOT_CALLED(future_get_keyvalue_array)
NOT_CALLED(future_get_string_array)
