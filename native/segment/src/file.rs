//! A file of fixed length whose blocks are reserved ahead of the writer, in steps.
//!
//! ```text
//! 0              written            reserved                     len
//! |--- data -----|--- blocks held --|--- no blocks, reads as 0 ---|
//! ```
//!
//! INVARIANT: a write that `ensure_reserved` has covered does not fail for lack of space, on file
//! systems that can reserve. The length is set at creation and never shrinks.

use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::io::{File, Io};

/// See the module's header. All methods may be called from any thread.
#[derive(Debug)]
pub struct PreallocatedFile {
    path: PathBuf,
    file: Box<dyn File>,
    len: u64,
    reserve_step: u64,
    /// End of the blocks known to be held. The lock is held while blocks are being reserved.
    reserved: Mutex<u64>,
}

#[expect(clippy::len_without_is_empty, reason = "the length is fixed, emptiness means nothing")]
impl PreallocatedFile {
    /// Creates the file with its full length and the first step of blocks; the file and its name
    /// are durable on return.
    ///
    /// `reserve_step` is in bytes, at least 1.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken; `StorageFull` when the first step does not fit.
    /// After an error other than `AlreadyExists` no file is left behind.
    pub fn create(io: &dyn Io, path: &Path, size: u64, reserve_step: u64) -> io::Result<Self> {
        let file = io.create(path)?;
        let created = Self::assemble(path, file, size, reserve_step);
        let prepared = created.prepare(io);
        if let Err(error) = prepared {
            // The first error is the one to report; a name left behind is found at the next open.
            drop(io.remove(path));
            return Err(error);
        }
        Ok(created)
    }

    /// Opens an existing file with the length that it has.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn open(io: &dyn Io, path: &Path, reserve_step: u64) -> io::Result<Self> {
        let file = io.open(path)?;
        let len = file.len()?;
        Ok(Self::assemble(path, file, len, reserve_step))
    }

    /// Opens an existing file, lengthens it to `size` when it is shorter, and returns the length
    /// that it had.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn open_extended(
        io: &dyn Io,
        path: &Path,
        size: u64,
        reserve_step: u64,
    ) -> io::Result<(Self, u64)> {
        let file = io.open(path)?;
        let len = file.len()?;
        if len < size {
            file.set_len(size)?;
            file.sync_all()?;
        }
        Ok((Self::assemble(path, file, len.max(size), reserve_step), len))
    }

    fn assemble(path: &Path, file: Box<dyn File>, len: u64, reserve_step: u64) -> Self {
        let path = path.to_path_buf();
        Self { path, file, len, reserve_step: reserve_step.max(1), reserved: Mutex::new(0) }
    }

    fn prepare(&self, io: &dyn Io) -> io::Result<()> {
        self.file.set_len(self.len)?;
        self.ensure_reserved(self.len.min(1))?;
        self.file.sync_all()?;
        io.sync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }

    /// Reserves blocks so that `[0, end)` can be written, rounded up to whole steps.
    ///
    /// # Errors
    /// `InvalidInput` when `end` is past the length; `StorageFull` when the disk has no room for
    /// it: nothing has changed and a later call may succeed.
    pub fn ensure_reserved(&self, end: u64) -> io::Result<()> {
        if end > self.len {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "past the end of the file"));
        }
        let mut reserved = self.reserved.lock();
        if end <= *reserved {
            return Ok(());
        }
        let target = end.div_ceil(self.reserve_step).saturating_mul(self.reserve_step);
        let target = target.min(self.len);
        self.file.allocate(*reserved, target - *reserved)?;
        *reserved = target;
        Ok(())
    }

    /// Writes all of `bytes` at `offset`; the caller has reserved the range.
    ///
    /// # Errors
    /// `InvalidInput` when the range passes the length. After any other error any part of the
    /// range may have been written.
    pub fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset.saturating_add(bytes.len() as u64) > self.len {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "past the end of the file"));
        }
        self.file.write_all_at(bytes, offset)
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before the buffer is full.
    pub fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Makes the written bytes durable (`fdatasync`).
    ///
    /// # Errors
    /// After an error the unsynced bytes may be lost for good: a later success proves nothing.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives the blocks after `end` back. The length stays; the released part reads as zeros.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn trim(&self, end: u64) -> io::Result<()> {
        if end >= self.len {
            return Ok(());
        }
        let mut reserved = self.reserved.lock();
        self.file.release(end, self.len - end)?;
        *reserved = (*reserved).min(end);
        Ok(())
    }

    /// The file length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::RealIo;
    use crate::faulty::{FaultyIo, Loss};

    const PATH: &str = "/log";

    fn created(io: &FaultyIo) -> PreallocatedFile {
        PreallocatedFile::create(io, Path::new(PATH), 100, 30).unwrap()
    }

    #[test]
    fn has_its_full_length_durably_from_the_start() {
        let io = FaultyIo::new();
        created(&io);
        let file = PreallocatedFile::open(&io.crash(Loss::Unsynced), Path::new(PATH), 30).unwrap();
        assert_eq!(file.len(), 100);
        let mut bytes = [1; 100];
        file.read_exact_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 100]);
    }

    #[test]
    fn reserves_in_steps_up_to_the_length() {
        let io = FaultyIo::new();
        io.set_free_bytes(Some(100));
        let file = created(&io);
        let reserve = |end, free| {
            io.set_free_bytes(Some(free));
            file.ensure_reserved(end)
        };
        reserve(30, 0).unwrap();
        assert_eq!(reserve(31, 29).unwrap_err().kind(), io::ErrorKind::StorageFull);
        reserve(31, 30).unwrap();
        reserve(91, 40).unwrap();
        assert_eq!(reserve(101, 99).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn refuses_writes_past_the_length() {
        let file = created(&FaultyIo::new());
        file.write_all_at(97, b"abc").unwrap();
        let error = file.write_all_at(98, b"abc").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            file.write_all_at(u64::MAX, b"a").unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn leaves_nothing_behind_when_the_disk_is_full() {
        let io = FaultyIo::new();
        io.set_free_bytes(Some(29));
        let error = PreallocatedFile::create(&io, Path::new(PATH), 100, 30).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(io.list(Path::new("/")).unwrap().is_empty());
    }

    #[test]
    fn trim_releases_and_a_later_write_reserves_again() {
        let io = FaultyIo::new();
        io.set_free_bytes(Some(30));
        let file = created(&io);
        file.write_all_at(0, &[7; 20]).unwrap();
        file.trim(10).unwrap();
        let mut bytes = [1; 20];
        file.read_exact_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [[7; 10], [0; 10]].concat()[..]);
        assert_eq!(file.len(), 100);
        file.ensure_reserved(30).unwrap();
        assert!(file.ensure_reserved(31).is_err());
    }

    #[test]
    fn really_holds_blocks_on_a_real_file_system() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/log");
        RealIo.create_dir_all(path.parent().unwrap()).unwrap();
        let file = PreallocatedFile::create(&RealIo, &path, 64 << 20, 1 << 20).unwrap();
        let held = || std::fs::metadata(&path).unwrap().blocks() * 512;
        assert!((1 << 20..2 << 20).contains(&held()), "{}", held());
        file.ensure_reserved((1 << 20) + 1).unwrap();
        assert!((2 << 20..3 << 20).contains(&held()), "{}", held());
        file.write_all_at(0, b"x").unwrap();
        file.sync().unwrap();
        file.trim(1).unwrap();
        assert!(held() <= 64 << 10, "{}", held());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 64 << 20);
        let (_, found) = PreallocatedFile::open_extended(&RealIo, &path, 65 << 20, 1).unwrap();
        assert_eq!(found, 64 << 20);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 65 << 20);
    }
}
