//! A pool of read transactions on the tree: opening one per transaction would cost more than most
//! of the reads, and an old one keeps pages from being used again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use crate::error::{Error, Result, code};
use crate::keys::VERSION_WINDOW;
use crate::tree::{MAX_READERS, ReadTxn, Tree};

/// How long a lent reader lives.
const MAX_AGE: Duration = Duration::from_micros(VERSION_WINDOW.unsigned_abs());

/// Readers that are lent at a time. The rest is for the applier and its history: without one of
/// its own it could not go on, and that would be the end of the store.
const LENT_MAX: usize = MAX_READERS as usize - 192;

#[derive(Default)]
struct Slot {
    txn: Option<ReadTxn>,
    /// The state of the tree that `txn` sees: how often it had been applied to.
    generation: u64,
    lent: Option<Instant>,
}

/// One read transaction, used by one snapshot at a time.
pub(crate) struct Reader(Mutex<Slot>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader outside the pool.
    pub(crate) fn fixed(txn: ReadTxn) -> Self {
        Self(Mutex::new(Slot { txn: Some(txn), generation: 0, lent: Some(Instant::now()) }))
    }

    /// The read transaction.
    ///
    /// # Errors
    /// 1007 when the reader was taken back for its age or at the end of the store.
    pub(crate) fn txn(&self) -> Result<MappedMutexGuard<'_, ReadTxn>> {
        MutexGuard::try_map(self.0.lock(), |slot| slot.txn.as_mut())
            .map_err(|_| Error::new(code::TRANSACTION_TOO_OLD))
    }

    /// Ends the read transaction.
    pub(crate) fn close(&self) {
        self.0.lock().txn = None;
    }
}

/// See the module's header.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    free: Mutex<Vec<Arc<Reader>>>,
    all: Mutex<Vec<Arc<Reader>>>,
}

impl Readers {
    /// Lends a reader of the tree's state `generation`, which the caller keeps from changing
    /// meanwhile.
    ///
    /// # Errors
    /// 1037 when all are lent.
    pub(crate) fn lend(&self, tree: &Tree, generation: u64) -> Result<Arc<Reader>> {
        let free = self.free.lock().pop();
        let reader = match free {
            Some(reader) => reader,
            None => self.another()?,
        };
        let mut slot = reader.0.lock();
        if slot.txn.is_none() || slot.generation != generation {
            slot.txn = None;
            match tree.begin_read() {
                Ok(txn) => slot.txn = Some(txn),
                Err(error) => {
                    drop(slot);
                    self.free.lock().push(reader);
                    return Err(error);
                }
            }
            slot.generation = generation;
        }
        slot.lent = Some(Instant::now());
        drop(slot);
        Ok(reader)
    }

    fn another(&self) -> Result<Arc<Reader>> {
        let mut all = self.all.lock();
        if all.len() >= LENT_MAX {
            return Err(Error::new(code::PROCESS_BEHIND));
        }
        let reader = Arc::new(Reader(Mutex::new(Slot::default())));
        all.push(Arc::clone(&reader));
        Ok(reader)
    }

    pub(crate) fn give_back(&self, reader: Arc<Reader>) {
        reader.0.lock().lent = None;
        self.free.lock().push(reader);
    }

    /// Ends the read transactions that are too old, and the unused ones of an earlier state.
    pub(crate) fn sweep(&self, generation: u64) {
        for reader in self.all.lock().iter() {
            // One that is being read from is looked at next time.
            let Some(mut slot) = reader.0.try_lock() else { continue };
            let stale = match slot.lent {
                Some(since) => since.elapsed() > MAX_AGE,
                None => slot.generation != generation,
            };
            if stale {
                slot.txn = None;
            }
        }
    }

    /// Ends all read transactions.
    pub(crate) fn close(&self) {
        for reader in self.all.lock().iter() {
            reader.close();
        }
    }
}
