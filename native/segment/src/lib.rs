//! Append-only segment files: reserved ahead, appended by one writer, flushed in groups, read by
//! position in batches. [`io`] and [`file`] are the base that other durable files build on.

pub mod file;
pub mod io;

pub use file::PreallocatedFile;
pub use io::{File, Io, RealIo};
