//! Versions as time: about one million a second, always ascending.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// When the system's clock was set back, versions given out after a restart are this much above all
/// that were made durable, so that they are above the ones that were read, too. With a sane clock
/// both are below the present time, and running ahead of it would make the next restart go back.
const RESTART_GAP: i64 = 1_000_000;

/// Microseconds since 1970 as long as the system's clock is sane: it is looked at once, at open.
#[derive(Debug)]
pub(crate) struct Clock {
    base: i64,
    started: Instant,
}

impl Clock {
    /// A clock that starts above `last`, the highest version that was made durable.
    pub(crate) fn after(last: i64) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(since_epoch.as_micros()).unwrap_or(0);
        let base = if wall > last { wall } else { last.saturating_add(RESTART_GAP) };
        Self { base, started: Instant::now() }
    }

    pub(crate) fn now(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX / 2);
        self.base.saturating_add(elapsed)
    }
}
