//! Functions outside the present scope. Bindings look their names up when they load, so they
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
    fdb_database_open_tenant(Object, Bytes, c_int, Out);
    fdb_tenant_create_transaction(Object, Out);
    fdb_future_get_mappedkeyvalue_array(Object, Out, Out, Out);
    fdb_future_get_keyrange_array(Object, Out, Out);
    fdb_result_get_keyvalue_array(Object, Out, Out, Out);
}

answer_future! {
    fdb_tenant_get_id(Object);
    fdb_database_get_client_status(Object);
    fdb_database_reboot_worker(Object, Bytes, c_int, c_int, c_int);
    fdb_database_force_recovery_with_data_loss(Object, Bytes, c_int);
    fdb_database_create_snapshot(Object, Bytes, c_int, Bytes, c_int);
    fdb_database_get_server_protocol(Object, u64);
    fdb_transaction_get_addresses_for_key(Object, Bytes, c_int);
    fdb_transaction_get_mapped_range(
        Object, Bytes, c_int, c_int, c_int, Bytes, c_int, c_int, c_int, Bytes, c_int, c_int, c_int,
        c_int, c_int, c_int, c_int
    );
    fdb_transaction_get_blob_granule_ranges(Object, Bytes, c_int, Bytes, c_int);
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
