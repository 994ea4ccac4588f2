//! The log thread: decides which transactions commit, makes them durable, shows them to readers.
//!
//! ```text
//! take all waiting ─▶ check conflicts, give versions ─▶ overlay (not visible yet) and frame
//!       ▲                                                              │
//!       └── answer ◀── watches ◀── visible ◀── one flush for the group ┘
//! ```
//!
//! ORDER: durable before visible, visible before answered. Every commit has a version of its own;
//! a group becomes visible as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLockWriteGuard;

use crate::applier::Job;
use crate::conflicts::RecentWrites;
use crate::error::{Error, Result, code};
use crate::keys::{Key, RangeList, VERSION_WINDOW};
use crate::log::{GroupEncoder, LogWriter};
use crate::overlay::Overlay;
use crate::pending::Pending;
use crate::shared::Shared;
use crate::snapshot::{Layers, Snapshot};
use crate::transaction::StampedKey;
use crate::types::{Committed, versionstamp};
use crate::watches::PendingWatch;
use crate::write_map::WriteMap;

/// A group ends when its frame has this many bytes.
const GROUP_BYTES: usize = 8 << 20;

/// Readers that wait for the overlay may look after this many transactions have been put into it.
const LOCKED_TRANSACTIONS: usize = 16;

/// How often a freeze is tried again that has to wait for the applier.
const FREEZE_RETRY: Duration = Duration::from_millis(10);

/// How often a store without commits forgets what nobody can conflict with any more.
const IDLE_SWEEP: Duration = Duration::from_secs(1);

/// Called once with the outcome of a commit.
pub type OnCommitted = Box<dyn FnOnce(Result<Committed>) + Send>;

/// A transaction handed over for its commit.
pub(crate) struct CommitRequest {
    pub(crate) read_version: Option<i64>,
    pub(crate) read_conflicts: RangeList,
    pub(crate) write_conflicts: RangeList,
    pub(crate) writes: WriteMap<Pending>,
    pub(crate) stamped_keys: Vec<StampedKey>,
    pub(crate) watches: Vec<PendingWatch>,
    pub(crate) committed: Arc<AtomicI64>,
    /// Fault mode: success is answered with 1021.
    pub(crate) hidden: bool,
    pub(crate) on_done: OnCommitted,
}

impl std::fmt::Debug for CommitRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitRequest").finish_non_exhaustive()
    }
}

/// The part of a request that waits for the outcome.
pub(crate) struct Waiting {
    watches: Vec<PendingWatch>,
    committed: Arc<AtomicI64>,
    hidden: bool,
    on_done: OnCommitted,
}

impl CommitRequest {
    /// Answers the commit with an error.
    pub(crate) fn fail(self, error: &Error) {
        self.into_waiting().fail(error);
    }

    pub(crate) fn into_waiting(self) -> Waiting {
        let Self { watches, committed, hidden, on_done, .. } = self;
        Waiting { watches, committed, hidden, on_done }
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl Waiting {
    pub(crate) fn fail(self, error: &Error) {
        for watch in self.watches {
            watch.cell.fire(Err(error.clone()));
        }
        (self.on_done)(Err(error.clone()));
    }

    /// Answers the commit; `activate` sets its watches.
    pub(crate) fn succeed(self, committed: Committed, activate: impl FnOnce(Vec<PendingWatch>)) {
        if self.hidden {
            return self.fail(&Error::new(code::COMMIT_UNKNOWN_RESULT));
        }
        self.committed.store(committed.version, Ordering::Release);
        activate(self.watches);
        (self.on_done)(Ok(committed));
    }
}

/// A transaction's final writes.
struct Resolved {
    cleared: Vec<(Key, Key)>,
    entries: Vec<(Key, Option<Key>)>,
}

/// See the module's header.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    recent: RecentWrites,
    log: LogWriter,
    group: GroupEncoder,
    /// What the group writes, with the versions; not in the overlay yet.
    admitted: Vec<(i64, Resolved)>,
    /// What the group writes, for the watches.
    touched: RangeList,
    /// Reads of an earlier run of the store are not known here.
    opened_at: i64,
    /// When the first commit since the last freeze came.
    active_since: Option<Instant>,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, last_frame: u64) -> Self {
        let opened_at = shared.newest_version();
        let recent = RecentWrites::new(shared.options.conflict_bytes);
        Self {
            shared,
            recent,
            log: LogWriter::new(last_frame),
            group: GroupEncoder::default(),
            admitted: Vec::new(),
            touched: RangeList::default(),
            opened_at,
            active_since: None,
        }
    }

    /// Commits until the queue is closed and empty, then hands everything to the applier.
    pub(crate) fn run(mut self) {
        while let Some(requests) = self.wait() {
            if requests.is_empty() {
                self.shared.discard(self.recent.sweep(self.shared.clock.now()));
            }
            let mut requests = requests.into_iter();
            while !requests.as_slice().is_empty() {
                self.commit_group(&mut requests);
                self.freeze_when_due();
            }
            self.freeze_when_due();
        }
        if self.active_since.is_some() && self.shared.check_healthy().is_ok() {
            self.freeze();
        }
        let mut work = self.shared.work.lock();
        work.stop = true;
        self.shared.work_changed.notify_all();
    }

    /// The waiting requests; none when it is time to freeze or to forget; `None` at the end.
    fn wait(&self) -> Option<Vec<CommitRequest>> {
        let now = Instant::now();
        let due = match self.active_since {
            // Never in the past: a freeze that is due may have to wait for the applier.
            Some(since) => Some((now + FREEZE_RETRY).max(since + self.shared.options.overlay_age)),
            None if self.recent.is_empty() => None,
            None => Some(now + IDLE_SWEEP),
        };
        let mut queue = self.shared.queue.lock();
        while queue.requests.is_empty() {
            if queue.closed {
                return None;
            }
            match due {
                Some(due) => {
                    if self.shared.queue_changed.wait_until(&mut queue, due).timed_out() {
                        break;
                    }
                }
                None => self.shared.queue_changed.wait(&mut queue),
            }
        }
        Some(std::mem::take(&mut queue.requests))
    }

    /// Commits requests up to the size of a group.
    fn commit_group(&mut self, requests: &mut std::vec::IntoIter<CommitRequest>) {
        if let Err(error) = self.shared.check_healthy().and_then(|()| self.check_room()) {
            requests.for_each(|request| request.fail(&error));
            return;
        }
        let before = self.shared.begin_group();
        let mut version = before;
        self.group.clear();
        self.touched = RangeList::default();
        let mut waiting = Vec::with_capacity(requests.len());
        let mut store = None;
        while self.group.frame_len() < GROUP_BYTES
            && let Some(mut request) = requests.next()
        {
            match self.admit(&mut request, version + 1, before, &mut store) {
                Ok(()) => {
                    version += 1;
                    waiting.push((version, request.into_waiting()));
                }
                Err(error) => request.fail(&error),
            }
        }
        drop(store);
        if let Err(error) = self.make_durable(version, before) {
            waiting.into_iter().for_each(|(_, request)| request.fail(&error));
            return;
        }
        self.shared.publish(version);
        self.shared.discard(self.recent.sweep(version));
        self.shared.watches.notify(&self.touched, || Snapshot::newest(&self.shared));
        for (version, request) in waiting {
            request.succeed(Committed { version }, |watches| self.shared.activate_watches(watches));
        }
    }

    /// # Errors
    /// While the disk has no room for the tree and the commits in memory have reached their bound.
    fn check_room(&self) -> Result<()> {
        if self.overlay_bytes() < self.overlay_bytes_max() || !self.shared.work.lock().stalled {
            return Ok(());
        }
        Err(Error::io("no room for the tree", &"the disk is full"))
    }

    fn overlay_bytes(&self) -> usize {
        self.shared.layers.read().active.read().bytes()
    }

    /// Twice the size at which the overlay is frozen: then commits wait for the tree.
    fn overlay_bytes_max(&self) -> usize {
        2 * self.shared.options.overlay_bytes
    }

    /// Lets one transaction commit at `version`, or says why not. `store` is a snapshot of
    /// everything admitted so far, taken when first needed.
    fn admit(
        &mut self,
        request: &mut CommitRequest,
        version: i64,
        visible: i64,
        store: &mut Option<Snapshot>,
    ) -> Result<()> {
        self.check_conflicts(request, visible)?;
        let resolved = self.resolve(request, version, store)?;
        for range in request.write_conflicts.iter() {
            self.recent.insert(range, version);
        }
        // Conflict ranges alone are logged too: nobody else may get that version after a restart.
        self.group.begin_commit(version);
        for (begin, end) in &resolved.cleared {
            self.group.clear_range(begin, end);
            self.touched.push_range(begin, end);
        }
        for (key, value) in &resolved.entries {
            self.group.write(key, value.as_deref());
            self.touched.push_key(key);
        }
        self.group.end_commit();
        self.admitted.push((version, resolved));
        Ok(())
    }

    fn check_conflicts(&self, request: &CommitRequest, visible: i64) -> Result<()> {
        let read_version = request.read_version.unwrap_or(visible);
        if read_version > visible.max(self.shared.newest_version()) {
            return Err(Error::new(code::FUTURE_VERSION));
        }
        if request.read_conflicts.is_empty() {
            return Ok(());
        }
        if read_version < self.opened_at
            || self.shared.clock.now() - read_version > VERSION_WINDOW
            || self.recent.has_forgotten(read_version)
        {
            return Err(Error::new(code::TRANSACTION_TOO_OLD));
        }
        let changed = |range| self.recent.changed_since(range, read_version);
        if request.read_conflicts.iter().any(changed) {
            return Err(Error::new(code::NOT_COMMITTED));
        }
        Ok(())
    }

    /// Turns operations into values and places the stamps.
    fn resolve(
        &mut self,
        request: &mut CommitRequest,
        version: i64,
        store: &mut Option<Snapshot>,
    ) -> Result<Resolved> {
        let stamp = versionstamp(version);
        let writes = std::mem::take(&mut request.writes);
        let mut stamped = Vec::with_capacity(request.stamped_keys.len());
        for write in &request.stamped_keys {
            let key = write.template.stamped(stamp);
            request.write_conflicts.push_key(&key);
            if writes.last_version(&key) < write.sequence {
                stamped.push((key, Some(write.value.clone())));
            }
        }
        let cleared = writes.cleared_ranges().map(|(begin, end)| (begin.into(), end.into()));
        let cleared = cleared.collect();
        let mut entries = Vec::with_capacity(stamped.len());
        for (key, pending) in writes.into_entries() {
            let value = pending.committed(|| self.read(store, &key), stamp)?;
            entries.push((key, value));
        }
        entries.extend(stamped);
        Ok(Resolved { cleared, entries })
    }

    fn read(&mut self, store: &mut Option<Snapshot>, key: &[u8]) -> Result<Option<Key>> {
        self.insert_admitted();
        let snapshot = match store {
            Some(snapshot) => snapshot,
            None => store.insert(Snapshot::unpublished(&self.shared)?),
        };
        Ok(snapshot.get(key)?.map(Vec::into_boxed_slice))
    }

    /// Puts what the group has written so far into the overlay, under one lock: a lock for each
    /// transaction would have readers and this thread wait for each other all the time.
    fn insert_admitted(&mut self) {
        if self.admitted.is_empty() {
            return;
        }
        let layers = Arc::clone(&self.shared.layers.read());
        for (_, resolved) in &self.admitted {
            let keys = resolved.entries.iter().map(|(key, _)| &**key);
            layers.active.announce(keys, !resolved.cleared.is_empty());
        }
        let mut overlay = layers.active.write();
        for (number, (version, resolved)) in (1..).zip(self.admitted.drain(..)) {
            // Twice the window: a read that is just young enough must find what it looks for.
            let horizon = version - 2 * VERSION_WINDOW;
            for (begin, end) in resolved.cleared {
                overlay.clear(&begin, &end, version, horizon);
            }
            for (key, value) in resolved.entries {
                let size = value.as_ref().map_or(0, |value| value.len());
                overlay.set(key, value, size, version, horizon);
            }
            if number % LOCKED_TRANSACTIONS == 0 {
                RwLockWriteGuard::bump(&mut overlay);
            }
        }
    }

    /// Writes and flushes the group's frame. On an error no commit of the group becomes visible.
    fn make_durable(&mut self, last_version: i64, before: i64) -> Result<()> {
        self.insert_admitted();
        if self.group.is_empty() {
            return Ok(());
        }
        let files = &self.shared.logs;
        let written = match self.log.reserve(files, &self.group) {
            // Nothing was written: the group simply does not commit.
            Err(error) => Err(error),
            // Whether the frame survives is unknown, so nothing may follow it.
            Ok(()) => self.log.append(files, &mut self.group, last_version).map_err(|error| {
                self.shared.poison(error);
                Error::new(code::COMMIT_UNKNOWN_RESULT)
            }),
        };
        if let Err(error) = written {
            self.shared.layers.read().active.write().retract(before);
            self.shared.publish(last_version);
            return Err(error);
        }
        self.active_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn freeze_when_due(&mut self) {
        let Some(since) = self.active_since else { return };
        let options = &self.shared.options;
        let bytes = self.overlay_bytes();
        if bytes < options.overlay_bytes && since.elapsed() < options.overlay_age {
            return;
        }
        let busy = self.shared.work.lock().job.is_some();
        let must_wait = bytes >= self.overlay_bytes_max();
        if self.shared.check_healthy().is_ok() && (!busy || must_wait) {
            self.freeze();
        }
    }

    /// Hands the active overlay and its log files to the applier, when that is done with the last.
    /// Not while the applier is stalled: the log holds the commits for as long as it takes.
    fn freeze(&mut self) {
        let mut work = self.shared.work.lock();
        while work.job.is_some() {
            if work.stalled {
                return;
            }
            self.shared.work_changed.wait(&mut work);
        }
        if self.shared.check_healthy().is_err() {
            return;
        }
        let mut layers = self.shared.layers.write();
        let overlay = Arc::clone(&layers.active);
        *layers = Arc::new(Layers {
            active: Arc::new(Overlay::new(self.shared.options.overlay_bytes)),
            frozen: Some(Arc::clone(&overlay)),
            generation: layers.generation,
        });
        drop(layers);
        work.job = Some(Job {
            overlay,
            last_version: self.shared.newest_version(),
            last_frame: self.log.last_frame(),
            files: self.log.take_files(),
        });
        self.shared.work_changed.notify_all();
        self.active_since = None;
    }
}
