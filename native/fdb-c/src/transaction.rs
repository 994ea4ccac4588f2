//! A transaction of the C API: the store's transaction behind a lock, answers as futures.
//!
//! Reads are answered inline, their futures are ready at return. A commit's future is completed by
//! the store's log thread.

use std::sync::Arc;

use kronotop_kv::error::code;
use kronotop_kv::{
    Committed, ConflictKind, Error, KeySelector, MutationType, RangeOptions, Transaction as Kv,
};
use parking_lot::Mutex;

use crate::database::{Database, Lease};
use crate::errors::API_VERSION_INVALID;
use crate::future::{Completion, Future, Outcome};
use crate::network;

struct Inner {
    kv: Kv,
    /// Versionstamps asked for before the commit that determines them.
    stamps: Vec<Arc<Future>>,
}

/// What the C API calls a transaction.
pub struct Transaction {
    inner: Mutex<Inner>,
    /// Keeps the store open, declared last: the store's transaction goes first.
    _lease: Arc<Lease>,
}

fn completion<T>(result: Result<T, Error>, outcome: impl FnOnce(T) -> Outcome) -> Completion {
    result.map(outcome).map_err(|error| error.code)
}

fn ready<T>(result: Result<T, Error>, outcome: impl FnOnce(T) -> Outcome) -> Arc<Future> {
    Future::ready(completion(result, outcome))
}
