//! Group flush: makes appended bytes durable with as few syncs as possible.
//!
//! A flush covers every append that ended before it starts. Callers that arrive while one runs
//! wait for it and then share the next: one of them leads it, the others find their bytes durable.
//! Unsynced bytes are tracked per segment, sealed or not, so that a rollover loses none.
//!
//! INVARIANT: a segment whose write or sync has failed is poisoned until it is removed. While a
//! volume has a poisoned segment, no flush of it reports success.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::segment::Segment;

#[derive(Debug, Default)]
pub(crate) struct GroupFlush {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Appends that have ended since the volume was opened.
    appended: u64,
    /// How many of them, from the first, are durable.
    durable: u64,
    /// The segments that hold the appends in between.
    dirty: BTreeMap<u32, Arc<Segment>>,
    poisoned: BTreeMap<u32, io::ErrorKind>,
    running: bool,
}

impl State {
    fn check(&self) -> Result<()> {
        match self.poisoned.first_key_value() {
            Some((&segment, &kind)) => Err(Error::Poisoned { segment, kind }),
            None => Ok(()),
        }
    }
}

impl GroupFlush {
    /// Records that bytes were written to a segment and await a flush.
    pub(crate) fn appended(&self, segment: &Arc<Segment>) {
        let mut state = self.state.lock();
        state.appended += 1;
        state.dirty.entry(segment.id).or_insert_with(|| segment.clone());
    }

    /// Bars a segment from further writes; the first reason stays. Returns the error to report.
    pub(crate) fn poison(&self, segment: u32, kind: io::ErrorKind) -> Error {
        let kind = *self.state.lock().poisoned.entry(segment).or_insert(kind);
        Error::Poisoned { segment, kind }
    }

    /// Fails when the segment is poisoned.
    pub(crate) fn check_segment(&self, segment: u32) -> Result<()> {
        match self.state.lock().poisoned.get(&segment) {
            Some(&kind) => Err(Error::Poisoned { segment, kind }),
            None => Ok(()),
        }
    }

    /// Forgets a segment that has been removed.
    pub(crate) fn forget(&self, segment: u32) {
        let mut state = self.state.lock();
        state.dirty.remove(&segment);
        state.poisoned.remove(&segment);
    }

    /// True when a flush would have something to do or to report.
    pub(crate) fn is_needed(&self) -> bool {
        let state = self.state.lock();
        state.durable != state.appended || !state.poisoned.is_empty()
    }

    /// Returns when all bytes appended before the call are durable.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut state = self.state.lock();
        let target = state.appended;
        loop {
            state.check()?;
            if state.durable >= target {
                return Ok(());
            }
            if state.running {
                self.ended.wait(&mut state);
                continue;
            }
            state.running = true;
            let covered = state.appended;
            let dirty = std::mem::take(&mut state.dirty);
            drop(state);
            let failed = sync_all(dirty.values());
            state = self.state.lock();
            for (segment, kind) in failed {
                state.poisoned.entry(segment).or_insert(kind);
            }
            state.durable = covered;
            state.running = false;
            self.ended.notify_all();
        }
    }
}

/// Syncs each segment once, also after a failure; returns those that failed.
fn sync_all<'a>(segments: impl Iterator<Item = &'a Arc<Segment>>) -> Vec<(u32, io::ErrorKind)> {
    segments
        .filter_map(|segment| segment.file.sync().err().map(|error| (segment.id, error.kind())))
        .collect()
}
