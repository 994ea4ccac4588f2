//! Batched positional reads.
//!
//! Locations are visited in file order. Neighbours whose gap is small are fetched by one read of
//! at most 1 MiB (one entry may be larger); bytes go straight to their place in the output when
//! file order and output order agree, and through a scratch buffer otherwise. Small entries without
//! neighbours come from the block cache.

use std::io;
use std::ops::Range;

use crate::ENTRY_LIMIT_BYTES;
use crate::block_cache::{BLOCK_BYTES, CACHE, Source};
use crate::error::{Error, Result};
use crate::segment::Segment;
use crate::volume::Location;

/// The longest read that joins several entries.
const RUN_LIMIT_BYTES: u64 = 1 << 20;
/// Unwanted bytes between two entries that cost no more to read than a block of the cache.
const GAP_LIMIT_BYTES: u64 = 512;

/// Where one location of a batch goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Its place in the list that the caller gave.
    pub(crate) index: usize,
    /// Where its bytes begin in the output.
    pub(crate) start: usize,
    pub(crate) location: Location,
}

impl Target {
    fn position(&self) -> u64 {
        u64::from(self.location.position)
    }

    fn end(&self) -> u64 {
        self.position() + u64::from(self.location.length)
    }

    fn output(&self) -> Range<usize> {
        self.start..self.start + self.location.length as usize
    }
}

/// Fails when a location cannot be an entry of its segment, before anything is allocated for it.
pub(crate) fn check_bounds(index: usize, location: &Location, size: u64) -> Result<()> {
    let Location { position, length, .. } = *location;
    let end = u64::from(position) + u64::from(length);
    if end > size || u64::from(length) > ENTRY_LIMIT_BYTES {
        return Err(Error::OutOfBounds { index, position, length, size });
    }
    Ok(())
}

/// Reads targets of one segment, sorted by position, into `output` and checks each of them.
pub(crate) fn read_sorted(
    segment: &Segment,
    targets: &[Target],
    output: &mut [u8],
    scratch: &mut Vec<u8>,
) -> Result<()> {
    let mut rest = targets;
    while !rest.is_empty() {
        let (run, after) = rest.split_at(run_length(rest));
        read_run(segment, run, output, scratch)?;
        rest = after;
    }
    for target in targets {
        let bytes = output.get(target.output()).unwrap_or_default();
        if crc32c::crc32c(bytes) != target.location.crc32c {
            return Err(Error::Corrupted { index: target.index });
        }
    }
    Ok(())
}

/// How many targets, from the first, one read fetches.
fn run_length(targets: &[Target]) -> usize {
    let Some(first) = targets.first() else { return 0 };
    let mut end = first.end();
    let joined = targets.iter().skip(1).take_while(|next| {
        let joins = next.position() <= end + GAP_LIMIT_BYTES
            && next.end().max(end) - first.position() <= RUN_LIMIT_BYTES;
        if joins {
            end = end.max(next.end());
        }
        joins
    });
    1 + joined.count()
}

fn read_run(
    segment: &Segment,
    run: &[Target],
    output: &mut [u8],
    scratch: &mut Vec<u8>,
) -> Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    if run.len() == 1 && read_cached(segment, first, output)? {
        return Ok(());
    }
    let read = |buffer: &mut [u8]| -> Result<()> {
        let result = segment.file.read_exact_at(first.position(), buffer);
        result.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::OutOfBounds {
                index: last.index,
                position: last.location.position,
                length: last.location.length,
                size: segment.file.len(),
            },
            _ => Error::Io(error),
        })
    };
    if is_contiguous(run) {
        let range = first.start..last.output().end;
        return read(output.get_mut(range).unwrap_or_default());
    }
    let end = run.iter().map(Target::end).max().unwrap_or(0);
    let length = in_memory(end - first.position());
    if scratch.len() < length {
        scratch.resize(length, 0);
    }
    read(scratch.get_mut(..length).unwrap_or_default())?;
    for target in run {
        let from = in_memory(target.position() - first.position());
        let source = scratch.get(from..from + target.location.length as usize);
        if let (Some(to), Some(source)) = (output.get_mut(target.output()), source) {
            to.copy_from_slice(source);
        }
    }
    Ok(())
}

/// Reads one entry through the block cache. False when it does not go there, or is not intact
/// there: then the file says what it is.
fn read_cached(segment: &Segment, target: &Target, output: &mut [u8]) -> Result<bool> {
    let (file, settled) = segment.settled();
    if target.location.length as usize > BLOCK_BYTES || target.end() > settled {
        return Ok(false);
    }
    let read = |offset: u64, buffer: &mut [u8]| segment.file.read_exact_at(offset, buffer);
    let source = Source { file, settled, read: &read, len: segment.file.len() };
    let bytes = output.get_mut(target.output()).unwrap_or_default();
    Ok(CACHE.read(&source, target.position(), bytes).is_ok()
        && crc32c::crc32c(bytes) == target.location.crc32c)
}

/// True when the run lies in the output exactly as it lies in the file.
fn is_contiguous(run: &[Target]) -> bool {
    run.iter()
        .zip(run.iter().skip(1))
        .all(|(left, right)| left.end() == right.position() && left.output().end == right.start)
}

/// A length that `check_bounds` has limited fits into memory's address range.
fn in_memory(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(places: &[(u64, u64)]) -> Vec<Target> {
        let target = |(index, &(position, length)): (usize, &(u64, u64))| {
            let (position, length) = (position as u32, length as u32);
            let location = Location { segment: 0, position, length, crc32c: 0 };
            Target { index, start: 0, location }
        };
        places.iter().enumerate().map(target).collect()
    }

    #[test]
    fn one_read_fetches_neighbours_with_small_gaps() {
        let gap = GAP_LIMIT_BYTES;
        assert_eq!(run_length(&targets(&[(0, 10), (10, 10), (20 + gap, 10)])), 3);
        assert_eq!(run_length(&targets(&[(0, 10), (10, 10), (21 + gap, 10)])), 2);
        assert_eq!(run_length(&targets(&[(0, 10), (0, 10), (5, 1), (9, 4)])), 4);
        assert_eq!(run_length(&[]), 0);
    }

    #[test]
    fn one_read_fetches_no_more_than_its_limit_unless_it_is_one_entry() {
        let half = RUN_LIMIT_BYTES / 2;
        assert_eq!(run_length(&targets(&[(0, half), (half, half), (2 * half, 1)])), 2);
        assert_eq!(run_length(&targets(&[(0, 3 * half), (3 * half, 1)])), 1);
    }
}
