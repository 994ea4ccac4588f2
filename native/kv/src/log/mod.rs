//! The commit log: commits that are durable but not yet in the tree.
//!
//! Files `<16 hex digits of the log id>.log` in the directory `log`. A file is a header and frames;
//! a frame is one group of commits. The numbers of the frames ascend by one over all files.
//!
//! ORDER: one group is in flight at a time: frame n + 1 is written after frame n is durable.

mod files;
mod frame;
mod recovery;

pub(crate) use files::{LogFile, LogFiles, LogWriter};
pub(crate) use frame::GroupEncoder;
pub(crate) use recovery::{Recovered, recover};
