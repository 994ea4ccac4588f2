//! A transaction of the C API: the store's transaction behind a lock, with futures as answers.
//!
//! Reads that are known to be short are answered inline: their futures are ready when they are
//! returned. Long ones go to the reader threads, as do those that wait for the store to find an
//! owner; a commit's future is completed by the store's log
//! thread. The store's fault mode completes some of both late, on a thread of its own.

use std::ops::RangeInclusive;
use std::sync::Arc;

use kronotop_kv::error::code;
use kronotop_kv::{
    Committed, ConflictKind, Error, KeySelector, RangeOptions, Result, StreamingMode,
    Transaction as KvTransaction, option_code,
};
use parking_lot::Mutex;

use crate::api_version;
use crate::database::{Database, Lease};
use crate::future::{Completion, Future, Outcome, completing_last};
use crate::network;
use crate::options::OptionValue;
use crate::readers;

/// An exact range read of more pairs and bytes than these is too long to wait for.
const INLINE_EXACT_LIMIT: usize = 1000;
const INLINE_EXACT_BYTES: usize = 64 << 10;

/// Options that a retry keeps (since API version 610), so that the database's own must not be set
/// again.
const KEPT_ON_ERROR: RangeInclusive<i32> = option_code::TIMEOUT..=option_code::SIZE_LIMIT;

/// What the C API calls a transaction.
pub struct Transaction {
    /// Shared with the reader threads, which may outlive the transaction.
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    // ORDER: dropped before the lease, which may close the store.
    kv: KvTransaction,
    _lease: Arc<Lease>,
    /// The database's options for its transactions, as they were at the start.
    defaults: Vec<(i32, OptionValue)>,
    /// The first error of a write: the C API's writes return nothing, so it fails the reads and
    /// the commit that follow.
    failed: Option<i32>,
    commit_started: bool,
    /// Versionstamps asked for before the commit that determines them.
    stamps: Vec<Arc<Future>>,
    /// Reads whose answers the fault mode keeps back.
    late_reads: Vec<Arc<Future>>,
}

impl Inner {
    /// A read's answer; an earlier write that failed fails it.
    fn read<T>(
        &mut self,
        read: impl FnOnce(&mut KvTransaction) -> Result<T>,
        outcome: impl FnOnce(T) -> Outcome,
    ) -> Completion {
        match self.failed {
            Some(code) => Err(code),
            None => completion(read(&mut self.kv), outcome),
        }
    }

    /// Sets the database's options, those that are `wanted`.
    fn apply_defaults(&mut self, wanted: impl Fn(i32) -> bool) -> Result<()> {
        for (option, value) in self.defaults.iter().filter(|(option, _)| wanted(*option)) {
            self.kv.set_option(*option, value.as_deref())?;
        }
        Ok(())
    }

    /// Begins again after `reset` or a retry; an option that fails does so at the next call.
    fn start_over(&mut self, wanted: impl Fn(i32) -> bool) {
        self.restart();
        self.failed = self.apply_defaults(wanted).err().map(|error| error.code);
    }

    /// Back to the state of a new transaction; the stamps asked for will never be known.
    fn restart(&mut self) {
        self.failed = None;
        self.commit_started = false;
        complete_stamps(std::mem::take(&mut self.stamps), Err(code::TRANSACTION_CANCELLED));
        for read in self.late_reads.drain(..) {
            read.complete(Err(code::TRANSACTION_CANCELLED));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.restart();
    }
}

fn complete_stamps(stamps: Vec<Arc<Future>>, stamp: std::result::Result<[u8; 10], i32>) {
    for future in stamps {
        future.complete(stamp.map(|bytes| Outcome::Key(bytes.to_vec())));
    }
}

fn completion<T>(result: Result<T>, outcome: impl FnOnce(T) -> Outcome) -> Completion {
    result.map(outcome).map_err(|error| error.code)
}

impl Transaction {
    /// Begins a transaction with the database's defaults.
    pub fn begin(database: &Database) -> Result<Self> {
        let mut inner = Inner {
            kv: database.store.transaction(),
            _lease: Arc::clone(&database.lease),
            defaults: database.defaults.lock().clone(),
            failed: None,
            commit_started: false,
            stamps: Vec::new(),
            late_reads: Vec::new(),
        };
        inner.apply_defaults(|_| true)?;
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Reads on this thread.
    fn read_here<T>(
        &self,
        read: impl FnOnce(&mut KvTransaction) -> Result<T>,
        outcome: impl FnOnce(T) -> Outcome,
    ) -> Arc<Future> {
        let mut inner = self.inner.lock();
        let completion = inner.read(read, outcome);
        let Some(delay) = inner.kv.read_delay() else { return Future::ready(completion) };
        let future = Future::pending();
        let late = Arc::clone(&future);
        inner.late_reads.push(Arc::clone(&future));
        inner.kv.give_after(delay, Box::new(move || late.complete(completion)));
        future
    }

    /// True when a read should not be made on this thread: it waits for the store to find an owner.
    fn waits(&self) -> bool {
        self.inner.lock().kv.would_wait()
    }

    pub fn read_version(&self) -> Arc<Future> {
        if self.waits() {
            return self.read_elsewhere(KvTransaction::read_version, Outcome::Int64);
        }
        self.read_here(KvTransaction::read_version, Outcome::Int64)
    }

    pub fn get(&self, key: &[u8], snapshot: bool) -> Arc<Future> {
        if self.waits() {
            let key = key.to_vec();
            return self.read_elsewhere(move |kv| kv.get(&key, snapshot), Outcome::Value);
        }
        self.read_here(|kv| kv.get(key, snapshot), Outcome::Value)
    }

    pub fn get_key(&self, selector: &KeySelector, snapshot: bool) -> Arc<Future> {
        if self.waits() {
            let selector = selector.clone();
            return self.read_elsewhere(move |kv| kv.get_key(&selector, snapshot), Outcome::Key);
        }
        self.read_here(|kv| kv.get_key(selector, snapshot), Outcome::Key)
    }

    pub fn get_range(
        &self,
        begin: KeySelector,
        end: KeySelector,
        options: RangeOptions,
    ) -> Arc<Future> {
        let read = move |kv: &mut KvTransaction| kv.get_range(&begin, &end, &options);
        let outcome = |range| Outcome::Pairs { range, array: Vec::new() };
        let is_short = (1..=INLINE_EXACT_LIMIT).contains(&options.limit)
            || (1..=INLINE_EXACT_BYTES).contains(&options.target_bytes);
        if (options.mode == StreamingMode::Exact && !is_short) || self.waits() {
            return self.read_elsewhere(read, outcome);
        }
        self.read_here(read, outcome)
    }

    pub fn estimated_range_size(&self, begin: &[u8], end: &[u8]) -> Arc<Future> {
        let (begin, end) = (begin.to_vec(), end.to_vec());
        self.read_elsewhere(move |kv| kv.estimated_range_size(&begin, &end), Outcome::Int64)
    }

    pub fn split_points(&self, begin: &[u8], end: &[u8], chunk_bytes: i64) -> Arc<Future> {
        let (begin, end) = (begin.to_vec(), end.to_vec());
        // A negative size becomes 0, which the store refuses.
        let chunk_bytes = usize::try_from(chunk_bytes).unwrap_or(0);
        self.read_elsewhere(
            move |kv| kv.split_points(&begin, &end, chunk_bytes),
            |keys| Outcome::Keys { keys, array: Vec::new() },
        )
    }

    /// Reads on a reader thread.
    ///
    /// ORDER: the lock is taken here and handed to that thread, so that the read sees the writes
    /// before it and not those after it. Until it is done, other calls on this transaction wait.
    fn read_elsewhere<T>(
        &self,
        read: impl FnOnce(&mut KvTransaction) -> Result<T> + Send + 'static,
        outcome: impl FnOnce(T) -> Outcome + Send + 'static,
    ) -> Arc<Future> {
        let future = Future::pending();
        let done = Arc::clone(&future);
        let mut inner = self.inner.lock_arc();
        readers::run(Box::new(move || {
            let completion = inner.read(read, outcome);
            drop(inner);
            done.complete(completion);
        }));
        future
    }

    pub fn approximate_size(&self) -> Arc<Future> {
        self.read_here(
            |kv| Ok(kv.approximate_size()),
            |size| Outcome::Int64(i64::try_from(size).unwrap_or(i64::MAX)),
        )
    }

    /// Runs one of the writes that return nothing in the C API.
    pub fn write(&self, write: impl FnOnce(&mut KvTransaction) -> Result<()>) {
        let mut inner = self.inner.lock();
        if let Err(error) = write(&mut inner.kv) {
            inner.failed.get_or_insert(error.code);
        }
    }

    pub fn add_conflict_range(&self, begin: &[u8], end: &[u8], kind: ConflictKind) -> Result<()> {
        self.inner.lock().kv.add_conflict_range(begin, end, kind)
    }

    pub fn set_option(&self, option: i32, value: Option<&[u8]>) -> Result<()> {
        self.inner.lock().kv.set_option(option, value)
    }

    /// Ready when the key's committed value changes after this transaction's commit.
    pub fn watch(&self, key: &[u8]) -> Arc<Future> {
        let mut inner = self.inner.lock();
        if let Some(code) = inner.failed {
            return Future::ready(Err(code));
        }
        let future = Future::pending();
        let fired = Arc::clone(&future);
        let on_fire = move |result| fired.complete(completion(result, |()| Outcome::Nothing));
        match inner.kv.watch(key, Box::new(on_fire)) {
            Ok(handle) => future.on_cancel(Box::new(move || handle.cancel())),
            Err(error) => return Future::ready(Err(error.code)),
        }
        future
    }

    pub fn commit(&self) -> Arc<Future> {
        let future = Future::pending();
        let done = Arc::clone(&future);
        completing_last(|| {
            let mut inner = self.inner.lock();
            let stamps = std::mem::take(&mut inner.stamps);
            if let Some(code) = inner.failed {
                complete_stamps(stamps, Err(code));
                return done.complete(Err(code));
            }
            inner.commit_started = true;
            inner.kv.commit(Box::new(move |result: Result<Committed>| {
                let stamp = result.as_ref().map_err(Clone::clone).and_then(Committed::versionstamp);
                complete_stamps(stamps, stamp.map_err(|error| error.code));
                done.complete(completion(result, |_| Outcome::Nothing));
            }));
        });
        future
    }

    /// -1 before a commit and after one that had nothing to write.
    pub fn committed_version(&self) -> i64 {
        self.inner.lock().kv.committed_version()
    }

    /// The versionstamp of the commit that was made or, before it, of the one to come.
    pub fn versionstamp(&self) -> Arc<Future> {
        let mut inner = self.inner.lock();
        if inner.commit_started {
            let stamp = inner.kv.versionstamp();
            return Future::ready(completion(stamp, |bytes| Outcome::Key(bytes.to_vec())));
        }
        let future = Future::pending();
        inner.stamps.push(Arc::clone(&future));
        future
    }

    /// Resets the transaction for another attempt; ready after the back-off, or with the error
    /// when another attempt cannot help.
    pub fn on_error(&self, code: i32) -> Arc<Future> {
        completing_last(|| {
            let mut inner = self.inner.lock();
            match inner.kv.on_error(&Error::new(code)) {
                Ok(delay) => {
                    let forgets = api_version::on_error_forgets_options();
                    if forgets {
                        inner.kv.reset_options();
                    }
                    inner.start_over(|option| forgets || !KEPT_ON_ERROR.contains(&option));
                    network::after(delay)
                }
                Err(error) => Future::ready(Err(error.code)),
            }
        })
    }

    pub fn cancel(&self) {
        completing_last(|| {
            let mut inner = self.inner.lock();
            inner.kv.cancel();
            inner.restart();
        });
    }

    pub fn reset(&self) {
        completing_last(|| {
            let mut inner = self.inner.lock();
            inner.kv.reset();
            inner.start_over(|_| true);
        });
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
