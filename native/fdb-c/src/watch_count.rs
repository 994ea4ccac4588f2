//! How many watches a database has open, and how many it may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kronotop_kv::error::code;
use kronotop_kv::{Error, Result, WATCH_LIMIT};

/// The open watches of a database.
pub struct WatchCount {
    open: AtomicUsize,
    limit: AtomicUsize,
}

impl Default for WatchCount {
    fn default() -> Self {
        Self { open: AtomicUsize::new(0), limit: AtomicUsize::new(WATCH_LIMIT) }
    }
}

/// The place of one watch; free again when it is dropped.
pub struct WatchPlace(Arc<WatchCount>);

impl WatchCount {
    /// Watches that are open stay, however many they are.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// # Errors
    /// 1032 when there are as many watches as there may be.
    pub fn take(self: &Arc<Self>) -> Result<WatchPlace> {
        let limit = self.limit.load(Ordering::Relaxed);
        let more = |open: usize| (open < limit).then_some(open + 1);
        match self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(WatchPlace(Arc::clone(self))),
            Err(_) => Err(Error::new(code::TOO_MANY_WATCHES)),
        }
    }
}

impl Drop for WatchPlace {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
