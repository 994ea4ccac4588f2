//! Blocks of segment files in memory, for small entries that lie far apart: a read of an index
//! would otherwise cost a system call for each document.
//!
//! Entries are never overwritten, so a block stays as it is up to where the segment was written
//! when the block was read. INVARIANT: nothing else of a block is ever given out.
//!
//! 4-way set associative, ways replaced in turn; each set has its own lock. One cache serves all
//! volumes of the process.

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Entries up to this size are read through the cache.
pub(crate) const BLOCK_BYTES: usize = 4 << 10;
const WAYS: usize = 4;
/// With all ways: 64 MiB at most, taken as blocks come.
const SETS: usize = 4 << 10;

type Block = Box<[u8; BLOCK_BYTES]>;

/// What names a file in the cache: never given twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileTag(u64);

impl FileTag {
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[derive(Debug)]
struct Way {
    file: FileTag,
    number: u64,
    /// Bytes from the first on that never change.
    settled: usize,
    block: Block,
}

#[derive(Debug, Default)]
struct Set {
    ways: [Option<Way>; WAYS],
    oldest: usize,
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct BlockCache {
    sets: Box<[Mutex<Set>]>,
}

/// The cache of the process.
pub(crate) static CACHE: LazyLock<BlockCache> =
    LazyLock::new(|| BlockCache { sets: (0..SETS).map(|_| Mutex::default()).collect() });

/// Where the bytes of blocks come from.
pub(crate) struct Source<'a> {
    pub(crate) file: FileTag,
    /// End of the bytes of the file that never change.
    pub(crate) settled: u64,
    /// Fills the buffer from an offset on.
    pub(crate) read: &'a dyn Fn(u64, &mut [u8]) -> io::Result<()>,
    /// Length of the file.
    pub(crate) len: u64,
}

impl BlockCache {
    /// Fills `output` from `position` on, which ends in the settled part of the file.
    ///
    /// # Errors
    /// Those of the file.
    pub(crate) fn read(
        &self,
        source: &Source<'_>,
        position: u64,
        output: &mut [u8],
    ) -> io::Result<()> {
        let mut at = position;
        let mut rest = output;
        while !rest.is_empty() {
            let number = at / BLOCK_BYTES as u64;
            // Lossless: less than a block.
            let from = (at % BLOCK_BYTES as u64) as usize;
            let taken = rest.len().min(BLOCK_BYTES - from);
            let (part, after) = rest.split_at_mut(taken);
            if !self.copy(source.file, number, from, part) {
                self.fill(source, number, from, part)?;
            }
            rest = after;
            at += taken as u64;
        }
        Ok(())
    }

    /// Copies a part of a block, if it is here and settled so far.
    fn copy(&self, file: FileTag, number: u64, from: usize, part: &mut [u8]) -> bool {
        let Some(set) = self.set(file, number) else { return false };
        let set = set.lock();
        let mut ways = set.ways.iter().flatten();
        let Some(way) = ways.find(|way| way.file == file && way.number == number) else {
            return false;
        };
        let end = from + part.len();
        let Some(bytes) = way.block.get(from..end).filter(|_| end <= way.settled) else {
            return false;
        };
        part.copy_from_slice(bytes);
        true
    }

    /// Reads a block, keeps it, and copies a part of it.
    fn fill(
        &self,
        source: &Source<'_>,
        number: u64,
        from: usize,
        part: &mut [u8],
    ) -> io::Result<()> {
        let start = number * BLOCK_BYTES as u64;
        let mut block: Block = Box::new([0; BLOCK_BYTES]);
        // Lossless: at most a block.
        let length = |end: u64| end.saturating_sub(start).min(BLOCK_BYTES as u64) as usize;
        let held = block.get_mut(..length(source.len)).unwrap_or_default();
        (source.read)(start, held)?;
        if let Some(bytes) = block.get(from..from + part.len()) {
            part.copy_from_slice(bytes);
        }
        let settled = length(source.settled);
        self.keep(Way { file: source.file, number, settled, block });
        Ok(())
    }

    fn keep(&self, way: Way) {
        let Some(set) = self.set(way.file, way.number) else { return };
        let mut set = set.lock();
        let oldest = set.oldest;
        let is_same = |kept: &Option<Way>| {
            kept.as_ref().is_some_and(|kept| kept.file == way.file && kept.number == way.number)
        };
        let place = set
            .ways
            .iter()
            .position(is_same)
            .unwrap_or_else(|| set.ways.iter().position(Option::is_none).unwrap_or(oldest));
        if let Some(slot) = set.ways.get_mut(place) {
            *slot = Some(way);
        }
        set.oldest = (place + 1) % WAYS;
    }

    /// Neighbours lie in neighbouring sets; files begin at different ones.
    fn set(&self, file: FileTag, number: u64) -> Option<&Mutex<Set>> {
        let hash = file.0.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number);
        self.sets.get((hash % SETS as u64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const FILE_BYTES: usize = 3 * BLOCK_BYTES + 100;

    fn cache() -> BlockCache {
        BlockCache { sets: (0..SETS).map(|_| Mutex::default()).collect() }
    }

    /// Reads of a file that is all `value`; counts how often the file was read.
    fn read(
        cache: &BlockCache,
        (file, settled): (FileTag, usize),
        value: u8,
        (position, length): (usize, usize),
    ) -> (Vec<u8>, usize) {
        let reads = Cell::new(0);
        let read = |offset: u64, buffer: &mut [u8]| {
            reads.set(reads.get() + 1);
            assert!(offset as usize + buffer.len() <= FILE_BYTES);
            buffer.fill(value);
            Ok(())
        };
        let source = Source { file, settled: settled as u64, read: &read, len: FILE_BYTES as u64 };
        let mut output = vec![0; length];
        cache.read(&source, position as u64, &mut output).unwrap();
        (output, reads.get())
    }

    #[test]
    fn a_settled_block_is_read_once() {
        let (cache, file) = (cache(), FileTag::next());
        let both = (BLOCK_BYTES - 10, 20);
        assert_eq!(read(&cache, (file, FILE_BYTES), 7, both), (vec![7; 20], 2));
        assert_eq!(read(&cache, (file, FILE_BYTES), 8, both), (vec![7; 20], 0));
        assert_eq!(read(&cache, (file, FILE_BYTES), 8, (0, 50)), (vec![7; 50], 0));
        let end = (FILE_BYTES - 50, 50);
        assert_eq!(read(&cache, (file, FILE_BYTES), 9, end), (vec![9; 50], 1));
        assert_eq!(read(&cache, (FileTag::next(), FILE_BYTES), 5, end), (vec![5; 50], 1));
    }

    #[test]
    fn what_was_written_after_a_block_was_read_is_read_again() {
        let (cache, file) = (cache(), FileTag::next());
        assert_eq!(read(&cache, (file, 100), 1, (0, 100)), (vec![1; 100], 1));
        assert_eq!(read(&cache, (file, 200), 2, (50, 50)), (vec![1; 50], 0));
        assert_eq!(read(&cache, (file, 200), 2, (100, 100)), (vec![2; 100], 1));
        assert_eq!(read(&cache, (file, 200), 3, (0, 200)), (vec![2; 200], 0));
    }

    #[test]
    fn blocks_make_room_for_others() {
        let cache = cache();
        let files: Vec<FileTag> = (0..WAYS * SETS + SETS).map(|_| FileTag::next()).collect();
        for &file in &files {
            assert_eq!(read(&cache, (file, FILE_BYTES), 1, (0, 1)).1, 1);
        }
        let again = |file: &&FileTag| read(&cache, (**file, FILE_BYTES), 1, (0, 1)).1 == 0;
        let kept = files.iter().rev().take(SETS).filter(again).count();
        assert!(kept > SETS / 2, "{kept}");
        let blocks = cache.sets.iter().map(|set| set.lock().ways.iter().flatten().count());
        assert!(blocks.sum::<usize>() <= WAYS * SETS);
    }
}
