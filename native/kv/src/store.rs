//! Opening and closing a store directory.
//!
//! ```text
//! lock        held exclusively while the store is open
//! tree/       LMDB: data.mdb, lock.mdb
//! log/        commit log files; none after a clean close
//! ```

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use kronotop_segment::{Io, RealIo};
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};

use crate::applier::Applier;
use crate::committer::Committer;
use crate::error::{Error, Result, code};
use crate::faults::Faults;
use crate::log::{LogFiles, Recovered, recover};
use crate::options::Options;
use crate::shared::Shared;
use crate::transaction::Transaction;
use crate::tree::{Meta, Tree};

/// An open store. Clones are the same store; the last one closes it when dropped. A transaction
/// does not keep the store open.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    threads: Vec<JoinHandle<()>>,
    _lock: File,
}

impl Store {
    /// Opens the store in `dir`, making it when there is none, and recovers what the last run left
    /// in the log.
    ///
    /// # Errors
    /// 1510 when another process has it open or the disk fails, 1522 when its files are damaged or
    /// of another format version; the message names the directory or file.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let (tree_dir, log_dir) = (dir.join("tree"), dir.join("log"));
        RealIo.create_dir_all(&tree_dir).map_err(|e| Error::io(tree_dir.display(), &e))?;
        options.io.create_dir_all(&log_dir).map_err(|e| Error::io(log_dir.display(), &e))?;
        let lock = take_lock(dir)?;
        let store_id = RandomState::new().hash_one(std::process::id());
        let fresh = Meta { store_id, applied_version: 0, applied_frame: 0 };
        let (tree, meta) = Tree::open(&tree_dir, options.map_bytes, fresh)?;
        // LMDB syncs its file, not the name of it: without that the log would be an orphan's.
        RealIo.sync_dir(&tree_dir).map_err(|e| Error::io(tree_dir.display(), &e))?;
        let Recovered { meta, job, next_log_id } = recover(&options, &log_dir, &tree, meta)?;
        let applied = (meta.applied_version, meta.applied_frame);
        let last = job.as_ref().map_or(applied, |job| (job.last_version, job.last_frame));
        let logs = LogFiles::new(&options, log_dir, meta.store_id, next_log_id);
        let shared = Arc::new(Shared::new(options, tree, logs, last.0));
        if let Some(job) = job {
            shared.begin_with(job);
        }
        let committer = Committer::new(Arc::clone(&shared), last.1);
        let applier = Applier::new(Arc::clone(&shared), meta);
        let threads = vec![
            spawn("kv-commit", move || committer.run())?,
            spawn("kv-apply", move || applier.run())?,
        ];
        let running = Mutex::new(Some(Running { threads, _lock: lock }));
        Ok(Self(Arc::new(Inner { shared, running })))
    }

    /// A new transaction.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction::new(Arc::clone(&self.0.shared))
    }

    /// Turns the fault mode on, to other faults, or off, for the attempts of transactions that
    /// begin from now on. For tests.
    pub fn set_faults(&self, faults: Option<Faults>) {
        self.0.shared.faults.set(faults);
    }

    /// Changes how many watches may be set at a time, for all clones; those that are set stay.
    pub fn set_watch_limit(&self, limit: usize) {
        self.0.shared.watches.set_limit(limit);
    }

    /// Closes the store for all clones: commits that wait are finished, later calls answer 1101,
    /// reads of open transactions 1007. Does nothing when it is closed already.
    ///
    /// # Errors
    /// What ended the commits, when the store had failed before.
    pub fn close(&self) -> Result<()> {
        self.0.close()
    }
}

impl Inner {
    fn close(&self) -> Result<()> {
        let Some(running) = self.running.lock().take() else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        shared.queue.lock().closed = true;
        shared.queue_changed.notify_all();
        let here = thread::current().id();
        if running.threads.iter().all(|thread| thread.thread().id() != here) {
            return running.finish(&shared);
        }
        // The last clone was dropped inside a call-back: its thread cannot wait for itself.
        spawn("kv-close", move || drop(running.finish(&shared))).map(drop)
    }
}

impl Running {
    /// Waits for the threads, then lets go of the directory.
    fn finish(self, shared: &Shared) -> Result<()> {
        let wait_for = |thread: JoinHandle<()>| {
            if thread.join().is_err() {
                shared.poison(Error::with_message(code::OPERATION_FAILED, "a store thread failed"));
            }
        };
        self.threads.into_iter().for_each(wait_for);
        // ORDER: the committer's last answers may be late ones.
        shared.late.stop().into_iter().for_each(wait_for);
        shared.end_reads();
        shared.watches.end_all(&Error::new(code::OPERATION_CANCELLED));
        shared.check_healthy()?;
        shared.logs.remove_spare().map_err(|e| Error::io("cannot remove the spare log", &e))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to tell; what was acknowledged is in the log and found at the next open.
        drop(self.close());
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|e| Error::io("cannot start a thread", &e))
}

fn take_lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(|e| Error::io(path.display(), &e))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
        rustix::io::Errno::WOULDBLOCK => Error::with_message(
            code::IO_ERROR,
            format!("the store in {} is already open, here or in another process", dir.display()),
        ),
        other => Error::io(path.display(), &other),
    })?;
    Ok(lock)
}
