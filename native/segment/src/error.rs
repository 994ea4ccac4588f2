//! What can go wrong with a volume.

use std::fmt;
use std::io;

/// An error of a [`Volume`](crate::Volume).
#[derive(Debug)]
pub enum Error {
    /// The segment size is not in 1..=4 GiB.
    InvalidSegmentSize,
    /// The lengths do not add up to the bytes given, or an entry is empty.
    InvalidEntries,
    /// An entry is longer than entries may be; the limit is in bytes.
    EntryTooLarge {
        /// The longest entry allowed, in bytes.
        limit: u64,
    },
    /// The next entry does not fit into the active segment; another one must be activated.
    SegmentFull,
    /// No segment has been activated.
    NoActiveSegment,
    /// The segment is older than the active one and takes no more writes.
    Sealed(u32),
    /// The segment is the active one and cannot be removed.
    Active(u32),
    /// The tail lies past the end of the segment.
    InvalidTail,
    /// The segment is not open.
    UnknownSegment(u32),
    /// There is no file for the segment.
    MissingFile(u32),
    /// A location lies outside of its segment, or is longer than an entry can be.
    OutOfBounds {
        /// Which of the locations.
        index: usize,
        /// Its position in bytes.
        position: u32,
        /// Its length in bytes.
        length: u32,
        /// The size of the segment in bytes.
        size: u64,
    },
    /// The bytes at a location do not have the checksum that they were written with.
    Corrupted {
        /// Which of the locations.
        index: usize,
    },
    /// A write or flush of the segment has failed; it never takes writes again.
    Poisoned {
        /// The segment.
        segment: u32,
        /// The class of the first failure.
        kind: io::ErrorKind,
    },
    /// The disk has no room; nothing was written and a later attempt may succeed.
    OutOfSpace,
    /// The volume was closed.
    Closed,
    /// Any other error of the operating system.
    Io(io::Error),
}

/// The result of a volume operation.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidSegmentSize => f.write_str("segment size must be in 1..=4294967296 bytes"),
            Self::InvalidEntries => f.write_str("entries must not be empty and must add up"),
            Self::EntryTooLarge { limit } => {
                write!(f, "entry size exceeds the limit of {limit} bytes")
            }
            Self::SegmentFull => f.write_str("the entry does not fit into the active segment"),
            Self::NoActiveSegment => f.write_str("no segment is active"),
            Self::Sealed(id) => write!(f, "segment {id} is sealed"),
            Self::Active(id) => write!(f, "segment {id} is active"),
            Self::InvalidTail => f.write_str("the tail lies past the end of the segment"),
            Self::UnknownSegment(id) => {
                write!(f, "Segment with id: '{id}' could not be found")
            }
            Self::MissingFile(id) => write!(f, "segment {id} has no file"),
            Self::OutOfBounds { position, length, size, .. } => {
                write!(f, "OUTOFBOUND position: {position}, length: {length} but size: {size}")
            }
            Self::Corrupted { index } => {
                write!(f, "{index}: the checksum of the entry does not match")
            }
            Self::Poisoned { segment, kind } => write!(f, "segment {segment} failed: {kind}"),
            Self::OutOfSpace => f.write_str("no space left on the device"),
            Self::Closed => f.write_str("the volume is closed"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if crate::io::is_out_of_space(&error) { Self::OutOfSpace } else { Self::Io(error) }
    }
}
