//! The network thread: it completes the futures of `on_error` after their back-off, and runs the
//! callbacks of futures that other threads complete, one after the other. Whoever waits without a
//! callback needs no network thread.
//!
//! The life cycle is FoundationDB's: set up once, run by a thread of the caller until stopped,
//! never again.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::errors::{
    API_VERSION_UNSET, NETWORK_ALREADY_SETUP, NETWORK_CANNOT_BE_RESTARTED, NETWORK_NOT_SETUP,
};
use crate::future::{Future, Outcome};

/// Runs once on the network thread.
pub type Call = Box<dyn FnOnce() + Send>;

/// The network of this process.
pub static NETWORK: Network = Network::new();

thread_local! {
    static IS_NETWORK_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the thread that runs the network.
pub fn is_network_thread() -> bool {
    IS_NETWORK_THREAD.get()
}

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
    call: Call,
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

struct State {
    phase: Phase,
    sequence: u64,
    timers: BinaryHeap<Reverse<Timer>>,
    /// Callbacks of futures that are complete.
    calls: Vec<Call>,
    hooks: Vec<Call>,
}

/// See the module's description.
pub struct Network {
    state: Mutex<State>,
    changed: Condvar,
    calls_anywhere: AtomicBool,
}

impl Network {
    const fn new() -> Self {
        let state = State {
            phase: Phase::Unset,
            sequence: 0,
            timers: BinaryHeap::new(),
            calls: Vec::new(),
            hooks: Vec::new(),
        };
        let calls_anywhere = AtomicBool::new(false);
        Self { state: Mutex::new(state), changed: Condvar::new(), calls_anywhere }
    }

    /// From now on callbacks run on the threads that complete their futures.
    pub fn call_anywhere(&self) {
        self.calls_anywhere.store(true, Ordering::Relaxed);
    }

    /// Runs a callback on the network thread: later, unless this is it. Where that is not asked
    /// for, or nobody has set a network up, it runs here; after the stop it never runs.
    pub fn call(&self, call: Call) {
        if self.calls_anywhere.load(Ordering::Relaxed) || is_network_thread() {
            return call();
        }
        let mut state = self.state.lock();
        match state.phase {
            Phase::Unset => {
                drop(state);
                call();
            }
            Phase::SetUp | Phase::Running => {
                state.calls.push(call);
                // The thread that runs the network looks for more before it waits.
                if state.calls.len() == 1 {
                    self.changed.notify_one();
                }
            }
            Phase::Stopped => {}
        }
    }

    /// Makes the network ready to run.
    pub fn set_up(&self, api_version_selected: bool) -> Result<(), i32> {
        let mut state = self.state.lock();
        match state.phase {
            _ if !api_version_selected => Err(API_VERSION_UNSET),
            Phase::Unset => {
                state.phase = Phase::SetUp;
                Ok(())
            }
            Phase::SetUp | Phase::Running => Err(NETWORK_ALREADY_SETUP),
            Phase::Stopped => Err(NETWORK_CANNOT_BE_RESTARTED),
        }
    }

    /// Whether databases may be created.
    pub fn is_set_up(&self) -> bool {
        matches!(self.state.lock().phase, Phase::SetUp | Phase::Running)
    }

    /// Runs the timers and callbacks on this thread until `stop`.
    pub fn run(&self) -> Result<(), i32> {
        let mut state = self.state.lock();
        match state.phase {
            Phase::SetUp => state.phase = Phase::Running,
            Phase::Unset => return Err(NETWORK_NOT_SETUP),
            Phase::Running => return Err(NETWORK_ALREADY_SETUP),
            Phase::Stopped => return Err(NETWORK_CANNOT_BE_RESTARTED),
        }
        IS_NETWORK_THREAD.set(true);
        while state.phase == Phase::Running {
            let now = Instant::now();
            let due = state.timers.peek().map(|Reverse(timer)| timer.due);
            if !state.calls.is_empty() {
                let calls = std::mem::take(&mut state.calls);
                // ORDER: callbacks and completions run the caller's code, so the lock is released.
                MutexGuard::unlocked(&mut state, || calls.into_iter().for_each(|call| call()));
            } else if due.is_some_and(|due| due <= now) {
                let timer = state.timers.pop();
                MutexGuard::unlocked(&mut state, || {
                    if let Some(Reverse(timer)) = timer {
                        (timer.call)();
                    }
                });
            } else if let Some(due) = due {
                self.changed.wait_until(&mut state, due);
            } else {
                self.changed.wait(&mut state);
            }
        }
        let hooks = std::mem::take(&mut state.hooks);
        let never_run = std::mem::take(&mut state.calls);
        drop(state);
        drop(never_run);
        hooks.into_iter().for_each(|hook| hook());
        IS_NETWORK_THREAD.set(false);
        Ok(())
    }

    /// Makes `run` return. Timers that are not due never complete, as in FoundationDB.
    pub fn stop(&self) -> Result<(), i32> {
        let mut state = self.state.lock();
        if state.phase == Phase::Unset {
            return Err(NETWORK_NOT_SETUP);
        }
        state.phase = Phase::Stopped;
        self.changed.notify_all();
        Ok(())
    }

    /// Registers what the network thread runs last.
    pub fn add_completion_hook(&self, hook: Call) -> Result<(), i32> {
        let mut state = self.state.lock();
        if state.phase == Phase::Unset {
            return Err(NETWORK_NOT_SETUP);
        }
        state.hooks.push(hook);
        Ok(())
    }

    /// A future that becomes ready after `delay` (at once for zero).
    pub fn after(&self, delay: Duration) -> Arc<Future> {
        if delay.is_zero() {
            return Future::ready(Ok(Outcome::Nothing));
        }
        let future = Future::pending();
        let done = Arc::clone(&future);
        let complete = move || done.complete(Ok(Outcome::Nothing));
        self.call_at(Instant::now() + delay, Box::new(complete));
        future
    }

    /// Makes `call` on the network thread when it is time.
    pub fn call_at(&self, due: Instant, call: Call) {
        let mut state = self.state.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        state.timers.push(Reverse(Timer { due, sequence, call }));
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn runs_timers_in_order_until_stopped_and_never_again() {
        let network: &Network = Box::leak(Box::new(Network::new()));
        assert_eq!(network.set_up(false), Err(API_VERSION_UNSET));
        assert_eq!(network.run(), Err(NETWORK_NOT_SETUP));
        assert_eq!(network.set_up(true), Ok(()));
        assert_eq!(network.set_up(true), Err(NETWORK_ALREADY_SETUP));
        let thread = thread::spawn(|| network.run());
        assert!(network.after(Duration::ZERO).is_ready());
        let late = network.after(Duration::from_millis(40));
        let early = network.after(Duration::from_millis(5));
        early.block_until_ready().unwrap();
        assert!(!late.is_ready());
        late.block_until_ready().unwrap();
        let never = network.after(Duration::from_secs(600));
        let (sender, hooked) = mpsc::channel();
        network.add_completion_hook(Box::new(move || sender.send(()).unwrap())).unwrap();
        assert_eq!(network.stop(), Ok(()));
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!(hooked.recv(), Ok(()));
        assert!(!never.is_ready());
        assert_eq!(network.set_up(true), Err(NETWORK_CANNOT_BE_RESTARTED));
        assert_eq!(network.run(), Err(NETWORK_CANNOT_BE_RESTARTED));
    }

    #[test]
    fn calls_come_from_one_thread_in_order_and_none_after_the_stop() {
        let network: &Network = Box::leak(Box::new(Network::new()));
        let (sender, called) = mpsc::channel();
        let call = |number: usize| {
            let sender = sender.clone();
            network.call(Box::new(move || {
                sender.send((number, thread::current().id(), is_network_thread())).unwrap();
            }));
        };
        let here = thread::current().id();
        call(0);
        assert_eq!(called.recv(), Ok((0, here, false)));
        network.set_up(true).unwrap();
        (1..100).for_each(call);
        assert!(called.try_recv().is_err());
        let runner = thread::spawn(|| network.run());
        let there = runner.thread().id();
        (100..200).for_each(call);
        for number in 1..200 {
            assert_eq!(called.recv(), Ok((number, there, true)));
        }
        network.call_anywhere();
        call(200);
        assert_eq!(called.recv(), Ok((200, here, false)));
        network.calls_anywhere.store(false, Ordering::Relaxed);
        network.stop().unwrap();
        runner.join().unwrap().unwrap();
        call(201);
        assert!(called.try_recv().is_err());
    }
}
