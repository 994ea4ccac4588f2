//! Handing a transaction over to the committer.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::{State, Transaction};
use crate::committer::{CommitRequest, OnCommitted};
use crate::error::{Error, Result, code};
use crate::faults::CommitFate;
use crate::types::Committed;
use crate::view::View;

impl Transaction {
    /// Commits. `on_done` is called once: inside this call for a transaction that wrote nothing
    /// and for errors found at once, on the committer's thread otherwise (late ones in fault mode
    /// on yet another); it must not block. Until `reset` or `on_error` every other call then
    /// answers 2017.
    ///
    /// Errors passed to `on_done`: 1007, 1020, 1021, 1025, 1031, 1510, 2017, 2101.
    pub fn commit(&mut self, on_done: OnCommitted) {
        if let Err(error) = self.check_active().and_then(|()| self.check_size()) {
            on_done(Err(error));
            return;
        }
        self.state = State::CommitStarted;
        let writes_nothing = self.writes.is_empty() && self.stamped_keys.is_empty();
        if writes_nothing && self.write_conflicts.is_empty() {
            self.client.activate_watches(std::mem::take(&mut self.watches));
            on_done(Ok(Committed { version: -1 }));
            return;
        }
        let (fate, on_done) = self.decide_commit(on_done);
        let read_version = match &self.snapshot {
            Some(snapshot) => Some(snapshot.version()),
            None => self.wanted_version,
        };
        let reign = self.snapshot.as_ref().map(View::reign);
        let committed = Arc::new(AtomicI64::new(0));
        self.committed = Some(Arc::clone(&committed));
        let request = CommitRequest {
            read_version,
            read_conflicts: std::mem::take(&mut self.read_conflicts),
            write_conflicts: std::mem::take(&mut self.write_conflicts),
            writes: std::mem::take(&mut self.writes),
            stamped_keys: std::mem::take(&mut self.stamped_keys),
            watches: std::mem::take(&mut self.watches),
            committed,
            hidden: fate == CommitFate::Hidden,
            on_done,
        };
        // The snapshot's reader goes back to the pool before the flush, not after it.
        self.snapshot = None;
        match fate {
            CommitFate::Refused(code) => request.fail(&Error::new(code)),
            CommitFate::Honest | CommitFate::Hidden => self.client.submit(request, reign),
        }
    }

    /// What the fault mode, if it is on, does to a commit and its answer.
    fn decide_commit(&mut self, on_done: OnCommitted) -> (CommitFate, OnCommitted) {
        let Some(faults) = self.fault_stream() else { return (CommitFate::Honest, on_done) };
        let (fate, delay) = (faults.commit_fate(), faults.commit_delay());
        let Some(delay) = delay else { return (fate, on_done) };
        let late = Arc::clone(&self.client.late);
        let answer = move |outcome| late.give_after(delay, Box::new(move || on_done(outcome)));
        (fate, Box::new(answer))
    }

    fn check_size(&self) -> Result<()> {
        if self.size > self.options.size_limit {
            return Err(Error::new(code::TRANSACTION_TOO_LARGE));
        }
        Ok(())
    }
}
