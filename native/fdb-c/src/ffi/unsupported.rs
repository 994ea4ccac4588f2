//! Functions for what an embedded store has not. Bindings look their names up when they load: they
//! exist; a call fails with `unsupported_operation` (2108) and names itself on stderr.
#![expect(unsafe_code, reason = "C API: exported names")]

use std::ffi::{c_int, c_void};

use kronotop_kv::error::code;

use super::future::give;
use crate::future::Future;

fn unsupported(function: &str) -> c_int {
    eprintln!("libfdb_c: {function} is not supported by the embedded store");
    code::UNSUPPORTED_OPERATION
}

/// The C API's functions that answer with an error code: `name(parameter types)`.
macro_rules! answer_code {
    ($($name:ident($($parameter:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $parameter),*) -> c_int {
            unsupported(stringify!($name))
        }
    )*};
}

/// The C API's functions that answer with a future.
macro_rules! answer_future {
    ($($name:ident($($parameter:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $parameter),*) -> *const Future {
            give(Future::ready(Err(unsupported(stringify!($name)))))
        }
    )*};
}

type Object = *const c_void;
type Bytes = *const u8;
type Out = *mut c_void;

answer_code! {
    fdb_create_database_from_connection_string(Object, Out);
    fdb_database_open_tenant(Object, Bytes, c_int, Out);
    fdb_tenant_create_transaction(Object, Out);
    fdb_future_get_bool(Object, Out);
    fdb_future_get_double(Object, Out);
    fdb_future_get_granule_summary_array(Object, Out, Out);
    fdb_future_get_keyrange_array(Object, Out, Out);
    fdb_future_get_mappedkeyvalue_array(Object, Out, Out, Out);
    fdb_future_get_shared_state(Object, Out);
    fdb_future_readbg_get_descriptions(Object, Out, Out);
    fdb_result_get_bg_mutations_array(Object, Out, Out);
    fdb_result_get_keyvalue_array(Object, Out, Out, Out);
}

answer_future! {
    fdb_database_blobbify_range(Object, Bytes, c_int, Bytes, c_int);
    fdb_database_blobbify_range_blocking(Object, Bytes, c_int, Bytes, c_int);
    fdb_database_create_shared_state(Object);
    fdb_database_create_snapshot(Object, Bytes, c_int, Bytes, c_int);
    fdb_database_flush_blob_range(Object, Bytes, c_int, Bytes, c_int, c_int, i64);
    fdb_database_force_recovery_with_data_loss(Object, Bytes, c_int);
    fdb_database_get_server_protocol(Object, u64);
    fdb_database_list_blobbified_ranges(Object, Bytes, c_int, Bytes, c_int, c_int);
    fdb_database_purge_blob_granules(Object, Bytes, c_int, Bytes, c_int, i64, c_int);
    fdb_database_reboot_worker(Object, Bytes, c_int, c_int, c_int);
    fdb_database_unblobbify_range(Object, Bytes, c_int, Bytes, c_int);
    fdb_database_verify_blob_range(Object, Bytes, c_int, Bytes, c_int, i64);
    fdb_database_wait_purge_granules_complete(Object, Bytes, c_int);
    fdb_tenant_blobbify_range(Object, Bytes, c_int, Bytes, c_int);
    fdb_tenant_blobbify_range_blocking(Object, Bytes, c_int, Bytes, c_int);
    fdb_tenant_flush_blob_range(Object, Bytes, c_int, Bytes, c_int, c_int, i64);
    fdb_tenant_get_id(Object);
    fdb_tenant_list_blobbified_ranges(Object, Bytes, c_int, Bytes, c_int, c_int);
    fdb_tenant_purge_blob_granules(Object, Bytes, c_int, Bytes, c_int, i64, c_int);
    fdb_tenant_unblobbify_range(Object, Bytes, c_int, Bytes, c_int);
    fdb_tenant_verify_blob_range(Object, Bytes, c_int, Bytes, c_int, i64);
    fdb_tenant_wait_purge_granules_complete(Object, Bytes, c_int);
    fdb_transaction_get_blob_granule_ranges(Object, Bytes, c_int, Bytes, c_int, c_int);
    fdb_transaction_get_mapped_range(
        Object, Bytes, c_int, c_int, c_int, Bytes, c_int, c_int, c_int, Bytes, c_int, c_int, c_int,
        c_int, c_int, c_int, c_int
    );
    fdb_transaction_get_tag_throttled_duration(Object);
    fdb_transaction_get_total_cost(Object);
    fdb_transaction_read_blob_granules_description(
        Object, Bytes, c_int, Bytes, c_int, i64, i64, Out
    );
    fdb_transaction_summarize_blob_granules(Object, Bytes, c_int, Bytes, c_int, i64, c_int);
}

/// Functions of the C API that answer with a result; none stands for the failure, and taking
/// anything out of it answers 2108.
macro_rules! answer_result {
    ($($name:ident($($parameter:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $parameter),*) -> Object {
            unsupported(stringify!($name));
            std::ptr::null()
        }
    )*};
}

answer_result! {
    fdb_readbg_parse_delta_file(Bytes, c_int, Object, Object);
    fdb_readbg_parse_snapshot_file(Bytes, c_int, Object, Object);
    // The context, which is passed by value, lies behind all of these: it is not looked at.
    fdb_transaction_read_blob_granules(Object, Bytes, c_int, Bytes, c_int, i64, i64);
}

/// No shared state can have been made.
#[unsafe(no_mangle)]
extern "C" fn fdb_database_set_shared_state(_database: Object, _state: Object) {
    unsupported("fdb_database_set_shared_state");
}

/// No tenant can have been opened.
#[unsafe(no_mangle)]
extern "C" fn fdb_tenant_destroy(_tenant: Object) {
    unsupported("fdb_tenant_destroy");
}

/// No result can have been handed out.
#[unsafe(no_mangle)]
extern "C" fn fdb_result_destroy(_result: Object) {
    unsupported("fdb_result_destroy");
}
