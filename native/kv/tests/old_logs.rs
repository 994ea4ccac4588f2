//! Trouble with log files that are no longer needed costs no commit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kronotop_kv::Options;
use kronotop_segment::{File, Io, RealIo};
use support::{open, range, small, write};

/// Real files, of which none that exists can be opened while the process is out of them.
#[derive(Debug, Default)]
struct FewFiles {
    exhausted: AtomicBool,
}

impl FewFiles {
    fn check(&self) -> io::Result<()> {
        match self.exhausted.load(Ordering::Relaxed) {
            true => Err(io::Error::other("too many open files")),
            false => Ok(()),
        }
    }
}

impl Io for FewFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        RealIo.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.check()?;
        RealIo.open(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealIo.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealIo.rename(from, to)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealIo.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Creating a file syncs its directory too; this is about the old files only.
        RealIo.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        RealIo.list(path)
    }
}

#[test]
fn a_process_out_of_files_goes_on_committing() {
    let dir = tempfile::tempdir().unwrap();
    let io = Arc::new(FewFiles::default());
    let options = || Options {
        io: Arc::<FewFiles>::clone(&io),
        overlay_bytes: 4_000,
        log_file_bytes: 9_000,
        ..small()
    };
    let store = open(dir.path(), options());
    for id in 0..300_u32 {
        io.exhausted.store((100..200).contains(&id), Ordering::Relaxed);
        write(&store, &id.to_be_bytes(), &[1; 100]);
    }
    store.close().unwrap();
    drop(store);
    let store = open(dir.path(), options());
    assert_eq!(range(&mut store.transaction(), b"", b"\xff").unwrap().len(), 300);
}
