//! Append-only segment files: reserved ahead, appended by one writer, flushed in groups, read by
//! position in batches. [`io`] and [`file`] are the base that other durable files build on.

mod block_cache;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
pub mod file;
mod flush;
pub mod io;
mod read;
mod segment;
mod volume;
#[cfg(test)]
mod volume_tests;

pub use error::{Error, Result};
pub use file::PreallocatedFile;
pub use io::{File, Io, RealIo};
pub use volume::{Location, SEGMENT_SIZE_LIMIT_BYTES, Volume, VolumeOptions};

/// The longest entry in bytes.
pub const ENTRY_LIMIT_BYTES: u64 = 16 << 20;
