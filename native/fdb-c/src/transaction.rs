//! A transaction of the C API: the store's transaction behind a lock, with futures as answers.
//!
//! Reads that are known to be short are answered inline: their futures are ready when they are
//! returned. Long ones go to the reader threads, as do those that wait for the store to find an
//! owner; a commit's future is completed by the store's log
//! thread. The store's fault mode completes some of both late, on a thread of its own.

use std::ffi::CString;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kronotop_kv::error::code;
use kronotop_kv::{
    Committed, ConflictKind, Error, KeySelector, RangeOptions, RangeResult, Result, StreamingMode,
    Transaction as KvTransaction, option_code,
};
use parking_lot::Mutex;

use crate::api_version;
use crate::database::{Database, Lease};
use crate::future::{Completion, Future, Outcome, completing_last};
use crate::network::NETWORK;
use crate::options::OptionValue;
use crate::readers;
use crate::special_keys::{self, Access};
use crate::status;

/// An exact range read of more bytes than these is too long to wait for. The other modes bound
/// their batches themselves.
const INLINE_BYTES: usize = 64 << 10;

/// Numbers of the options in [`Settings`], with FoundationDB's names.
const INCLUDE_PORT_IN_ADDRESS: i32 = 23;
const SPECIAL_KEY_SPACE_RELAXED: i32 = 713;
const SPECIAL_KEY_SPACE_ENABLE_WRITES: i32 = 714;

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
    lease: Arc<Lease>,
    /// The database's options for its transactions, as they were at the start.
    defaults: Vec<(i32, OptionValue)>,
    /// The first error of a call that returns none: it fails the reads and the commit that follow.
    failed: Option<i32>,
    /// Why all calls fail until the transaction is reset.
    ended: Option<i32>,
    commit_started: bool,
    settings: Settings,
    /// Versionstamps asked for before the commit that determines them.
    stamps: Vec<Arc<Future>>,
    /// The commit and its versionstamps, once it is on its way.
    committing: Vec<Arc<Future>>,
    /// Reads whose answers the fault mode keeps back.
    late_reads: Vec<Arc<Future>>,
}

/// Options that matter here and not to the store.
#[derive(Clone, Copy, Default)]
struct Settings {
    /// A call during the commit fails alone, not the commit with it.
    leaves_commits_alone: bool,
    includes_ports: bool,
    special_keys: Access,
}

impl Inner {
    /// A read's answer; an earlier write that failed fails it.
    fn read<T>(
        &mut self,
        read: impl FnOnce(&mut KvTransaction) -> Result<T>,
        outcome: impl FnOnce(T) -> Outcome,
    ) -> Completion {
        self.check_use()?;
        completion(read(&mut self.kv), outcome)
    }

    /// The future of a read that was made; the fault mode may keep its answer back.
    fn answer(&mut self, completion: Completion) -> Arc<Future> {
        let Some(delay) = self.kv.read_delay() else { return Future::ready(completion) };
        let future = Future::pending();
        let late = Arc::clone(&future);
        self.late_reads.push(Arc::clone(&future));
        self.kv.give_after(delay, Box::new(move || late.complete(completion)));
        future
    }

    /// Fails after a call that failed, during and after the commit, and when the transaction is
    /// over.
    fn check_use(&mut self) -> std::result::Result<(), i32> {
        if let Some(code) = self.failed {
            return Err(code);
        }
        self.check_no_commit()?;
        self.ended.map_or(Ok(()), Err)
    }

    /// A call between commit and reset fails. As in FoundationDB it fails the commit, too, if that
    /// is still on its way: what it does then is not known.
    fn check_no_commit(&mut self) -> std::result::Result<(), i32> {
        if !self.commit_started {
            return Ok(());
        }
        if !self.settings.leaves_commits_alone {
            self.end(code::USED_DURING_COMMIT);
        }
        Err(code::USED_DURING_COMMIT)
    }

    /// Fails everything that is on its way, and all calls until the reset.
    fn end(&mut self, code: i32) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(code);
        complete_stamps(std::mem::take(&mut self.stamps), Err(code));
        for future in self.committing.drain(..).chain(self.late_reads.drain(..)) {
            future.complete(Err(code));
        }
    }

    /// Notes the error of a call that returns none.
    fn note<T>(&mut self, result: std::result::Result<T, i32>) {
        if let Err(code) = result {
            self.failed.get_or_insert(code);
        }
    }

    fn set_option(&mut self, option: i32, value: Option<&[u8]>) -> Result<()> {
        self.kv.set_option(option, value)?;
        match option {
            option_code::USED_DURING_COMMIT_PROTECTION_DISABLE => {
                self.settings.leaves_commits_alone = true;
            }
            INCLUDE_PORT_IN_ADDRESS => self.settings.includes_ports = true,
            SPECIAL_KEY_SPACE_RELAXED => self.settings.special_keys.relaxed = true,
            SPECIAL_KEY_SPACE_ENABLE_WRITES => self.settings.special_keys.writes = true,
            _ => {}
        }
        Ok(())
    }

    /// Sets the database's options, those that are `wanted`.
    fn apply_defaults(&mut self, wanted: impl Fn(i32) -> bool) -> Result<()> {
        let defaults = std::mem::take(&mut self.defaults);
        let mut wanted = defaults.iter().filter(|(option, _)| wanted(*option));
        let applied =
            wanted.try_for_each(|(option, value)| self.set_option(*option, value.as_deref()));
        self.defaults = defaults;
        applied
    }

    /// Begins again after `reset` or a retry; an option that fails does so at the next call.
    fn start_over(&mut self, wanted: impl Fn(i32) -> bool) {
        self.end(code::TRANSACTION_CANCELLED);
        self.ended = None;
        self.failed = None;
        self.commit_started = false;
        self.settings = Settings::default();
        let applied = self.apply_defaults(wanted);
        self.note(applied.map_err(|error| error.code));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        completing_last(|| self.end(code::TRANSACTION_CANCELLED));
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

fn pairs(range: RangeResult) -> Outcome {
    Outcome::Pairs { range, array: Vec::new() }
}

impl Transaction {
    /// Begins a transaction with the database's defaults.
    pub fn begin(database: &Database) -> Result<Self> {
        let mut inner = Inner {
            kv: database.store.transaction(),
            lease: Arc::clone(&database.lease),
            defaults: database.defaults.lock().clone(),
            failed: None,
            ended: None,
            commit_started: false,
            settings: Settings::default(),
            stamps: Vec::new(),
            committing: Vec::new(),
            late_reads: Vec::new(),
        };
        inner.apply_defaults(|_| true)?;
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Runs `call` with the lock; callbacks of what it completes run when the lock is released.
    fn with<T>(&self, call: impl FnOnce(&mut Inner) -> T) -> T {
        completing_last(|| call(&mut self.inner.lock()))
    }

    /// Reads on this thread.
    fn read_here<T>(
        &self,
        read: impl FnOnce(&mut KvTransaction) -> Result<T>,
        outcome: impl FnOnce(T) -> Outcome,
    ) -> Arc<Future> {
        self.with(|inner| {
            let completion = inner.read(read, outcome);
            inner.answer(completion)
        })
    }

    /// True when a read should not be made on this thread: it waits for the store to find an owner.
    fn waits(&self) -> bool {
        self.inner.lock().kv.would_wait()
    }

    /// Known during and after the commit, too.
    pub fn read_version(&self) -> Arc<Future> {
        if self.waits() {
            return self.read_elsewhere(KvTransaction::read_version, Outcome::Int64);
        }
        self.with(|inner| {
            if let Some(code) = inner.failed.or(inner.ended) {
                return Future::ready(Err(code));
            }
            Future::ready(completion(inner.kv.read_version(), Outcome::Int64))
        })
    }

    pub fn get(&self, key: &[u8], snapshot: bool) -> Arc<Future> {
        if special_keys::answers(key) {
            return self.read_special(|directory, access| {
                special_keys::get(key, directory, access).map(Outcome::Value)
            });
        }
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
        if special_keys::answers_range(&begin, &end) {
            let RangeOptions { limit, reverse, .. } = options;
            return self.read_special(|directory, access| {
                let bounds = (&begin, &end);
                special_keys::get_range(bounds, limit, reverse, directory, access).map(pairs)
            });
        }
        if self.waits() {
            let read = move |kv: &mut KvTransaction| kv.get_range(&begin, &end, &options);
            return self.read_elsewhere(read, pairs);
        }
        let is_limited = options.limit > 0 || options.target_bytes > 0;
        let is_short = (1..=INLINE_BYTES).contains(&options.target_bytes);
        // Without a limit the store refuses an exact read.
        if options.mode == StreamingMode::Exact && is_limited && !is_short {
            return self.get_exact(begin, end, options);
        }
        self.read_here(|kv| kv.get_range(&begin, &end, &options), pairs)
    }

    /// Nobody knows how long an exact read is: it begins here, and if that is not all, all of it is
    /// read elsewhere.
    fn get_exact(
        &self,
        begin: KeySelector,
        end: KeySelector,
        options: RangeOptions,
    ) -> Arc<Future> {
        let first = RangeOptions { target_bytes: INLINE_BYTES, ..options };
        let answered = self.with(|inner| {
            let read = inner.read(|kv| kv.get_range(&begin, &end, &first), pairs);
            match &read {
                Ok(Outcome::Pairs { range, .. }) if range.more && range.count != options.limit => {
                    None
                }
                _ => Some(inner.answer(read)),
            }
        });
        let read = move |kv: &mut KvTransaction| kv.get_range(&begin, &end, &options);
        answered.unwrap_or_else(|| self.read_elsewhere(read, pairs))
    }

    /// Reads keys that are not stored, which may be done during the commit, too.
    fn read_special(&self, read: impl FnOnce(&Path, Access) -> Result<Outcome>) -> Arc<Future> {
        let inner = self.inner.lock();
        if let Some(code) = inner.failed.or(inner.ended) {
            return Future::ready(Err(code));
        }
        let answer = read(&inner.lease.directory, inner.settings.special_keys);
        Future::ready(completion(answer, |outcome| outcome))
    }

    /// Where a key is stored, for any key: on this host.
    pub fn addresses(&self) -> Arc<Future> {
        self.with(|inner| {
            let address = status::address(inner.settings.includes_ports);
            let texts = inner.check_use().map(|()| CString::new(address).into_iter().collect());
            Future::ready(texts.map(|texts| Outcome::Texts { texts, array: Vec::new() }))
        })
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
            completing_last(|| {
                let completion = inner.read(read, outcome);
                drop(inner);
                done.complete(completion);
            });
        }));
        future
    }

    pub fn approximate_size(&self) -> Arc<Future> {
        let inner = self.inner.lock();
        let size = i64::try_from(inner.kv.approximate_size()).unwrap_or(i64::MAX);
        Future::ready(inner.failed.map_or(Ok(Outcome::Int64(size)), Err))
    }

    /// Runs one of the writes that return nothing in the C API.
    pub fn write(&self, write: impl FnOnce(&mut KvTransaction) -> Result<()>) {
        self.with(|inner| {
            let written = inner.check_no_commit();
            let written = written.and_then(|()| write(&mut inner.kv).map_err(|error| error.code));
            inner.note(written);
        });
    }

    /// Runs a write of a key, or of those up to `end`, that may be a special key's.
    pub fn write_keys(
        &self,
        begin: &[u8],
        end: Option<&[u8]>,
        write: impl FnOnce(&mut KvTransaction) -> Result<()>,
    ) {
        if !special_keys::may_be_written(begin, end) {
            return self.write(write);
        }
        let mut inner = self.inner.lock();
        let refused = special_keys::refuse_write(inner.settings.special_keys);
        inner.note::<()>(Err(refused));
    }

    pub fn set_read_version(&self, version: i64) {
        let mut inner = self.inner.lock();
        let set = inner.kv.set_read_version(version);
        inner.note(set.map_err(|error| error.code));
    }

    /// # Errors
    /// 2005. Others fail the calls that follow.
    pub fn add_conflict_range(
        &self,
        begin: &[u8],
        end: &[u8],
        kind: ConflictKind,
    ) -> std::result::Result<(), i32> {
        if begin > end {
            return Err(code::INVERTED_RANGE);
        }
        self.write(|kv| kv.add_conflict_range(begin, end, kind));
        Ok(())
    }

    /// # Errors
    /// 2007, and 2006 for a bad time-out; any other bad value fails the calls that follow.
    pub fn set_option(&self, option: i32, value: Option<&[u8]>) -> std::result::Result<(), i32> {
        let mut inner = self.inner.lock();
        match inner.set_option(option, value) {
            Err(error) if error.code == code::INVALID_OPTION || option == option_code::TIMEOUT => {
                return Err(error.code);
            }
            set => inner.note(set.map_err(|error| error.code)),
        }
        Ok(())
    }

    /// Ready when the key's committed value changes after this transaction's commit.
    pub fn watch(&self, key: &[u8]) -> Arc<Future> {
        self.with(|inner| {
            if let Err(code) = inner.check_use() {
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
        })
    }

    pub fn commit(&self) -> Arc<Future> {
        let future = Future::pending();
        let done = Arc::clone(&future);
        self.with(|inner| {
            if let Err(code) = inner.check_use() {
                complete_stamps(std::mem::take(&mut inner.stamps), Err(code));
                return done.complete(Err(code));
            }
            inner.commit_started = true;
            let stamps = std::mem::take(&mut inner.stamps);
            inner.committing.push(Arc::clone(&done));
            inner.committing.extend(stamps.iter().cloned());
            inner.kv.commit(Box::new(move |result: Result<Committed>| {
                let stamp = result.as_ref().map_err(Clone::clone).and_then(Committed::versionstamp);
                complete_stamps(stamps, stamp.map_err(|error| error.code));
                done.complete(completion(result, |_| Outcome::Nothing));
            }));
            if let Some(deadline) = inner.kv.deadline()
                && !future.is_ready()
            {
                self.give_up_at(deadline, &future);
            }
        });
        future
    }

    /// Ends the transaction when its time is up and this commit of it still on its way.
    fn give_up_at(&self, deadline: Instant, commit: &Arc<Future>) {
        let (inner, commit) = (Arc::downgrade(&self.inner), Arc::downgrade(commit));
        let give_up = move || {
            let (Some(inner), Some(commit)) = (inner.upgrade(), commit.upgrade()) else { return };
            if !commit.is_ready() {
                completing_last(|| inner.lock().end(code::TRANSACTION_TIMED_OUT));
            }
        };
        NETWORK.call_at(deadline, Box::new(give_up));
    }

    /// -1 before a commit and after one that had nothing to write.
    pub fn committed_version(&self) -> i64 {
        self.inner.lock().kv.committed_version()
    }

    /// The versionstamp of the commit to come: ready when that is done.
    pub fn versionstamp(&self) -> Arc<Future> {
        self.with(|inner| {
            if let Err(code) = inner.check_use() {
                return Future::ready(Err(code));
            }
            let future = Future::pending();
            inner.stamps.push(Arc::clone(&future));
            future
        })
    }

    /// Resets the transaction for another attempt; ready after the back-off, or with the error
    /// when another attempt cannot help. Then the transaction is over until it is reset; before API
    /// version 610 it was reset by that.
    pub fn on_error(&self, code: i32) -> Arc<Future> {
        self.with(|inner| {
            if let Some(code) = inner.ended {
                return Future::ready(Err(code));
            }
            let forgets = api_version::on_error_forgets_options();
            match inner.kv.on_error(&Error::new(code)) {
                Ok(delay) => {
                    if forgets {
                        inner.kv.reset_options();
                    }
                    inner.start_over(|option| forgets || !KEPT_ON_ERROR.contains(&option));
                    NETWORK.after(delay)
                }
                Err(error) => {
                    if forgets {
                        inner.kv.reset();
                        inner.start_over(|_| true);
                    } else if error.code != code::TRANSACTION_TIMED_OUT {
                        inner.kv.cancel();
                        inner.end(code::TRANSACTION_CANCELLED);
                    }
                    Future::ready(Err(error.code))
                }
            }
        })
    }

    pub fn cancel(&self) {
        self.with(|inner| {
            inner.kv.cancel();
            inner.end(code::TRANSACTION_CANCELLED);
        });
    }

    pub fn reset(&self) {
        self.with(|inner| {
            inner.kv.reset();
            inner.start_over(|_| true);
        });
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
