//! The process that owns a store: it alone has the files open, and serves the others.
//!
//! ```text
//! lock        held exclusively by the owner; holds its process id
//! socket      where the owner serves the other processes
//! tree/       LMDB: data.mdb, lock.mdb
//! log/        commit log files; none after a clean close
//! ```

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use kronotop_segment::{Io, RealIo};
use rustix::fs::{FlockOperation, flock};

use crate::applier::Applier;
use crate::committer::Committer;
use crate::error::{Error, Result, code};
use crate::log::{LogFiles, Recovered, recover};
use crate::options::Options;
use crate::peers::Server;
use crate::shared::Shared;
use crate::threads::spawn;
use crate::tree::{Meta, Tree};

/// The right to own a store: ends with the process, whatever ends that.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store in `dir`; `None` when a process has it.
    ///
    /// # Errors
    /// 1510 when the file cannot be made or locked.
    pub(crate) fn try_take(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("lock");
        let failed = |error: &dyn std::fmt::Display| Error::io(path.display(), error);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let mut file = file.map_err(|e| failed(&e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        }
        let note = format!("{}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(note.as_bytes())).map_err(|e| failed(&e))?;
        Ok(Some(Self { _file: file }))
    }
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Owner {
    shared: Arc<Shared>,
    server: Server,
    threads: Vec<JoinHandle<()>>,
    lock: Lock,
}

impl Owner {
    /// Opens the store in `dir`, making it when there is none, recovers what the last owner left
    /// in the log, and starts to serve.
    ///
    /// # Errors
    /// 1510 when the disk fails, 1522 when the files are damaged or of another format version; the
    /// message names the directory or file.
    pub(crate) fn open(dir: &Path, options: Options, lock: Lock) -> Result<Self> {
        let (tree_dir, log_dir) = (dir.join("tree"), dir.join("log"));
        RealIo.create_dir_all(&tree_dir).map_err(|e| Error::io(tree_dir.display(), &e))?;
        options.io.create_dir_all(&log_dir).map_err(|e| Error::io(log_dir.display(), &e))?;
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
        match Server::start(dir, &shared) {
            Ok(server) => Ok(Self { shared, server, threads, lock }),
            Err(error) => {
                end_commits(&shared);
                wait_for(threads, &shared);
                shared.end_reads();
                Err(error)
            }
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Finishes the commits that wait, answers the followers, and lets go of the directory.
    ///
    /// # Errors
    /// What ended the commits, when the store had failed before.
    pub(crate) fn close(self) -> Result<()> {
        let Self { shared, server, threads, lock } = self;
        let stopped = server.stop();
        end_commits(&shared);
        wait_for(threads, &shared);
        server.finish();
        shared.end_reads();
        shared.watches.end_all(&Error::new(code::OPERATION_CANCELLED));
        shared.check_healthy()?;
        let spare = shared.logs.remove_spare();
        drop(lock);
        spare.map_err(|e| Error::io("cannot remove the spare log", &e))?;
        stopped
    }

    /// True when the call comes from a thread that `close` would wait for.
    pub(crate) fn runs_on(&self, thread: std::thread::ThreadId) -> bool {
        self.threads.iter().any(|own| own.thread().id() == thread)
    }
}

fn end_commits(shared: &Shared) {
    shared.queue.lock().closed = true;
    shared.queue_changed.notify_all();
}

fn wait_for(threads: Vec<JoinHandle<()>>, shared: &Shared) {
    for thread in threads {
        if thread.join().is_err() {
            shared.poison(Error::with_message(code::OPERATION_FAILED, "a store thread failed"));
        }
    }
}
