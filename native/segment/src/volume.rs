//! A volume: the segments of one shard in one directory.
//!
//! ```text
//! <directory>/0000000000000000000   sealed: full, trimmed to its tail, read only
//! <directory>/0000000000000000001   active: |--- entries ---|--- reserved ---|--- no blocks ---|
//!                                                          tail                      segment size
//! ```
//!
//! There is one writer. Positions are handed out and written under one lock, so bytes lie in the
//! order of the appends. What is registered, and up to where bytes count, is the caller's
//! metadata: bytes past the tail given to [`Volume::activate`] are overwritten.
//!
//! Lock order: `writer`, then `segments` or the flush state.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::ENTRY_LIMIT_BYTES;
use crate::error::{Error, Result};
use crate::file::PreallocatedFile;
use crate::flush::GroupFlush;
use crate::io::Io;
use crate::read::{self, Target};
use crate::segment::{Segment, file_name, parse_file_name};

/// The largest segment: positions are 32 bits.
pub const SEGMENT_SIZE_LIMIT_BYTES: u64 = 1 << 32;

/// Where an entry is, and how to tell that it is intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The segment's id.
    pub segment: u32,
    /// Byte offset in the segment.
    pub position: u32,
    /// Length in bytes, at least 1.
    pub length: u32,
    /// CRC-32C of the bytes.
    pub crc32c: u32,
}

/// How a volume lays out its files.
#[derive(Debug, Clone, Copy)]
pub struct VolumeOptions {
    /// Length of a segment file in bytes, 1..=4 GiB.
    pub segment_size: u64,
    /// Blocks are reserved in steps of this many bytes, at least 1.
    pub preallocate_bytes: u64,
}

/// See the module's header. All methods may be called from any thread.
#[derive(Debug)]
pub struct Volume {
    io: Arc<dyn Io>,
    directory: PathBuf,
    options: VolumeOptions,
    writer: Mutex<Option<Writer>>,
    /// `None` once the volume is closed.
    segments: RwLock<Option<BTreeMap<u32, Arc<Segment>>>>,
    flush: GroupFlush,
}

#[derive(Debug)]
struct Writer {
    segment: Arc<Segment>,
    tail: u64,
}

impl Volume {
    /// Opens a volume, creating its directory when missing. No segment is open yet.
    ///
    /// # Errors
    /// [`Error::InvalidSegmentSize`], [`Error::Io`].
    pub fn open(io: Arc<dyn Io>, directory: &Path, options: VolumeOptions) -> Result<Self> {
        if options.segment_size == 0 || options.segment_size > SEGMENT_SIZE_LIMIT_BYTES {
            return Err(Error::InvalidSegmentSize);
        }
        io.create_dir_all(directory)?;
        Ok(Self {
            io,
            directory: directory.to_path_buf(),
            options,
            writer: Mutex::new(None),
            segments: RwLock::new(Some(BTreeMap::new())),
            flush: GroupFlush::default(),
        })
    }

    /// The ids of the segment files in the directory, ascending; other names are passed over.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(&self) -> Result<Vec<u32>> {
        let names = self.io.list(&self.directory)?;
        Ok(names.iter().filter_map(|name| parse_file_name(name.to_str()?)).collect())
    }

    /// Where the file of a segment is, or would be.
    #[must_use]
    pub fn path(&self, id: u32) -> PathBuf {
        self.directory.join(file_name(id))
    }

    /// Creates a segment and opens it; its length and name are durable on return. A file that a
    /// crash left behind before its registration is reused, and an open segment is kept.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`], [`Error::Closed`], [`Error::Io`].
    pub fn create_segment(&self, id: u32) -> Result<()> {
        if self.segment(id)?.is_some() {
            return Ok(());
        }
        let VolumeOptions { segment_size, preallocate_bytes } = self.options;
        let path = self.path(id);
        match PreallocatedFile::create(self.io.as_ref(), &path, segment_size, preallocate_bytes) {
            Ok(file) => self.insert(Segment::new(id, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.open_segment(id)?;
                // The crash may have come before the name was durable.
                Ok(self.io.sync_dir(&self.directory)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a registered segment and returns the length in bytes that its file had. A shorter
    /// file than the segment size is lengthened; compare the result with the tail to find loss.
    ///
    /// # Errors
    /// [`Error::MissingFile`], [`Error::Closed`], [`Error::Io`].
    pub fn open_segment(&self, id: u32) -> Result<u64> {
        if let Some(segment) = self.segment(id)? {
            return Ok(segment.file.len());
        }
        let VolumeOptions { segment_size, preallocate_bytes } = self.options;
        let opened = PreallocatedFile::open_extended(
            self.io.as_ref(),
            &self.path(id),
            segment_size,
            preallocate_bytes,
        );
        let (file, found) = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::MissingFile(id),
            _ => error.into(),
        })?;
        self.insert(Segment::new(id, file))?;
        Ok(found)
    }

    /// Directs appends to an open segment, from `tail` on. The one that was active is sealed and
    /// trimmed; what it has unsynced stays part of the next flush. Activating the active segment
    /// again may move its tail forward, never back.
    ///
    /// # Errors
    /// [`Error::UnknownSegment`], [`Error::InvalidTail`], [`Error::Sealed`] for a segment older
    /// than the active one, [`Error::Poisoned`], [`Error::Closed`]. [`Error::Io`] when the old
    /// segment could not be trimmed: the new one is active nevertheless.
    pub fn activate(&self, id: u32, tail: u64) -> Result<()> {
        let mut writer = self.writer.lock();
        let segment = self.segment(id)?.ok_or(Error::UnknownSegment(id))?;
        self.flush.check_segment(id)?;
        if tail > segment.file.len().min(SEGMENT_SIZE_LIMIT_BYTES) {
            return Err(Error::InvalidTail);
        }
        if let Some(active) = writer.as_mut().filter(|active| active.segment.id >= id) {
            if active.segment.id > id {
                return Err(Error::Sealed(id));
            }
            active.tail = active.tail.max(tail);
            segment.written(active.tail);
            return Ok(());
        }
        segment.begin_writes(tail);
        if let Some(sealed) = writer.replace(Writer { segment, tail }) {
            sealed.segment.file.trim(sealed.tail)?;
        }
        Ok(())
    }

    /// Writes entries, given back to back, to the active segment; not yet flushed on return.
    ///
    /// `lengths` has one length per entry, each 1 B to min(16 MiB, segment size), and adds up to
    /// `bytes`. Returns the locations of the entries that fit, in order: when there are fewer
    /// than given, activate the next segment and append the rest.
    ///
    /// # Errors
    /// [`Error::InvalidEntries`] and [`Error::EntryTooLarge`] before anything is written;
    /// [`Error::SegmentFull`] when not even the first entry fits; [`Error::OutOfSpace`] without
    /// effect; [`Error::NoActiveSegment`], [`Error::Closed`]. [`Error::Poisoned`] for this and
    /// every later append to the segment when the write fails.
    pub fn append(&self, bytes: &[u8], lengths: &[u32]) -> Result<Vec<Location>> {
        self.check_entries(bytes, lengths)?;
        let mut guard = self.writer.lock();
        if self.segments.read().is_none() {
            return Err(Error::Closed);
        }
        let writer = guard.as_mut().ok_or(Error::NoActiveSegment)?;
        let id = writer.segment.id;
        self.flush.check_segment(id)?;

        let room = writer.segment.file.len().min(SEGMENT_SIZE_LIMIT_BYTES) - writer.tail;
        let mut locations = Vec::with_capacity(lengths.len());
        let mut taken = 0;
        for &length in lengths {
            let end = taken + u64::from(length);
            if end > room {
                break;
            }
            let body = bytes.get(taken as usize..end as usize).ok_or(Error::InvalidEntries)?;
            let position = u32::try_from(writer.tail + taken).map_err(|_| Error::SegmentFull)?;
            let crc32c = crc32c::crc32c(body);
            locations.push(Location { segment: id, position, length, crc32c });
            taken = end;
        }
        if locations.is_empty() {
            return if lengths.is_empty() { Ok(locations) } else { Err(Error::SegmentFull) };
        }
        writer.segment.file.ensure_reserved(writer.tail + taken)?;
        let written = bytes.get(..taken as usize).ok_or(Error::InvalidEntries)?;
        if let Err(error) = writer.segment.file.write_all_at(writer.tail, written) {
            return Err(self.flush.poison(id, error.kind()));
        }
        writer.tail += taken;
        writer.segment.written(writer.tail);
        self.flush.appended(&writer.segment);
        Ok(locations)
    }

    fn check_entries(&self, bytes: &[u8], lengths: &[u32]) -> Result<()> {
        let limit = ENTRY_LIMIT_BYTES.min(self.options.segment_size);
        let mut total = 0;
        for &length in lengths {
            if length == 0 {
                return Err(Error::InvalidEntries);
            }
            if u64::from(length) > limit {
                return Err(Error::EntryTooLarge { limit });
            }
            total += u64::from(length);
        }
        if total == bytes.len() as u64 { Ok(()) } else { Err(Error::InvalidEntries) }
    }

    /// Makes all bytes appended before the call durable, those of sealed segments too. Callers
    /// at the same time share one sync; without unsynced bytes there is none. Blocks.
    ///
    /// # Errors
    /// [`Error::Poisoned`] when a sync or write of any segment of this volume has failed, now or
    /// earlier: what was unsynced then may be lost.
    pub fn flush(&self) -> Result<()> {
        self.flush.flush()
    }

    /// True when [`Volume::flush`] would have something to do or to report.
    #[must_use]
    pub fn needs_flush(&self) -> bool {
        self.flush.is_needed()
    }

    /// The active segment and its tail.
    #[must_use]
    pub fn tail(&self) -> Option<(u32, u64)> {
        self.writer.lock().as_ref().map(|writer| (writer.segment.id, writer.tail))
    }

    /// Reads entries and appends their bytes to `output`, in the order of the locations.
    ///
    /// # Errors
    /// [`Error::UnknownSegment`], [`Error::OutOfBounds`], [`Error::Corrupted`] with the index of
    /// the location, [`Error::Closed`], [`Error::Io`]. `output` is then as before.
    pub fn read(&self, locations: &[Location], output: &mut Vec<u8>) -> Result<()> {
        let base = output.len();
        let result = self.read_to_end(locations, output);
        if result.is_err() {
            output.truncate(base);
        }
        result
    }

    fn read_to_end(&self, locations: &[Location], output: &mut Vec<u8>) -> Result<()> {
        let mut segments: BTreeMap<u32, Arc<Segment>> = BTreeMap::new();
        let mut targets = Vec::with_capacity(locations.len());
        let mut start = output.len();
        for (index, &location) in locations.iter().enumerate() {
            let id = location.segment;
            let size = if let Some(segment) = segments.get(&id) {
                segment.file.len()
            } else {
                let segment = self.segment(id)?.ok_or(Error::UnknownSegment(id))?;
                let size = segment.file.len();
                segments.insert(id, segment);
                size
            };
            read::check_bounds(index, &location, size)?;
            targets.push(Target { index, start, location });
            start += location.length as usize;
        }
        targets.sort_unstable_by_key(|target| (target.location.segment, target.location.position));
        output.resize(start, 0);
        let mut scratch = Vec::new();
        for run in targets.chunk_by(|left, right| left.location.segment == right.location.segment) {
            let id = run.first().map_or(0, |target| target.location.segment);
            let segment = segments.get(&id).ok_or(Error::UnknownSegment(id))?;
            read::read_sorted(segment, run, output, &mut scratch)?;
        }
        Ok(())
    }

    /// The length of an open segment's file in bytes.
    ///
    /// # Errors
    /// [`Error::UnknownSegment`], [`Error::Closed`].
    pub fn file_size(&self, id: u32) -> Result<u64> {
        Ok(self.segment(id)?.ok_or(Error::UnknownSegment(id))?.file.len())
    }

    /// Removes a segment's file, durably. Reads that have begun still end well.
    ///
    /// # Errors
    /// [`Error::Active`], [`Error::MissingFile`], [`Error::Closed`], [`Error::Io`].
    pub fn remove_segment(&self, id: u32) -> Result<()> {
        let writer = self.writer.lock();
        if writer.as_ref().is_some_and(|writer| writer.segment.id == id) {
            return Err(Error::Active(id));
        }
        self.segments.write().as_mut().ok_or(Error::Closed)?.remove(&id);
        self.flush.forget(id);
        self.io.remove(&self.path(id)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::MissingFile(id),
            _ => error.into(),
        })?;
        Ok(self.io.sync_dir(&self.directory)?)
    }

    /// Closes the files once the operations that run have ended; later ones fail with
    /// [`Error::Closed`]. Unsynced bytes are not flushed.
    pub fn close(&self) {
        let mut writer = self.writer.lock();
        *self.segments.write() = None;
        *writer = None;
    }

    fn segment(&self, id: u32) -> Result<Option<Arc<Segment>>> {
        let segments = self.segments.read();
        Ok(segments.as_ref().ok_or(Error::Closed)?.get(&id).cloned())
    }

    fn insert(&self, segment: Segment) -> Result<()> {
        let mut segments = self.segments.write();
        // ORDER: of two threads that open one segment the first wins, so that it has one file.
        let segments = segments.as_mut().ok_or(Error::Closed)?;
        segments.entry(segment.id).or_insert_with(|| Arc::new(segment));
        Ok(())
    }
}
