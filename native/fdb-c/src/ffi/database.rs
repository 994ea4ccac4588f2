//! API version, network and databases.
#![expect(unsafe_code, reason = "C API: raw pointers to databases, paths and option values")]

use std::cell::RefCell;
use std::ffi::{CStr, CString, OsStr, c_char, c_double, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use kronotop_kv::Error;

use super::arguments::{code_of, option_value, store_code_of};
use crate::api_version;
use crate::database::Database;
use crate::errors::{self, NETWORK_NOT_SETUP};
use crate::network;
use crate::options::{DatabaseOption, check_network_option, database_option, option_number};
use crate::transaction::Transaction;

/// The largest value of the database option that limits watches.
const MAX_WATCH_LIMIT: usize = 1_000_000;

thread_local! {
    /// Why the last `fdb_create_database` of this thread failed, in words.
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

#[unsafe(no_mangle)]
extern "C" fn fdb_get_error(code: c_int) -> *const c_char {
    errors::description(code).as_ptr()
}

/// Ours: why the last `fdb_create_database` of this thread failed, in words; "" when it did not.
/// Valid until the next call of that function on this thread.
#[unsafe(no_mangle)]
extern "C" fn kronotop_last_error() -> *const c_char {
    LAST_ERROR.with_borrow(|text| text.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn fdb_error_predicate(predicate: c_int, code: c_int) -> c_int {
    c_int::from(errors::predicate(predicate, code))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_get_max_api_version() -> c_int {
    api_version::MAX
}

#[unsafe(no_mangle)]
extern "C" fn fdb_get_client_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), ",kronotop,embedded\0").as_ptr().cast()
}

#[unsafe(no_mangle)]
extern "C" fn fdb_select_api_version_impl(runtime: c_int, header: c_int) -> c_int {
    code_of(api_version::select(runtime, header))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_network_set_option(option: c_int, _value: *const u8, _length: c_int) -> c_int {
    code_of(check_network_option(option))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_setup_network() -> c_int {
    code_of(network::set_up(api_version::selected() != 0))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_run_network() -> c_int {
    code_of(network::run())
}

#[unsafe(no_mangle)]
extern "C" fn fdb_stop_network() -> c_int {
    code_of(network::stop())
}

/// The caller's hook, carried to the network thread.
struct Hook {
    function: unsafe extern "C" fn(*mut c_void),
    parameter: *mut c_void,
}
// SAFETY: the parameter is handed back to the caller's function and never followed here.
unsafe impl Send for Hook {}

impl Hook {
    fn run(self) {
        // SAFETY: the caller registered both to be called together, once, on the network thread.
        unsafe { (self.function)(self.parameter) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn fdb_add_network_thread_completion_hook(
    function: unsafe extern "C" fn(*mut c_void),
    parameter: *mut c_void,
) -> c_int {
    let hook = Hook { function, parameter };
    code_of(network::add_completion_hook(Box::new(move || hook.run())))
}

/// Opens the embedded store in the directory `path`; null means `FDB_CLUSTER_FILE`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_create_database(
    path: *const c_char,
    out: &mut MaybeUninit<*const Database>,
) -> c_int {
    if !network::is_set_up() {
        return NETWORK_NOT_SETUP;
    }
    let argument = (!path.is_null()).then(|| {
        // SAFETY: contract of this folder; a path is a C string.
        let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
        PathBuf::from(OsStr::from_bytes(bytes))
    });
    let (code, reason) = match Database::open(argument) {
        Ok(database) => {
            out.write(Box::into_raw(Box::new(database)));
            (0, CString::default())
        }
        Err(error) => (error.code, reason(&error)),
    };
    LAST_ERROR.set(reason);
    code
}

/// What an error says beyond the description of its code.
fn reason(error: &Error) -> CString {
    let text = error.to_string();
    let known = errors::description(error.code).to_bytes() == text.as_bytes();
    if known { CString::default() } else { CString::new(text).unwrap_or_default() }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_database_destroy(database: *mut Database) {
    // SAFETY: contract of this folder; the pointer came from `fdb_create_database`.
    drop(unsafe { Box::from_raw(database) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_database_set_option(
    database: &Database,
    option: c_int,
    value: *const u8,
    length: c_int,
) -> c_int {
    // SAFETY: contract of this folder.
    let value = unsafe { option_value(value, length) };
    match database_option(option) {
        Ok(DatabaseOption::Ignored) => 0,
        Ok(DatabaseOption::Faults) => store_code_of(database.set_faults(value)),
        Ok(DatabaseOption::WatchLimit) => code_of(
            option_number(value, MAX_WATCH_LIMIT)
                .map(|limit| database.store.set_watch_limit(limit)),
        ),
        Ok(DatabaseOption::TransactionDefault(option)) => {
            // A transaction checks the value first, so that creating one cannot fail later.
            let check = database.store.transaction().set_option(option, value);
            if check.is_ok() {
                database.defaults.lock().push((option, value.map(<[u8]>::to_vec)));
            }
            store_code_of(check)
        }
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
extern "C" fn fdb_database_create_transaction(
    database: &Database,
    out: &mut MaybeUninit<*const Transaction>,
) -> c_int {
    match Transaction::begin(database) {
        Ok(transaction) => {
            out.write(Box::into_raw(Box::new(transaction)));
            0
        }
        Err(error) => error.code,
    }
}

/// How busy the network thread is: here it only keeps timers.
#[unsafe(no_mangle)]
extern "C" fn fdb_database_get_main_thread_busyness(_database: &Database) -> c_double {
    0.0
}
