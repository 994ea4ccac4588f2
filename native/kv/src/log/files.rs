//! Creating, writing and dropping log files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kronotop_segment::{Io, PreallocatedFile};
use parking_lot::Mutex;

use super::frame::{FileHeader, FrameInfo, GroupEncoder, HEADER_SIZE};
use crate::error::{Error, Result};
use crate::options::Options;

/// The log directory of one store.
#[derive(Debug)]
pub(crate) struct LogFiles {
    io: Arc<dyn Io>,
    dir: PathBuf,
    store_id: u64,
    file_bytes: u64,
    reserve_bytes: u64,
    /// Ids name files and tell frames of one life of a file from those of an earlier one.
    next_id: AtomicU64,
    /// A file ready to be written to.
    spare: Mutex<Option<LogFile>>,
}

/// A file with its header written and durable.
#[derive(Debug)]
pub(crate) struct LogFile {
    id: u64,
    file: PreallocatedFile,
}

impl LogFile {
    /// A file that an earlier run left.
    pub(super) fn open(options: &Options, path: &Path, id: u64) -> io::Result<Self> {
        let file = PreallocatedFile::open(&*options.io, path, options.log_reserve_bytes)?;
        Ok(Self { id, file })
    }
}

impl LogFiles {
    pub(crate) fn new(options: &Options, dir: PathBuf, store_id: u64, next_id: u64) -> Self {
        Self {
            io: Arc::clone(&options.io),
            dir,
            store_id,
            file_bytes: options.log_file_bytes,
            reserve_bytes: options.log_reserve_bytes,
            next_id: AtomicU64::new(next_id),
            spare: Mutex::new(None),
        }
    }

    /// A file with room for at least one frame of `frame_len` bytes.
    fn take(&self, frame_len: u64) -> io::Result<LogFile> {
        let needed = HEADER_SIZE as u64 + frame_len;
        let mut spare = self.spare.lock();
        if let Some(ready) = spare.take_if(|ready| ready.file.len() >= needed) {
            return Ok(ready);
        }
        drop(spare);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let path = path_of(&self.dir, id);
        let size = needed.max(self.file_bytes);
        let file = PreallocatedFile::create(&*self.io, &path, size, self.reserve_bytes)?;
        self.start(id, file)
    }

    fn start(&self, id: u64, file: PreallocatedFile) -> io::Result<LogFile> {
        let header = FileHeader { store_id: self.store_id, log_id: id };
        file.write_all_at(0, &header.encode())?;
        file.sync()?;
        Ok(LogFile { id, file })
    }

    /// Gives files back whose commits are all in the tree: one becomes the spare, the others go.
    /// Trouble with that, such as too many open files, costs no commit: recovery skips frames that
    /// the tree has, and removes what is left over.
    pub(crate) fn retire(&self, files: Vec<LogFile>) {
        for old in files {
            let path = old.file.path().to_path_buf();
            let recyclable = old.file.len() == self.file_bytes && self.spare.lock().is_none();
            drop(old);
            if !recyclable || self.recycle(&path).is_err() {
                drop(self.io.remove(&path));
            }
        }
        drop(self.io.sync_dir(&self.dir));
    }

    /// Makes a retired file the spare.
    fn recycle(&self, old: &Path) -> io::Result<()> {
        // The blocks stay: writing over them later needs no metadata in the flush.
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let path = path_of(&self.dir, id);
        self.io.rename(old, &path)?;
        let opened = PreallocatedFile::open(&*self.io, &path, self.reserve_bytes);
        let ready = opened.and_then(|file| self.start(id, file));
        match ready {
            Ok(ready) => *self.spare.lock() = Some(ready),
            Err(_) => self.io.remove(&path)?,
        }
        Ok(())
    }

    /// Removes the spare; the store closes.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub(crate) fn remove_spare(&self) -> io::Result<()> {
        match self.spare.lock().take() {
            Some(spare) => self.io.remove(spare.file.path()),
            None => Ok(()),
        }
    }
}

pub(super) fn path_of(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016x}.log"))
}

/// Appends frames; used by the committer alone.
#[derive(Debug)]
pub(crate) struct LogWriter {
    current: Option<LogFile>,
    position: u64,
    /// Files before `current` with commits that are not frozen yet.
    full: Vec<LogFile>,
    last_frame: u64,
}

impl LogWriter {
    /// A writer whose next frame follows `last_frame`.
    pub(crate) fn new(last_frame: u64) -> Self {
        Self { current: None, position: 0, full: Vec::new(), last_frame }
    }

    /// Number of the last durable frame.
    pub(crate) fn last_frame(&self) -> u64 {
        self.last_frame
    }

    /// Gets a place for the group's frame.
    ///
    /// # Errors
    /// When there is no room: nothing was written, and a later call may succeed.
    pub(crate) fn reserve(&mut self, files: &LogFiles, group: &GroupEncoder) -> Result<()> {
        let frame_len = group.frame_len() as u64;
        let fits = |log: &LogFile| self.position + frame_len <= log.file.len();
        if !self.current.as_ref().is_some_and(fits) {
            let next = files.take(frame_len).map_err(|e| Error::io("no commit log file", &e))?;
            self.full.extend(self.current.replace(next));
            self.position = HEADER_SIZE as u64;
        }
        let Some(log) = &self.current else { return Ok(()) };
        let reserved = log.file.ensure_reserved(self.position + frame_len);
        reserved.map_err(|e| Error::io("no room for the commit log", &e))
    }

    /// Writes the group's frame where `reserve` made room, and makes it durable.
    ///
    /// # Errors
    /// When it is unknown what is durable.
    pub(crate) fn append(
        &mut self,
        files: &LogFiles,
        group: &mut GroupEncoder,
        last_version: i64,
    ) -> Result<()> {
        let Some(log) = &self.current else {
            return Err(Error::io("no commit log file", &"nothing reserved"));
        };
        let number = self.last_frame + 1;
        let info = FrameInfo { log_id: log.id, number, durable: self.last_frame, last_version };
        let frame = group.finish(files.store_id, info);
        log.file
            .write_all_at(self.position, frame)
            .and_then(|()| log.file.sync())
            .map_err(|e| Error::io("the commit log cannot be written", &e))?;
        self.position += frame.len() as u64;
        self.last_frame = number;
        Ok(())
    }

    /// Takes the files written so far; the next frame goes to another one.
    pub(crate) fn take_files(&mut self) -> Vec<LogFile> {
        let mut files = std::mem::take(&mut self.full);
        files.extend(self.current.take());
        files
    }
}
