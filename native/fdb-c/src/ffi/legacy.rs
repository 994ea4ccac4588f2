//! Functions that the C API had before version 620: futures of versions, and clusters, through
//! which databases were opened. With a later version selected they answer 2108.
#![expect(unsafe_code, reason = "C API: raw pointers to clusters, paths and futures")]

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::path::PathBuf;

use kronotop_kv::error::code;

use super::arguments::{answer, bytes};
use super::database::{open_database, path_argument};
use super::future::give;
use crate::api_version::{NO_CLUSTERS, NO_VERSION_FUTURES, at_least};
use crate::database::Database;
use crate::errors::INVALID_DATABASE_NAME;
use crate::future::{Future, Outcome};

/// A cluster: nothing but its cluster-file argument.
struct Cluster(Option<PathBuf>);

fn check_clusters() -> Result<(), i32> {
    if at_least(NO_CLUSTERS) { Err(code::UNSUPPORTED_OPERATION) } else { Ok(()) }
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_version(future: &Future, out: &mut MaybeUninit<i64>) -> c_int {
    let result = future.read(|outcome| match outcome {
        _ if at_least(NO_VERSION_FUTURES) => Err(code::UNSUPPORTED_OPERATION),
        Outcome::Int64(version) => Ok(*version),
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out, result)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_create_cluster(path: *const c_char) -> *const Future {
    // SAFETY: contract of this folder; a path is a C string.
    let argument = unsafe { path_argument(path) };
    give(Future::ready(check_clusters().map(|()| Outcome::Cluster(argument))))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_cluster(future: &Future, out: &mut MaybeUninit<*mut c_void>) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Cluster(argument) => Ok(Box::into_raw(Box::new(Cluster(argument.clone()))).cast()),
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out, result)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_cluster_destroy(cluster: *mut c_void) {
    // SAFETY: contract of this folder; the pointer came from `fdb_future_get_cluster`.
    drop(unsafe { Box::from_raw(cluster.cast::<Cluster>()) });
}

/// Clusters have no options; FoundationDB took any.
#[unsafe(no_mangle)]
extern "C" fn fdb_cluster_set_option(
    _cluster: *const c_void,
    _option: c_int,
    _value: *const u8,
    _length: c_int,
) -> c_int {
    check_clusters().err().unwrap_or(0)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_cluster_create_database(
    cluster: *const c_void,
    name: *const u8,
    length: c_int,
) -> *const Future {
    // SAFETY: contract of this folder; the pointer came from `fdb_future_get_cluster`.
    let Cluster(argument) = unsafe { &*cluster.cast::<Cluster>() };
    // SAFETY: contract of this folder.
    let name = unsafe { bytes(name, length) };
    let open = || {
        check_clusters()?;
        if name != b"DB" {
            return Err(INVALID_DATABASE_NAME);
        }
        open_database(argument.clone()).map(Outcome::Database)
    };
    give(Future::ready(open()))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_database(
    future: &Future,
    out: &mut MaybeUninit<*const Database>,
) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Database(database) => Ok(Box::into_raw(Box::new(database.clone())).cast_const()),
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out, result)
}
