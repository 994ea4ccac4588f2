//! Watches: calls to be made when the committed value of a key is no longer an expected one.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::client::Client;
use crate::error::{Error, Result, code};
use crate::keys::{Key, KeyRange, RangeList};
use crate::peers::Link;
use crate::snapshot::Snapshot;

/// Most watches set at a time, unless [`crate::Store::set_watch_limit`] says otherwise.
pub const WATCH_LIMIT: usize = 10_000;

/// Called once when a watch fires or ends.
pub type OnFire = Box<dyn FnOnce(Result<()>) + Send>;

/// The call of one watch, made at most once.
pub(crate) struct WatchCell {
    /// Tells the watches of this process apart.
    id: u64,
    on_fire: Mutex<Option<OnFire>>,
}

impl std::fmt::Debug for WatchCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WatchCell").finish_non_exhaustive()
    }
}

impl WatchCell {
    pub(crate) fn new(on_fire: OnFire) -> Self {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        Self { id, on_fire: Mutex::new(Some(on_fire)) }
    }

    pub(crate) fn fire(&self, outcome: Result<()>) {
        let on_fire = self.on_fire.lock().take();
        if let Some(on_fire) = on_fire {
            on_fire(outcome);
        }
    }

    fn is_open(&self) -> bool {
        self.on_fire.lock().is_some()
    }
}

/// How many watches may be set at a time, and how many are.
#[derive(Debug)]
pub(crate) struct WatchSlots {
    used: AtomicUsize,
    limit: AtomicUsize,
}

impl Default for WatchSlots {
    fn default() -> Self {
        Self { used: AtomicUsize::new(0), limit: AtomicUsize::new(WATCH_LIMIT) }
    }
}

impl WatchSlots {
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// # Errors
    /// 1032 when all slots are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Result<WatchSlot> {
        // Dropping it gives it back.
        let slot = WatchSlot(Arc::clone(self));
        if self.used.fetch_add(1, Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed) {
            return Err(Error::new(code::TOO_MANY_WATCHES));
        }
        Ok(slot)
    }
}

/// The right to one watch, until it is dropped.
#[derive(Debug)]
pub(crate) struct WatchSlot(Arc<WatchSlots>);

impl Drop for WatchSlot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A watch: not set before its transaction is committed.
#[derive(Debug)]
pub(crate) struct PendingWatch {
    pub(crate) key: Key,
    pub(crate) expected: Option<Key>,
    pub(crate) cell: Arc<WatchCell>,
    /// `None` for a watch of another process, which counts it.
    pub(crate) _slot: Option<WatchSlot>,
}

/// Cancels a watch; dropping it does not.
#[derive(Debug)]
pub struct WatchHandle {
    client: Arc<Client>,
    key: Key,
    cell: Arc<WatchCell>,
}

impl WatchHandle {
    pub(crate) fn new(client: &Arc<Client>, key: Key, cell: Arc<WatchCell>) -> Self {
        Self { client: Arc::clone(client), key, cell }
    }

    /// Ends the watch: its call gets 1101, unless it was made before.
    pub fn cancel(&self) {
        // ORDER: who is about to set the watch sees that it has ended, or is seen here.
        self.cell.fire(Err(Error::new(code::OPERATION_CANCELLED)));
        self.client.forget_watch(&self.key, &self.cell);
    }
}

/// The watches of committed transactions that an owner looks after.
///
/// ORDER: a commit makes its version visible, then looks here; activation looks here, then at the
/// newest visible value. Whichever is second sees the other.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_key: Mutex<BTreeMap<Key, Vec<PendingWatch>>>,
}

impl Watches {
    /// Sets watches; `newest` takes a snapshot of what is committed.
    pub(crate) fn activate(
        &self,
        watches: Vec<PendingWatch>,
        newest: impl FnOnce() -> Result<Snapshot>,
    ) {
        let mut by_key = self.by_key.lock();
        let snapshot = newest();
        let mut fired = Vec::new();
        for watch in watches {
            match snapshot.as_ref().map_err(Clone::clone).and_then(|now| now.get(&watch.key)) {
                Ok(value) if value.as_deref() == watch.expected.as_deref() => {
                    if watch.cell.is_open() {
                        by_key.entry(watch.key.clone()).or_default().push(watch);
                    }
                }
                Ok(_) => fired.push((watch, Ok(()))),
                Err(error) => fired.push((watch, Err(error))),
            }
        }
        drop(by_key);
        for (watch, outcome) in fired {
            watch.cell.fire(outcome);
        }
    }

    /// Fires the watches in `touched` whose value has changed. `newest` as in `activate`.
    pub(crate) fn notify(&self, touched: &RangeList, newest: impl FnOnce() -> Result<Snapshot>) {
        let mut by_key = self.by_key.lock();
        if by_key.is_empty() {
            return;
        }
        let mut keys: Vec<Key> = Vec::new();
        for range in touched.iter() {
            match range {
                KeyRange::Single(key) if by_key.contains_key(key) => keys.push(key.into()),
                KeyRange::Single(_) => {}
                KeyRange::Span(begin, end) => {
                    let inside = (Bound::Included(begin), Bound::Excluded(end));
                    keys.extend(by_key.range::<[u8], _>(inside).map(|(key, _)| key.clone()));
                }
            }
        }
        if keys.is_empty() {
            return;
        }
        let snapshot = newest();
        let mut fired = Vec::new();
        for key in keys {
            let Some(watches) = by_key.remove(&key) else { continue };
            let value = snapshot.as_ref().map_err(Clone::clone).and_then(|now| now.get(&key));
            let unchanged = |watch: &PendingWatch| match &value {
                Ok(value) => value.as_deref() == watch.expected.as_deref(),
                Err(_) => false,
            };
            let (kept, gone): (Vec<_>, Vec<_>) = watches.into_iter().partition(unchanged);
            if !kept.is_empty() {
                by_key.insert(key, kept);
            }
            let outcome = value.map(|_| ());
            fired.extend(gone.into_iter().map(|watch| (watch, outcome.clone())));
        }
        drop(by_key);
        for (watch, outcome) in fired {
            watch.cell.fire(outcome);
        }
    }

    pub(crate) fn remove(&self, key: &[u8], cell: &Arc<WatchCell>) {
        let mut by_key = self.by_key.lock();
        let Some(watches) = by_key.get_mut(key) else { return };
        watches.retain(|watch| !Arc::ptr_eq(&watch.cell, cell));
        if watches.is_empty() {
            by_key.remove(key);
        }
    }

    /// Ends all watches with an error.
    pub(crate) fn end_all(&self, error: &Error) {
        let all = std::mem::take(&mut *self.by_key.lock());
        for watch in all.into_values().flatten() {
            watch.cell.fire(Err(error.clone()));
        }
    }
}

/// A follower's watches of committed transactions, by the numbers of their cells: the owner looks
/// after them, and is told of them again when it is another one.
#[derive(Debug, Default)]
pub(crate) struct FollowedWatches(Mutex<HashMap<u64, PendingWatch>>);

impl FollowedWatches {
    /// Returns the numbers of the watches.
    pub(crate) fn insert(&self, watches: Vec<PendingWatch>) -> Vec<u64> {
        let ids = watches.iter().map(|watch| watch.cell.id).collect();
        let open = watches.into_iter().filter(|watch| watch.cell.is_open());
        self.0.lock().extend(open.map(|watch| (watch.cell.id, watch)));
        ids
    }

    /// Tells an owner of some watches.
    pub(crate) fn tell(&self, link: &Link, ids: &[u64]) {
        let watches = self.0.lock();
        for (id, watch) in ids.iter().filter_map(|id| Some((id, watches.get(id)?))) {
            link.watch(*id, &watch.key, watch.expected.as_deref());
        }
    }

    /// Tells a new owner of all watches.
    pub(crate) fn tell_all(&self, link: &Link) {
        for (id, watch) in self.0.lock().iter() {
            link.watch(*id, &watch.key, watch.expected.as_deref());
        }
    }

    /// Makes the call of a watch.
    pub(crate) fn fire(&self, id: u64, outcome: Result<()>) {
        let watch = self.0.lock().remove(&id);
        if let Some(watch) = watch {
            watch.cell.fire(outcome);
        }
    }

    /// Forgets a watch; returns its number, if it was here.
    pub(crate) fn remove(&self, cell: &WatchCell) -> Option<u64> {
        self.0.lock().remove(&cell.id).map(|watch| watch.cell.id)
    }

    pub(crate) fn take_all(&self) -> Vec<PendingWatch> {
        std::mem::take(&mut *self.0.lock()).into_values().collect()
    }

    /// Ends all watches with an error.
    pub(crate) fn end_all(&self, error: &Error) {
        for watch in self.take_all() {
            watch.cell.fire(Err(error.clone()));
        }
    }
}
