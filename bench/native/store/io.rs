//! The file system of the commit log with counters: what a commit writes, and what a flush costs.

use std::ffi::OsString;
use std::io::Result;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use kronotop_segment::{File, Io, RealIo};

/// What was written since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    writes: AtomicU64,
    bytes: AtomicU64,
    flushes: AtomicU64,
    flush_nanos: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    pub(crate) writes: u64,
    pub(crate) bytes: u64,
    pub(crate) flushes: u64,
    pub(crate) flush_nanos: u64,
}

impl Counters {
    pub(crate) fn now(&self) -> Written {
        Written {
            writes: self.writes.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            flushes: self.flushes.load(Relaxed),
            flush_nanos: self.flush_nanos.load(Relaxed),
        }
    }
}

/// See the module's header.
#[derive(Debug, Default)]
pub(crate) struct CountingIo(pub(crate) Arc<Counters>);

impl Io for CountingIo {
    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        Ok(Box::new(CountingFile(RealIo.create(path)?, Arc::clone(&self.0))))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn File>> {
        Ok(Box::new(CountingFile(RealIo.open(path)?, Arc::clone(&self.0))))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        RealIo.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        RealIo.rename(from, to)
    }

    fn create_dir_all(&self, path: &Path) -> Result<()> {
        RealIo.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        RealIo.sync_dir(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        RealIo.list(path)
    }
}

#[derive(Debug)]
struct CountingFile(Box<dyn File>, Arc<Counters>);

impl File for CountingFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.1.writes.fetch_add(1, Relaxed);
        self.1.bytes.fetch_add(bytes.len() as u64, Relaxed);
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> Result<()> {
        let started = Instant::now();
        let outcome = self.0.sync_data();
        self.1.flushes.fetch_add(1, Relaxed);
        self.1.flush_nanos.fetch_add(started.elapsed().as_nanos() as u64, Relaxed);
        outcome
    }

    fn sync_all(&self) -> Result<()> {
        self.0.sync_all()
    }

    fn allocate(&self, offset: u64, length: u64) -> Result<()> {
        self.0.allocate(offset, length)
    }

    fn release(&self, offset: u64, length: u64) -> Result<()> {
        self.0.release(offset, length)
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> Result<u64> {
        self.0.len()
    }
}
