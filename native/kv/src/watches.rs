//! Watches: calls to be made when the committed value of a key is no longer an expected one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::error::{Error, Result, code};
use crate::keys::{Key, KeyRange, RangeList};
use crate::snapshot::Snapshot;

/// Most watches set at a time, unless [`crate::Store::set_watch_limit`] says otherwise.
pub const WATCH_LIMIT: usize = 10_000;

/// Called once when a watch fires or ends.
pub type OnFire = Box<dyn FnOnce(Result<()>) + Send>;

/// The call of one watch, made at most once.
pub(crate) struct WatchCell(Mutex<Option<OnFire>>);

impl std::fmt::Debug for WatchCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WatchCell").finish_non_exhaustive()
    }
}

impl WatchCell {
    pub(crate) fn new(on_fire: OnFire) -> Self {
        Self(Mutex::new(Some(on_fire)))
    }

    pub(crate) fn fire(&self, outcome: Result<()>) {
        let on_fire = self.0.lock().take();
        if let Some(on_fire) = on_fire {
            on_fire(outcome);
        }
    }
}

/// A watch whose transaction is not committed yet.
#[derive(Debug)]
pub(crate) struct PendingWatch {
    pub(crate) key: Key,
    pub(crate) expected: Option<Key>,
    pub(crate) cell: Arc<WatchCell>,
}

/// Cancels a watch; dropping it does not.
#[derive(Debug)]
pub struct WatchHandle {
    watches: Arc<Watches>,
    key: Key,
    cell: Arc<WatchCell>,
}

impl WatchHandle {
    pub(crate) fn new(watches: &Arc<Watches>, key: Key, cell: Arc<WatchCell>) -> Self {
        Self { watches: Arc::clone(watches), key, cell }
    }

    /// Ends the watch: its call gets 1101, unless it was made before.
    pub fn cancel(&self) {
        self.watches.remove(&self.key, &self.cell);
        self.cell.fire(Err(Error::new(code::OPERATION_CANCELLED)));
    }
}

/// The watches of committed transactions.
///
/// ORDER: a commit makes its version visible, then looks here; activation looks here, then at the
/// newest visible value. Whichever is second sees the other.
#[derive(Debug)]
pub(crate) struct Watches {
    by_key: Mutex<BTreeMap<Key, Vec<PendingWatch>>>,
    count: AtomicUsize,
    limit: AtomicUsize,
}

impl Default for Watches {
    fn default() -> Self {
        let (by_key, count) = (Mutex::default(), AtomicUsize::new(0));
        Self { by_key, count, limit: AtomicUsize::new(WATCH_LIMIT) }
    }
}

impl Watches {
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Fails when `pending` more watches would be too many.
    pub(crate) fn check_room(&self, pending: usize) -> Result<()> {
        if self.count.load(Ordering::Relaxed) + pending >= self.limit.load(Ordering::Relaxed) {
            return Err(Error::new(code::TOO_MANY_WATCHES));
        }
        Ok(())
    }

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
                    self.count.fetch_add(1, Ordering::Relaxed);
                    by_key.entry(watch.key.clone()).or_default().push(watch);
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
            self.count.fetch_sub(gone.len(), Ordering::Relaxed);
            let outcome = value.map(|_| ());
            fired.extend(gone.into_iter().map(|watch| (watch, outcome.clone())));
        }
        drop(by_key);
        for (watch, outcome) in fired {
            watch.cell.fire(outcome);
        }
    }

    fn remove(&self, key: &[u8], cell: &Arc<WatchCell>) {
        let mut by_key = self.by_key.lock();
        let Some(watches) = by_key.get_mut(key) else { return };
        let before = watches.len();
        watches.retain(|watch| !Arc::ptr_eq(&watch.cell, cell));
        self.count.fetch_sub(before - watches.len(), Ordering::Relaxed);
        if watches.is_empty() {
            by_key.remove(key);
        }
    }

    /// Ends all watches with an error.
    pub(crate) fn end_all(&self, error: &Error) {
        let all = std::mem::take(&mut *self.by_key.lock());
        self.count.store(0, Ordering::Relaxed);
        for watch in all.into_values().flatten() {
            watch.cell.fire(Err(error.clone()));
        }
    }
}
