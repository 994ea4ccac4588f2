//! The lock on a member's data directory.

use std::fs::{File, OpenOptions};
use std::path::Path;

use napi_derive::napi;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Result, io_error, locked};

/// An exclusive lock on a file, held until it is released or the process ends, however it ends.
#[napi]
pub struct FileLock {
    file: Mutex<Option<File>>,
}

#[napi]
impl FileLock {
    /// Takes the lock at once, creating the file when missing.
    /// @throws LOCKED when another process holds it, IO
    #[napi(factory, catch_unwind)]
    pub fn acquire(path: String) -> Result<Self> {
        let path = Path::new(&path);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = opened.map_err(|cause| io_error(&cause))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { file: Mutex::new(Some(file)) }),
            Err(Errno::WOULDBLOCK) => Err(locked(path)),
            Err(errno) => Err(io_error(&errno.into())),
        }
    }

    /// Gives the lock back. Idempotent.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        self.file.lock().take();
    }
}
