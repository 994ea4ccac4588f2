//! The network thread, which here is a timer: it completes the futures of `on_error` after their
//! back-off. Commits complete on the store's own threads and need no network thread.
//!
//! The life cycle is FoundationDB's: set up once, run by a thread of the caller until stopped,
//! never again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::errors::{
    API_VERSION_UNSET, NETWORK_ALREADY_SETUP, NETWORK_CANNOT_BE_RESTARTED, NETWORK_NOT_SETUP,
};
use crate::future::{Future, Outcome};

/// Runs once on the network thread after it was stopped.
pub type CompletionHook = Box<dyn FnOnce() + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unset,
    SetUp,
    Running,
    Stopped,
}

struct Timer {
    due: Instant,
    /// Makes the order total and first-come-first-served.
    sequence: u64,
    future: Arc<Future>,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.sequence).cmp(&(other.due, other.sequence))
    }
}

struct Network {
    phase: Phase,
    sequence: u64,
    timers: BinaryHeap<Reverse<Timer>>,
    hooks: Vec<CompletionHook>,
}

static NETWORK: Mutex<Network> = Mutex::new(Network {
    phase: Phase::Unset,
    sequence: 0,
    timers: BinaryHeap::new(),
    hooks: Vec::new(),
});
static CHANGED: Condvar = Condvar::new();

/// Makes the network ready to run.
pub fn set_up(api_version_selected: bool) -> Result<(), i32> {
    let mut network = NETWORK.lock();
    match network.phase {
        _ if !api_version_selected => Err(API_VERSION_UNSET),
        Phase::Unset => {
            network.phase = Phase::SetUp;
            Ok(())
        }
        Phase::SetUp | Phase::Running => Err(NETWORK_ALREADY_SETUP),
        Phase::Stopped => Err(NETWORK_CANNOT_BE_RESTARTED),
    }
}

/// Whether databases may be created.
pub fn is_set_up() -> bool {
    matches!(NETWORK.lock().phase, Phase::SetUp | Phase::Running)
}

/// Runs the timers on this thread until `stop`.
pub fn run() -> Result<(), i32> {
    let mut network = NETWORK.lock();
    match network.phase {
        Phase::SetUp => network.phase = Phase::Running,
        Phase::Unset => return Err(NETWORK_NOT_SETUP),
        Phase::Running => return Err(NETWORK_ALREADY_SETUP),
        Phase::Stopped => return Err(NETWORK_CANNOT_BE_RESTARTED),
    }
    while network.phase == Phase::Running {
        let now = Instant::now();
        match network.timers.peek().map(|Reverse(timer)| timer.due) {
            None => CHANGED.wait(&mut network),
            Some(due) if due > now => {
                CHANGED.wait_until(&mut network, due);
            }
            Some(_) => {
                let due = network.timers.pop();
                // ORDER: a completion runs the caller's callback, so the lock is released.
                parking_lot::MutexGuard::unlocked(&mut network, || {
                    if let Some(Reverse(timer)) = due {
                        timer.future.complete(Ok(Outcome::Nothing));
                    }
                });
            }
        }
    }
    let hooks = std::mem::take(&mut network.hooks);
    drop(network);
    hooks.into_iter().for_each(|hook| hook());
    Ok(())
}

/// Makes `run` return. Timers that are not due never complete, as in FoundationDB.
pub fn stop() -> Result<(), i32> {
    let mut network = NETWORK.lock();
    if network.phase == Phase::Unset {
        return Err(NETWORK_NOT_SETUP);
    }
    network.phase = Phase::Stopped;
    CHANGED.notify_all();
    Ok(())
}

/// Registers what the network thread runs last.
pub fn add_completion_hook(hook: CompletionHook) -> Result<(), i32> {
    let mut network = NETWORK.lock();
    if network.phase == Phase::Unset {
        return Err(NETWORK_NOT_SETUP);
    }
    network.hooks.push(hook);
    Ok(())
}

/// A future that becomes ready after `delay` (at once for zero).
pub fn after(delay: Duration) -> Arc<Future> {
    if delay.is_zero() {
        return Future::ready(Ok(Outcome::Nothing));
    }
    let future = Future::pending();
    let mut network = NETWORK.lock();
    network.sequence += 1;
    let sequence = network.sequence;
    let due = Instant::now() + delay;
    network.timers.push(Reverse(Timer { due, sequence, future: Arc::clone(&future) }));
    CHANGED.notify_one();
    future
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: the network is one per process.
    #[test]
    fn runs_timers_in_order_until_stopped_and_never_again() {
        assert_eq!(set_up(false), Err(API_VERSION_UNSET));
        assert_eq!(run(), Err(NETWORK_NOT_SETUP));
        assert_eq!(set_up(true), Ok(()));
        assert_eq!(set_up(true), Err(NETWORK_ALREADY_SETUP));
        let thread = std::thread::spawn(run);
        assert!(after(Duration::ZERO).is_ready());
        let (late, early) = (after(Duration::from_millis(40)), after(Duration::from_millis(5)));
        early.block_until_ready().unwrap();
        assert!(!late.is_ready());
        late.block_until_ready().unwrap();
        let never = after(Duration::from_secs(600));
        let (sender, hooked) = std::sync::mpsc::channel();
        add_completion_hook(Box::new(move || sender.send(()).unwrap())).unwrap();
        assert_eq!(stop(), Ok(()));
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!(hooked.recv(), Ok(()));
        assert!(!never.is_ready());
        assert_eq!(set_up(true), Err(NETWORK_CANNOT_BE_RESTARTED));
        assert_eq!(run(), Err(NETWORK_CANNOT_BE_RESTARTED));
    }
}
