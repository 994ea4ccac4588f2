//! The file system as the storage engines see it: positional files and directory entries.
//!
//! Everything that writes durable bytes goes through [`Io`], so that tests can put a disk with
//! faults (`faulty::FaultyIo`, feature `testing`) under the very code that runs in production.
//!
//! ORDER: a new or removed name survives power loss only after [`Io::sync_dir`] of its directory;
//! bytes survive only after [`File::sync_data`].

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

/// An open file with positional access; shared between threads without a cursor.
#[expect(clippy::len_without_is_empty, reason = "a file has a length, emptiness means nothing")]
pub trait File: Send + Sync + fmt::Debug {
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before the buffer is full.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, extending the file when it ends earlier.
    ///
    /// # Errors
    /// After an error any part of the range may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the written bytes, and the metadata needed to read them, durable (`fdatasync`).
    ///
    /// # Errors
    /// After an error the unsynced bytes may be lost for good: a later success proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes bytes and all metadata durable (`fsync`).
    ///
    /// # Errors
    /// As for [`File::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// Reserves blocks for a range without changing content or length. Does nothing on file
    /// systems that cannot reserve.
    ///
    /// # Errors
    /// `StorageFull` when the disk has no room; the file is unharmed.
    fn allocate(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Gives the blocks of a range back; it reads as zeros and the length stays. Does nothing on
    /// file systems that cannot punch holes.
    ///
    /// # Errors
    /// Any error of the operating system.
    fn release(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Sets the file length; a longer file reads as zeros at its new end.
    ///
    /// # Errors
    /// Any error of the operating system.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// The file length in bytes.
    ///
    /// # Errors
    /// Any error of the operating system.
    fn len(&self) -> io::Result<u64>;
}

/// The directory operations of a file system.
pub trait Io: Send + Sync + fmt::Debug {
    /// Creates a new, empty file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Removes a file. An open [`File`] of it stays usable.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Renames a file, replacing the one that has the new name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Creates a directory and its missing parents, durable on return.
    ///
    /// # Errors
    /// Any error of the operating system.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, removals and renames in a directory durable.
    ///
    /// # Errors
    /// Any error of the operating system.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names of the regular files in a directory, in ascending order.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;
}

/// True when an operation failed for lack of space: nothing was damaged, later it may succeed.
#[must_use]
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealIo;

impl Io for RealIo {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if path.is_dir() {
            // Who made it may have been killed before it was durable. Those above it were durable
            // before it was made.
            return match self.sync_dir(parent) {
                // We have not made it then.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                synced => synced,
            };
        }
        self.create_dir_all(parent)?;
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.sync_dir(parent)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name());
            }
        }
        names.sort();
        Ok(names)
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl RealFile {
    fn fallocate(&self, flags: FallocateFlags, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.0, flags, offset, length) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl File for RealFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(&self.0, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(&self.0, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        self.fallocate(FallocateFlags::KEEP_SIZE, offset, length)
    }

    fn release(&self, offset: u64, length: u64) -> io::Result<()> {
        self.fallocate(FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE, offset, length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
