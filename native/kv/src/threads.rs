//! Starting threads.

use std::thread::{self, JoinHandle};

use crate::error::{Error, Result};

/// Starts a thread; `name` is what tools show.
///
/// # Errors
/// 1510 when the system has no thread left.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|e| Error::io("cannot start a thread", &e))
}
