//! One segment: a file of raw entry bytes, back to back from offset 0, without any framing.
//! Where entries begin and end is known only from the metadata that points at them.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::block_cache::FileTag;
use crate::file::PreallocatedFile;

/// Digits in the name of a segment file.
const NAME_DIGITS: usize = 19;

/// A segment that is open for reading and, while it is the active one, for writing.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: u32,
    pub(crate) file: PreallocatedFile,
    /// Its name in the block cache; changes when bytes that were read may be overwritten.
    tag: Mutex<FileTag>,
    /// End of the bytes that are never overwritten.
    settled: AtomicU64,
}

impl Segment {
    /// A segment that nobody writes to.
    pub(crate) fn new(id: u32, file: PreallocatedFile) -> Self {
        Self { id, file, tag: Mutex::new(FileTag::next()), settled: AtomicU64::new(u64::MAX) }
    }

    /// From now on, what follows `tail` is written.
    pub(crate) fn begin_writes(&self, tail: u64) {
        let mut tag = self.tag.lock();
        self.settled.store(tail, Ordering::Release);
        *tag = FileTag::next();
    }

    /// Everything before `tail` was written.
    pub(crate) fn written(&self, tail: u64) {
        self.settled.store(tail, Ordering::Release);
    }

    /// The name in the block cache, and the end of what may be kept there under it.
    pub(crate) fn settled(&self) -> (FileTag, u64) {
        let tag = self.tag.lock();
        (*tag, self.settled.load(Ordering::Acquire))
    }
}

/// The file name of a segment: its id in decimal, zero-padded to 19 digits.
pub(crate) fn file_name(id: u32) -> String {
    format!("{id:0NAME_DIGITS$}")
}

/// The id that a file name stands for; `None` for a name that no segment has.
pub(crate) fn parse_file_name(name: &str) -> Option<u32> {
    let well_formed = name.len() == NAME_DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_nineteen_digits() {
        assert_eq!(file_name(42), "0000000000000000042");
        assert_eq!(parse_file_name("0000000000000000042"), Some(42));
        assert_eq!(parse_file_name(&file_name(u32::MAX)), Some(u32::MAX));
    }

    #[test]
    fn other_names_are_no_segments() {
        for name in ["", "42", "000000000000000004a", "+000000000000000042", "9999999999999999999"]
        {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }
}
