//! Reading the log back after a crash.
//!
//! The commits found become the first frozen overlay: they are served at once and move to the tree
//! in the background, as all others do. Their files stay until then.
//!
//! ORDER: the last frame may not be durable, although it can be read: it is written again and
//! flushed before anything is served. Later frames will say that it is durable.
//!
//! All valid frames of all files are found, also behind damaged ones. A frame that is missing or
//! bad is corruption when a valid frame says that it was durable: the start stops. Otherwise it is
//! the torn tail of the last group, which nobody was told about: it is dropped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kronotop_segment::Io;

use super::LogFile;

use super::frame::{
    ALIGNMENT, FRAME_MAGIC, FileHeader, FrameInfo, HEADER_SIZE, Operation, decode_frame,
    read_payload,
};
use crate::applier::Job;
use crate::error::{Error, Result};
use crate::keys::Key;
use crate::merge::Committed;
use crate::options::Options;
use crate::overlay::Overlay;
use crate::tree::{Meta, Tree};
use crate::write_map::{NEWEST, WriteMap};

/// Recovered commits are held in memory up to this many times `Options::overlay_bytes`: more than
/// a store holds that runs, twice that size above the tree and twice on its way there.
const RECOVERED_OVERLAYS: usize = 6;

/// A valid frame: where it is and how long with padding.
#[derive(Debug)]
struct Found {
    info: FrameInfo,
    header: FileHeader,
    path: PathBuf,
    offset: usize,
    len: usize,
}

/// What a store begins with.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The tree's meta record.
    pub(crate) meta: Meta,
    /// The commits of the log that are not in the tree.
    pub(crate) job: Option<Job>,
    /// Above the ids of all files.
    pub(crate) next_log_id: u64,
}

/// Finds the logged commits that are not in the tree. The files are removed when there are none.
/// Moves the first of them to the tree when they are too many to be held in memory.
///
/// # Errors
/// 1522 when a durable frame is missing; any error of the disk or the tree.
pub(crate) fn recover(options: &Options, dir: &Path, tree: &Tree, meta: Meta) -> Result<Recovered> {
    let io = &*options.io;
    let paths = log_paths(io, dir)?;
    let mut frames = Vec::new();
    let mut next_log_id = 1;
    for (id, path) in &paths {
        next_log_id = next_log_id.max(id + 1);
        find_frames(io, path, FileHeader { store_id: meta.store_id, log_id: *id }, &mut frames)?;
    }
    frames.retain(|frame| frame.info.number > meta.applied_frame);
    frames.sort_by_key(|frame| frame.info.number);
    frames.truncate(check_sequence(&frames, meta.applied_frame, dir)?);
    let Some(last) = frames.last() else {
        for (_, path) in &paths {
            io.remove(path).map_err(|e| Error::io(path.display(), &e))?;
        }
        io.sync_dir(dir).map_err(|e| Error::io(dir.display(), &e))?;
        return Ok(Recovered { meta, job: None, next_log_id });
    };
    flush_again(io, last)?;
    let (last_version, last_frame) = (last.info.last_version, last.info.number);
    let (meta, overlay) = replay(options, tree, meta, &frames)?;
    let files = paths.iter().map(|(id, path)| {
        LogFile::open(options, path, *id).map_err(|e| Error::io(path.display(), &e))
    });
    let files = files.collect::<Result<_>>()?;
    let overlay = Arc::new(Overlay::holding(overlay));
    let job = Job { overlay, last_version, last_frame, files };
    Ok(Recovered { meta, job: Some(job), next_log_id })
}

fn flush_again(io: &dyn Io, frame: &Found) -> Result<()> {
    let flush = || {
        let file = io.open(&frame.path)?;
        let mut bytes = vec![0; frame.len];
        file.read_exact_at(&mut bytes, frame.offset as u64)?;
        file.write_all_at(&bytes, frame.offset as u64)?;
        file.sync_data()
    };
    flush().map_err(|e| Error::io(frame.path.display(), &e))
}

fn log_paths(io: &dyn Io, dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let names = io.list(dir).map_err(|e| Error::io(dir.display(), &e))?;
    let id_of = |name: &str| u64::from_str_radix(name.strip_suffix(".log")?, 16).ok();
    let found = names.iter().filter_map(|name| Some((id_of(name.to_str()?)?, dir.join(name))));
    Ok(found.collect())
}

fn read_file(io: &dyn Io, path: &Path) -> Result<Vec<u8>> {
    let read = || {
        let file = io.open(path)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().map_err(|e| Error::io(path.display(), &e))
}

/// Collects the valid frames of a file; `expected` is the header that it should have.
fn find_frames(
    io: &dyn Io,
    path: &Path,
    expected: FileHeader,
    found: &mut Vec<Found>,
) -> Result<()> {
    let bytes = read_file(io, path)?;
    let header = FileHeader::decode(bytes.get(..HEADER_SIZE).unwrap_or_default());
    let Some(header) = header.map_err(|error| error.at(path))? else {
        // The header was durable before the first frame: without one it was torn when the file was
        // made, with one it is damaged.
        let before = found.len();
        scan(&bytes, path, expected, found);
        if found.len() == before {
            return Ok(());
        }
        return Err(Error::corrupt(format!("{} has a damaged header", path.display())));
    };
    if header.store_id != expected.store_id {
        return Err(Error::corrupt(format!("{} belongs to another store", path.display())));
    }
    scan(&bytes, path, header, found);
    Ok(())
}

fn scan(bytes: &[u8], path: &Path, header: FileHeader, found: &mut Vec<Found>) {
    let mut offset = HEADER_SIZE;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        match decode_frame(header, rest) {
            Some((info, _, len)) => {
                found.push(Found { info, header, path: path.to_path_buf(), offset, len });
                offset += len;
            }
            None => match next_magic(bytes, offset + ALIGNMENT) {
                Some(candidate) => offset = candidate,
                None => return,
            },
        }
    }
}

fn next_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let words = bytes.get(from..)?.chunks(ALIGNMENT);
    words
        .zip(0..)
        .find_map(|(word, at)| word.starts_with(&FRAME_MAGIC).then_some(from + at * ALIGNMENT))
}

/// How many of the frames, in order of number, follow each other without a gap after `applied`.
fn check_sequence(frames: &[Found], applied: u64, dir: &Path) -> Result<usize> {
    let durable = frames.iter().map(|frame| frame.info.durable).max().unwrap_or(applied);
    let expected = frames.iter().zip(applied + 1..);
    let whole = expected.take_while(|(frame, number)| frame.info.number == *number).count();
    let missing = applied + 1 + whole as u64;
    if missing <= durable {
        return Err(Error::corrupt(format!(
            "the commit log in {} is damaged: frame {missing} was durable and cannot be read",
            dir.display()
        )));
    }
    Ok(whole)
}

/// Collects what the frames write; moves it to the tree whenever it reaches its bound in memory.
/// Returns the tree's meta record and what is left.
fn replay(
    options: &Options,
    tree: &Tree,
    mut applied: Meta,
    frames: &[Found],
) -> Result<(Meta, WriteMap<Committed>)> {
    let mut batch = WriteMap::default();
    let mut reached = applied;
    let mut open: Option<(&Path, Vec<u8>)> = None;
    for frame in frames {
        if batch.bytes() >= RECOVERED_OVERLAYS * options.overlay_bytes {
            applied = reached;
            tree.apply(&batch, applied)?;
            batch = WriteMap::default();
        }
        if open.as_ref().is_none_or(|(path, _)| *path != frame.path) {
            open = Some((&frame.path, read_file(&*options.io, &frame.path)?));
        }
        let bytes = open.as_ref().and_then(|(_, bytes)| bytes.get(frame.offset..));
        let bytes = bytes.and_then(|bytes| bytes.get(..frame.len)).unwrap_or_default();
        let Some((_, payload, _)) = decode_frame(frame.header, bytes) else {
            return Err(Error::corrupt(format!("{} changed meanwhile", frame.path.display())));
        };
        read_payload(payload, |version, operation| redo(&mut batch, version, operation))?;
        reached.applied_frame = frame.info.number;
        reached.applied_version = frame.info.last_version;
    }
    Ok((applied, batch))
}

fn redo(batch: &mut WriteMap<Committed>, version: i64, operation: Operation<'_>) {
    match operation {
        Operation::ClearRange(begin, end) => batch.clear(begin, end, version, NEWEST),
        Operation::Write(key, value) => {
            let size = value.map_or(0, <[u8]>::len);
            batch.set(key.into(), value.map(Key::from), size, version, NEWEST);
        }
    }
}
