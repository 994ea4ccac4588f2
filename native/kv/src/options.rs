//! How a store is opened.

use std::sync::Arc;
use std::time::Duration;

use kronotop_segment::{Io, RealIo};

use crate::faults::Faults;

/// Options of [`crate::Store::open`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of a commit log file, in bytes.
    pub log_file_bytes: u64,
    /// Disk blocks of a log file are reserved in steps of this many bytes.
    pub log_reserve_bytes: u64,
    /// Committed writes move to the tree when they hold this much memory, in bytes …
    pub overlay_bytes: usize,
    /// … or when the first of them is this old.
    pub overlay_age: Duration,
    /// Commits that are in the tree already are kept in memory for reads at an earlier version, up
    /// to this many bytes; older reads than these allow answer 1007, as do all after 5 s.
    pub history_bytes: usize,
    /// Memory for the keys that were written lately, roughly, in bytes. When they need more,
    /// commits that read at an earlier version than what is left are too old.
    pub conflict_bytes: usize,
    /// Address space reserved for the tree, in bytes: the most it can ever grow to.
    pub map_bytes: usize,
    /// How long an owner of the store that neither answers nor goes away is waited for at open: one
    /// that recovers a long log, or is stopped.
    pub owner_patience: Duration,
    /// The file system of the commit log; tests put one with faults here.
    pub io: Arc<dyn Io>,
    /// Fault mode, for tests; [`crate::Store::set_faults`] changes it later.
    pub faults: Option<Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log_file_bytes: 64 << 20,
            log_reserve_bytes: 4 << 20,
            overlay_bytes: 32 << 20,
            overlay_age: Duration::from_secs(5),
            history_bytes: 256 << 20,
            conflict_bytes: 128 << 20,
            map_bytes: 1 << 40,
            owner_patience: Duration::from_secs(10),
            io: Arc::new(RealIo),
            faults: None,
        }
    }
}
