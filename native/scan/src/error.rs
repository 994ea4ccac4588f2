//! What can go wrong while a batch is scanned.

use std::fmt;

/// An error of [`scan`](crate::scan). An `index` counts the pairs of the batch from 0.
#[derive(Debug)]
pub enum Error {
    /// The packed range is cut short or has fewer pairs than stated.
    Packed,
    /// A value is no pointer.
    Pointer {
        /// Which pair.
        index: usize,
    },
    /// A key is too short to hold an `_id` at the place stated.
    Id {
        /// Which pair.
        index: usize,
    },
    /// No volume was given for a pair's shard.
    UnknownShard {
        /// Which pair.
        index: usize,
        /// Its shard.
        shard: u16,
    },
    /// A body does not have its checksum, or is no document.
    Damaged {
        /// Which pair.
        index: usize,
        /// What is wrong.
        reason: String,
    },
    /// A shard's volume could not be read.
    Volume {
        /// Its shard.
        shard: u16,
        /// Why.
        error: kronotop_segment::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packed => f.write_str("the packed range is cut short"),
            Self::Pointer { index } => write!(f, "{index}: the value is no pointer"),
            Self::Id { index } => write!(f, "{index}: the key holds no _id"),
            Self::UnknownShard { index, shard } => {
                write!(f, "{index}: shard {shard} has no volume")
            }
            Self::Damaged { index, reason } => write!(f, "{index}: {reason}"),
            Self::Volume { shard, error } => write!(f, "shard {shard}: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Volume { error, .. } => Some(error),
            _ => None,
        }
    }
}
