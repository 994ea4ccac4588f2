//! What the transactions, the committer, the applier and the server of one owned store share.
//!
//! Lock order: watches, layers, overlays (active before frozen), readers. The queue, the versions,
//! the history, the applier's work and what is discarded are leaves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};

use crate::applier::{Job, Work};
use crate::clock::Clock;
use crate::committer::CommitRequest;
use crate::conflicts::Epoch;
use crate::error::{Error, Result, code};
use crate::keys::VERSION_WINDOW;
use crate::log::LogFiles;
use crate::options::Options;
use crate::overlay::Overlay;
use crate::peers::new_reign;
use crate::readers::{Reader, Readers};
use crate::snapshot::{Layers, Snapshot};
use crate::tree::Tree;
use crate::watches::{PendingWatch, Watches};

/// How far the newest version may lag behind the clock in an idle store.
const IDLE_LAG: i64 = 10_000;

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) tree: Tree,
    pub(crate) readers: Readers,
    pub(crate) clock: Clock,
    pub(crate) layers: RwLock<Arc<Layers>>,
    pub(crate) history: History,
    pub(crate) watches: Arc<Watches>,
    pub(crate) logs: LogFiles,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) queue_changed: Condvar,
    pub(crate) work: Mutex<Work>,
    pub(crate) work_changed: Condvar,
    /// To be freed by the applier, because that takes a while.
    discarded: Mutex<Vec<Epoch>>,
    /// The last version of the owners before this one: earlier ones cannot be read any more.
    pub(crate) recovered_version: i64,
    /// Tells this owner's versions from those of earlier ones.
    pub(crate) reign: i64,
    /// The version that new reads see.
    visible: AtomicI64,
    versions: Mutex<Versions>,
    /// Why no commit is possible any more.
    poison: OnceLock<Error>,
    closed: AtomicBool,
}

/// Commits waiting for the committer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) requests: Vec<CommitRequest>,
    pub(crate) closed: bool,
}

#[derive(Debug)]
struct Versions {
    /// The highest version given to a commit or a read.
    last: i64,
    /// A group has versions and is not visible yet: no version after it may be read.
    in_flight: bool,
}

impl Shared {
    pub(crate) fn new(options: Options, tree: Tree, logs: LogFiles, last_version: i64) -> Self {
        let clock = Clock::after(last_version);
        let version = clock.now();
        let active = Arc::new(Overlay::new(options.overlay_bytes));
        Self {
            options,
            tree,
            readers: Readers::default(),
            clock,
            layers: RwLock::new(Arc::new(Layers { active, frozen: None, generation: 0 })),
            history: History::default(),
            watches: Arc::default(),
            logs,
            queue: Mutex::default(),
            queue_changed: Condvar::new(),
            work: Mutex::default(),
            work_changed: Condvar::new(),
            discarded: Mutex::default(),
            recovered_version: last_version,
            reign: new_reign(),
            visible: AtomicI64::new(version),
            versions: Mutex::new(Versions { last: version, in_flight: false }),
            poison: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Puts the commits that recovery found between the tree and the commits to come.
    pub(crate) fn begin_with(&self, job: Job) {
        let mut layers = self.layers.write();
        let frozen = Some(Arc::clone(&job.overlay));
        *layers = Arc::new(Layers { frozen, ..Layers::clone(&layers) });
        drop(layers);
        self.work.lock().job = Some(job);
    }

    /// The version of the newest visible state.
    pub(crate) fn newest_version(&self) -> i64 {
        self.visible.load(Ordering::Acquire)
    }

    /// Lets the newest version follow the clock while nothing commits.
    pub(crate) fn advance_when_idle(&self) {
        let now = self.clock.now();
        if now - self.newest_version() < IDLE_LAG {
            return;
        }
        let Some(mut versions) = self.versions.try_lock() else { return };
        if !versions.in_flight {
            versions.last = versions.last.max(now);
            self.visible.store(versions.last, Ordering::Release);
        }
    }

    /// Starts a group; returns a version below all that it may use, which reads see from now on:
    /// after a pause they would else be too old until the group is durable.
    pub(crate) fn begin_group(&self) -> i64 {
        let mut versions = self.versions.lock();
        versions.in_flight = true;
        versions.last = versions.last.max(self.clock.now());
        self.visible.store(versions.last, Ordering::Release);
        versions.last
    }

    /// Makes a group visible whose last version is `last`.
    pub(crate) fn publish(&self, last: i64) {
        let mut versions = self.versions.lock();
        versions.in_flight = false;
        versions.last = last;
        self.visible.store(last, Ordering::Release);
    }

    /// Queues a commit, or answers it when none is possible.
    pub(crate) fn submit(&self, request: CommitRequest) {
        let mut queue = self.queue.lock();
        if queue.closed {
            drop(queue);
            request.fail(&Error::new(code::OPERATION_CANCELLED));
            return;
        }
        let was_empty = queue.requests.is_empty();
        queue.requests.push(request);
        drop(queue);
        if was_empty {
            self.queue_changed.notify_one();
        }
    }

    /// Sets the watches of a committed transaction.
    pub(crate) fn activate_watches(self: &Arc<Self>, watches: Vec<PendingWatch>) {
        if !watches.is_empty() {
            self.watches.activate(watches, || Snapshot::newest(self));
        }
    }

    /// Takes what the committer has no use for any more.
    pub(crate) fn discard(&self, epochs: Vec<Epoch>) {
        if !epochs.is_empty() {
            self.discarded.lock().extend(epochs);
        }
    }

    /// Frees what was discarded.
    pub(crate) fn free_discarded(&self) {
        let discarded = std::mem::take(&mut *self.discarded.lock());
        drop(discarded);
    }

    /// Ends all commits: the disk can no longer be trusted.
    pub(crate) fn poison(&self, error: Error) {
        // The first reason stays.
        let _ = self.poison.set(error);
    }

    /// # Errors
    /// The reason why no commit is possible.
    pub(crate) fn check_healthy(&self) -> Result<()> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// # Errors
    /// 1101 when the store is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(code::OPERATION_CANCELLED));
        }
        Ok(())
    }

    /// Refuses new snapshots and ends the open ones.
    pub(crate) fn end_reads(&self) {
        self.closed.store(true, Ordering::Release);
        self.history.clear();
        self.readers.close();
        self.tree.close();
    }
}

/// Earlier states of the tree, kept readable for as long as a read version may be old.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<PastState>>);

/// A state of the tree that has been applied to since.
#[derive(Debug, Clone)]
pub(crate) struct PastState {
    /// The commits up to this version were in the tree.
    pub(crate) applied_version: i64,
    pub(crate) layers: Arc<Layers>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) since: Instant,
}

impl PastState {
    /// What is kept for this state alone: the active overlay is another state's, or in use.
    fn bytes(&self) -> usize {
        self.layers.frozen.as_ref().map_or(0, |overlay| overlay.read().bytes())
    }
}

impl History {
    pub(crate) fn push(&self, state: PastState) {
        self.0.lock().push_back(state);
    }

    /// The latest state that has no commit after `version` in its tree.
    pub(crate) fn find(&self, version: i64) -> Option<PastState> {
        let states = self.0.lock();
        states.iter().rev().find(|state| state.applied_version <= version).cloned()
    }

    /// Drops the states that no read may ask for any more, and the oldest of those that hold more
    /// than `limit_bytes` together.
    pub(crate) fn sweep(&self, limit_bytes: usize) {
        let window = Duration::from_micros(VERSION_WINDOW.unsigned_abs());
        let mut states = self.0.lock();
        let mut held: usize = states.iter().map(PastState::bytes).sum();
        while let Some(first) = states.front()
            && (first.since.elapsed() > window || held > limit_bytes)
        {
            held -= first.bytes();
            first.reader.close();
            states.pop_front();
        }
    }

    fn clear(&self) {
        for state in self.0.lock().drain(..) {
            state.reader.close();
        }
    }
}
