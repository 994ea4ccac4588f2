//! One transaction: its snapshot, its uncommitted writes and its conflict ranges.
//!
//! ```text
//! active ── commit ──▶ committing or committed ── reset / on_error ──▶ active
//!    └──── cancel ───▶ cancelled               ── reset ─────────────▶ active
//! ```
//!
//! Reads are answered on the caller's thread, which waits when the owner of the store is another
//! process. Only `commit` completes elsewhere.

mod commit;
mod options;
mod read;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::error::{Error, Result, code};
use crate::faults::FaultStream;
use crate::keys::{METADATA_VERSION_KEY, RangeList, SYSTEM_END, USER_END};
use crate::late::LateAnswer;
use crate::pending::{Pending, StampTemplate};
use crate::types::versionstamp;
use crate::view::View;
use crate::watches::{PendingWatch, WatchSlots};
use crate::write_map::WriteMap;

use options::TransactionOptions;

pub use options::option_code;

/// First pause of `on_error`; it doubles up to the largest.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    CommitStarted,
    Cancelled,
}

/// A versionstamped key: its final name is known at the commit.
#[derive(Debug)]
pub(crate) struct StampedKey {
    pub(crate) template: StampTemplate,
    pub(crate) value: Box<[u8]>,
    /// The number of the operation in the transaction.
    pub(crate) sequence: i64,
    /// Adds a write conflict range.
    pub(crate) conflicts: bool,
}

/// See the module's header. The caller serialises the calls on one transaction.
#[derive(Debug)]
pub struct Transaction {
    client: Arc<Client>,
    slots: Arc<WatchSlots>,
    state: State,
    snapshot: Option<View>,
    /// Set by `set_read_version`, before the snapshot is taken.
    wanted_version: Option<i64>,
    writes: WriteMap<Pending>,
    stamped_keys: Vec<StampedKey>,
    /// Where the stamped keys may end up: reads there fail.
    unreadable: Vec<(Vec<u8>, Vec<u8>)>,
    /// Number of the last write operation; the version of the writes in `writes`.
    sequence: i64,
    read_conflicts: RangeList,
    write_conflicts: RangeList,
    /// Bytes of mutations and conflict ranges, as FoundationDB counts them.
    size: usize,
    watches: Vec<PendingWatch>,
    options: TransactionOptions,
    created: Instant,
    retries: i64,
    backoff: Duration,
    /// The commit version, set by the committer: 0 until then. `None` before `commit` and for a
    /// transaction that wrote nothing.
    committed: Option<Arc<AtomicI64>>,
    /// In fault mode, from the first decision of an attempt on.
    faults: Option<FaultStream>,
}

const _: fn() = || {
    fn may_move_between_threads<T: Send>() {}
    may_move_between_threads::<Transaction>();
};

impl Transaction {
    pub(crate) fn new(client: Arc<Client>, slots: Arc<WatchSlots>) -> Self {
        Self {
            client,
            slots,
            state: State::Active,
            snapshot: None,
            wanted_version: None,
            writes: WriteMap::default(),
            stamped_keys: Vec::new(),
            unreadable: Vec::new(),
            sequence: 0,
            read_conflicts: RangeList::default(),
            write_conflicts: RangeList::default(),
            size: 0,
            watches: Vec::new(),
            options: TransactionOptions::default(),
            created: Instant::now(),
            retries: 0,
            backoff: FIRST_BACKOFF,
            committed: None,
            faults: None,
        }
    }

    /// The version that the reads see; takes the snapshot if there is none yet. Says nothing about
    /// whether that version can still be read.
    ///
    /// # Errors
    /// 1025, 1031, 1037, 2017.
    pub fn read_version(&mut self) -> Result<i64> {
        self.check_active()?;
        match (&self.snapshot, self.wanted_version) {
            (Some(snapshot), _) => Ok(snapshot.version()),
            (None, Some(version)) => Ok(version),
            (None, None) => self.take_snapshot(),
        }
    }

    /// Reads at `version` instead of the newest one: one that this store gave out in the last 5 s.
    /// A version that cannot be served fails the first read (1007 or 1009).
    ///
    /// # Errors
    /// 1025, 1031, 2010 when the transaction has a read version, 2011 for one below 1, 2017.
    pub fn set_read_version(&mut self, version: i64) -> Result<()> {
        self.check_active()?;
        if self.snapshot.is_some() || self.wanted_version.is_some() {
            return Err(Error::new(code::READ_VERSION_ALREADY_SET));
        }
        if version <= 0 {
            return Err(Error::new(code::VERSION_INVALID));
        }
        self.wanted_version = Some(version);
        Ok(())
    }

    /// The version of the last commit of this transaction; -1 before it and after a read-only one.
    #[must_use]
    pub fn committed_version(&self) -> i64 {
        match self.committed.as_ref().map(|version| version.load(Ordering::Acquire)) {
            None | Some(0) => -1,
            Some(version) => version,
        }
    }

    /// The stamp that the last commit placed.
    ///
    /// # Errors
    /// 2021 before a commit and after a read-only one.
    pub fn versionstamp(&self) -> Result<[u8; 10]> {
        match self.committed_version() {
            -1 => Err(Error::new(code::NO_COMMIT_VERSION)),
            version => Ok(versionstamp(version)),
        }
    }

    /// Bytes of the mutations and conflict ranges so far: what the size limit is about.
    #[must_use]
    pub fn approximate_size(&self) -> usize {
        self.size
    }

    /// Ends the transaction: every later call but `reset` answers 1025, its watches too.
    /// A commit on its way goes on.
    pub fn cancel(&mut self) {
        self.forget();
        self.state = State::Cancelled;
    }

    /// Makes the transaction as new, options included. Its watches that are not committed answer
    /// 1025; a commit on its way goes on.
    pub fn reset(&mut self) {
        self.forget();
        self.reset_options();
        self.created = Instant::now();
        self.retries = 0;
        self.backoff = FIRST_BACKOFF;
    }

    /// What to do after `error`: for a retryable one, resets the transaction (time-out, retry
    /// limit and largest pause stay) and returns how long to wait before running it again.
    ///
    /// # Errors
    /// The same error when it is not retryable or the retry limit is reached; 1025, 1031.
    pub fn on_error(&mut self, error: &Error) -> Result<Duration> {
        if self.state == State::Cancelled {
            return Err(Error::new(code::TRANSACTION_CANCELLED));
        }
        self.check_timeout()?;
        let limit_reached =
            self.options.retry_limit >= 0 && self.retries >= self.options.retry_limit;
        if !error.is_retryable() || limit_reached {
            return Err(error.clone());
        }
        self.forget();
        self.options = self.options.kept_by_on_error();
        self.retries += 1;
        let max = self.options.max_retry_delay;
        if matches!(error.code, code::TRANSACTION_TOO_OLD | code::FUTURE_VERSION) {
            return Ok(FIRST_BACKOFF.min(max));
        }
        let pause = self.backoff.min(max).mul_f64(self.client.random_fraction());
        self.backoff = (self.backoff * 2).min(max);
        Ok(pause)
    }

    /// In fault mode, how long the answer of the read just made is to be kept back; `None`: not at
    /// all. Reads return their answers at once: who passes them on gives them late, with
    /// [`Transaction::give_after`].
    pub fn read_delay(&mut self) -> Option<Duration> {
        self.fault_stream().and_then(FaultStream::read_delay)
    }

    /// Gives an answer after `delay`, on another thread; at once when the store is closed.
    pub fn give_after(&self, delay: Duration, answer: LateAnswer) {
        self.client.late.give_after(delay, answer);
    }

    /// True while a read would wait for the store to find an owner.
    #[must_use]
    pub fn would_wait(&self) -> bool {
        self.snapshot.is_none() && self.client.is_seeking()
    }

    fn fault_stream(&mut self) -> Option<&mut FaultStream> {
        if self.faults.is_none() {
            self.faults = self.client.faults.begin_attempt();
        }
        self.faults.as_mut()
    }

    /// Forgets reads, writes and the outcome. Watches not yet committed answer 1025.
    fn forget(&mut self) {
        for watch in self.watches.drain(..) {
            watch.cell.fire(Err(Error::new(code::TRANSACTION_CANCELLED)));
        }
        self.state = State::Active;
        self.snapshot = None;
        self.wanted_version = None;
        self.writes = WriteMap::default();
        self.stamped_keys.clear();
        self.unreadable.clear();
        self.sequence = 0;
        self.read_conflicts = RangeList::default();
        self.write_conflicts = RangeList::default();
        self.size = 0;
        self.committed = None;
        self.faults = None;
    }

    fn check_active(&self) -> Result<()> {
        match self.state {
            State::Active => self.check_timeout(),
            State::CommitStarted => Err(Error::new(code::USED_DURING_COMMIT)),
            State::Cancelled => Err(Error::new(code::TRANSACTION_CANCELLED)),
        }
    }

    fn check_timeout(&self) -> Result<()> {
        match self.options.timeout {
            Some(timeout) if self.created.elapsed() >= timeout => {
                Err(Error::new(code::TRANSACTION_TIMED_OUT))
            }
            _ => Ok(()),
        }
    }

    /// Takes the snapshot if there is none; fails when it is too old. Returns its version.
    fn take_snapshot(&mut self) -> Result<i64> {
        if self.snapshot.is_none() {
            let deadline = self.options.timeout.map(|timeout| self.created + timeout);
            self.snapshot = Some(match self.wanted_version {
                None => self.client.newest(deadline)?,
                Some(version) => self.client.at(version, deadline)?,
            });
        }
        let Some(snapshot) = &self.snapshot else { return Ok(0) };
        snapshot.check_age()?;
        Ok(snapshot.version())
    }

    /// What every read of the store begins with.
    fn begin_read(&mut self) -> Result<()> {
        if let Some(faults) = self.fault_stream() {
            faults.check_read()?;
        }
        self.take_snapshot().map(drop)
    }

    fn reads_own_writes(&self, snapshot: bool) -> bool {
        self.options.read_your_writes && (!snapshot || self.options.snapshot_reads_own_writes > 0)
    }

    fn read_end(&self) -> &'static [u8] {
        if self.options.reads_system_keys { SYSTEM_END } else { USER_END }
    }

    fn write_end(&self) -> &'static [u8] {
        if self.options.writes_system_keys { SYSTEM_END } else { USER_END }
    }

    /// A key that a single read may name.
    fn check_read_key(&self, key: &[u8]) -> Result<()> {
        if key < self.read_end() || key == METADATA_VERSION_KEY {
            return Ok(());
        }
        Err(Error::new(code::KEY_OUTSIDE_LEGAL_RANGE))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.forget();
    }
}
