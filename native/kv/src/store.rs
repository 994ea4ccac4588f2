//! The door of the crate: an open store.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::options::Options;
use crate::threads::spawn;
use crate::transaction::Transaction;
use crate::watches::WatchSlots;

/// An open store. Clones are the same store; the last one closes it when dropped. A transaction
/// does not keep the store open.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
    slots: Arc<WatchSlots>,
}

#[derive(Debug)]
struct Inner(Arc<Client>);

impl Store {
    /// Opens the store in `dir`, making it when there is none.
    ///
    /// The first process to do so owns the store until it ends: it recovers what the last owner
    /// left in the log, and serves the others. When it ends, one of them becomes the owner:
    /// transactions that have read answer 1007 then, and commits on their way 1021.
    ///
    /// # Errors
    /// 1510 when the disk fails or the store's owner does not answer, 1522 when its files are
    /// damaged or of another format version; the message names the directory or file.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        // A directory that others see under the same name, whatever this one is relative to.
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir.display(), &e))?;
        let dir = dir.canonicalize().map_err(|e| Error::io(dir.display(), &e))?;
        let client = Client::open(dir, options)?;
        Ok(Self { inner: Arc::new(Inner(client)), slots: Arc::default() })
    }

    /// A new transaction.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction::new(Arc::clone(&self.inner.0), Arc::clone(&self.slots))
    }

    /// The same store with a limit of its own for its watches.
    #[must_use]
    pub fn with_own_watches(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), slots: Arc::default() }
    }

    /// Turns the fault mode on, to other faults, or off, for the attempts of transactions of this
    /// process that begin from now on. For tests.
    pub fn set_faults(&self, faults: Option<Faults>) {
        self.inner.0.faults.set(faults);
    }

    /// Changes how many watches may be set at a time, for all clones; those that are set stay.
    pub fn set_watch_limit(&self, limit: usize) {
        self.slots.set_limit(limit);
    }

    /// Closes the store for all clones: commits that wait are finished, later calls answer 1101,
    /// reads of open transactions 1007. Does nothing when it is closed already.
    ///
    /// # Errors
    /// What ended the commits, when the store had failed before.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }
}

impl Inner {
    fn close(&self) -> Result<()> {
        if !self.0.runs_on(thread::current().id()) {
            return self.0.close();
        }
        // The last clone was dropped inside a call-back: its thread cannot wait for itself.
        let client = Arc::clone(&self.0);
        spawn("kv-close", move || drop(client.close())).map(drop)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to tell; what was acknowledged is in the log and found at the next open.
        drop(self.close());
    }
}
