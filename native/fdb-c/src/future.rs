//! A value that is there now or will be set later, once, by another thread.
//!
//! ```text
//! Pending ── complete(result) ──▶ Ready ── release() ──▶ Released
//! ```
//!
//! INVARIANT: a callback runs once and under no lock: on the network thread (see there for the
//! exceptions), or at once on the thread that registers it when the future is ready already.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;

use kronotop_kv::RangeResult;
use kronotop_kv::error::code;
use parking_lot::{Condvar, Mutex};

use crate::database::Database;
use crate::errors::{BLOCKED_FROM_NETWORK_THREAD, FUTURE_NOT_SET, FUTURE_RELEASED};
use crate::ffi::types::{CText, FdbKey, FdbKeyValue};
use crate::network::{NETWORK, is_network_thread};

/// What a future can hold; each C accessor accepts one kind. The arrays beside `Pairs`, `Keys` and
/// `Texts` are what the C caller walks: they point into the owner next to them, and are made when
/// first asked for.
pub enum Outcome {
    Nothing,
    Int64(i64),
    Key(Vec<u8>),
    Value(Option<Vec<u8>>),
    Pairs {
        range: RangeResult,
        array: Vec<FdbKeyValue>,
    },
    Keys {
        keys: Vec<Vec<u8>>,
        array: Vec<FdbKey>,
    },
    Texts {
        texts: Vec<CString>,
        array: Vec<CText>,
    },
    /// Before API version 610: the cluster-file argument, and the database that it names.
    Cluster(Option<PathBuf>),
    Database(Database),
}

/// A result, or a FoundationDB error code.
pub type Completion = Result<Outcome, i32>;

thread_local! {
    /// How many `completing_last` this thread is in, and what they put off.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Runs a callback in the place of FoundationDB's network thread: waiting there for another
    /// future would keep the thread from completing it.
    static CALLING_BACK: Cell<bool> = const { Cell::new(false) };
    static HAS_PUT_OFF: Cell<bool> = const { Cell::new(false) };
    static PUT_OFF: RefCell<Vec<(Arc<Future>, Completion)>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body`, which holds locks. The futures that it completes on this thread are completed when
/// it has returned, so that their callbacks meet no lock.
pub fn completing_last<T>(body: impl FnOnce() -> T) -> T {
    DEPTH.set(DEPTH.get() + 1);
    let result = body();
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() == 0 && HAS_PUT_OFF.replace(false) {
        for (future, completion) in PUT_OFF.take() {
            future.complete(completion);
        }
    }
    result
}

type Callback = Box<dyn FnOnce(&Arc<Future>) + Send>;
type CancelHook = Box<dyn FnOnce() + Send>;

enum State {
    Pending { callbacks: Vec<Callback>, on_cancel: Option<CancelHook> },
    Ready(Completion),
    Released,
}

/// See the module's description.
pub struct Future {
    state: Mutex<State>,
    ready: Condvar,
}

impl Future {
    /// A future that is ready.
    pub fn ready(completion: Completion) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Ready(completion)), ready: Condvar::new() })
    }

    /// A future that somebody will `complete`.
    pub fn pending() -> Arc<Self> {
        let state = State::Pending { callbacks: Vec::new(), on_cancel: None };
        Arc::new(Self { state: Mutex::new(state), ready: Condvar::new() })
    }

    /// Registers what cancelling has to end; dropped when the future is completed first.
    pub fn on_cancel(&self, hook: CancelHook) {
        if let State::Pending { on_cancel, .. } = &mut *self.state.lock() {
            *on_cancel = Some(hook);
        }
    }

    /// Sets the result and runs the callbacks. Only the first completion counts.
    pub fn complete(self: &Arc<Self>, completion: Completion) {
        if DEPTH.get() > 0 {
            PUT_OFF.with_borrow_mut(|later| later.push((Arc::clone(self), completion)));
            HAS_PUT_OFF.set(true);
            return;
        }
        let (callbacks, hook) = {
            let mut state = self.state.lock();
            let State::Pending { callbacks, on_cancel } = &mut *state else { return };
            // ORDER: the hook is dropped outside the lock, it may own what completes this future.
            let taken = (std::mem::take(callbacks), on_cancel.take());
            *state = State::Ready(completion);
            taken
        };
        self.ready.notify_all();
        drop(hook);
        for callback in callbacks {
            let ready = Arc::clone(self);
            NETWORK.call(Box::new(move || {
                let outer = CALLING_BACK.replace(true);
                callback(&ready);
                CALLING_BACK.set(outer);
            }));
        }
    }

    /// Ends the wait with `operation_cancelled`; nothing happens when the future is ready.
    pub fn cancel(self: &Arc<Self>) {
        let hook = match &mut *self.state.lock() {
            State::Pending { on_cancel, .. } => on_cancel.take(),
            State::Ready(_) | State::Released => return,
        };
        if let Some(hook) = hook {
            hook();
        }
        self.complete(Err(code::OPERATION_CANCELLED));
    }

    /// Runs `callback` when the future is ready, after those that were registered before.
    pub fn add_callback(self: &Arc<Self>, callback: Callback) {
        if let State::Pending { callbacks, .. } = &mut *self.state.lock() {
            callbacks.push(callback);
            return;
        }
        callback(self);
    }

    pub fn is_ready(&self) -> bool {
        !matches!(&*self.state.lock(), State::Pending { .. })
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// 2026 instead of waiting inside a callback or on the network thread.
    pub fn block_until_ready(&self) -> Result<(), i32> {
        let mut state = self.state.lock();
        let may_not_wait = CALLING_BACK.get() || is_network_thread();
        if may_not_wait && matches!(&*state, State::Pending { .. }) {
            return Err(BLOCKED_FROM_NETWORK_THREAD);
        }
        self.ready.wait_while(&mut state, |state| matches!(state, State::Pending { .. }));
        Ok(())
    }

    /// Frees the result; reading it afterwards answers `future_released`.
    pub fn release(&self) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Ready(_)) {
            *state = State::Released;
        }
    }

    /// The error code of a ready future, 0 for success.
    pub fn error(&self) -> i32 {
        self.read(|_| Ok(())).err().unwrap_or(0)
    }

    /// Reads the result of a ready future; what `read` hands out stays in place until the future
    /// is released or destroyed.
    pub fn read<T>(&self, read: impl FnOnce(&mut Outcome) -> Result<T, i32>) -> Result<T, i32> {
        match &mut *self.state.lock() {
            State::Pending { .. } => Err(FUTURE_NOT_SET),
            State::Ready(Ok(outcome)) => read(outcome),
            State::Ready(Err(code)) => Err(*code),
            State::Released => Err(FUTURE_RELEASED),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn counting(count: &Arc<AtomicUsize>) -> Callback {
        let count = Arc::clone(count);
        Box::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[test]
    fn a_callback_runs_once_when_another_thread_completes() {
        let count = Arc::new(AtomicUsize::new(0));
        let future = Future::pending();
        future.add_callback(counting(&count));
        assert!(!future.is_ready());
        assert_eq!(future.error(), FUTURE_NOT_SET);
        let other = Arc::clone(&future);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            other.complete(Ok(Outcome::Int64(7)));
            other.complete(Err(code::OPERATION_FAILED));
        });
        future.block_until_ready().unwrap();
        thread.join().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(future.error(), 0);
    }

    #[test]
    fn a_callback_on_a_ready_future_runs_at_once() {
        let count = Arc::new(AtomicUsize::new(0));
        let future = Future::ready(Err(code::NOT_COMMITTED));
        future.add_callback(counting(&count));
        assert_eq!((count.load(Ordering::SeqCst), future.error()), (1, code::NOT_COMMITTED));
    }

    #[test]
    fn a_callback_cannot_wait_for_what_is_not_ready() {
        let (sender, received) = std::sync::mpsc::channel();
        let (future, pending) = (Future::pending(), Future::pending());
        let (never, ready) = (Arc::clone(&pending), Future::ready(Ok(Outcome::Nothing)));
        let waits = move |_: &Arc<Future>| {
            sender.send((never.block_until_ready(), ready.block_until_ready())).unwrap();
        };
        future.add_callback(Box::new(waits));
        future.complete(Ok(Outcome::Nothing));
        assert_eq!(received.recv(), Ok((Err(BLOCKED_FROM_NETWORK_THREAD), Ok(()))));
        pending.complete(Ok(Outcome::Nothing));
        assert_eq!(pending.block_until_ready(), Ok(()));
    }

    #[test]
    fn cancelling_runs_the_hook_and_all_callbacks() {
        let count = Arc::new(AtomicUsize::new(0));
        let hooked = Arc::clone(&count);
        let future = Future::pending();
        future.on_cancel(Box::new(move || {
            hooked.fetch_add(10, Ordering::SeqCst);
        }));
        future.add_callback(counting(&count));
        future.add_callback(counting(&count));
        future.cancel();
        future.cancel();
        assert_eq!(count.load(Ordering::SeqCst), 12);
        assert_eq!(future.error(), code::OPERATION_CANCELLED);
    }

    #[test]
    fn releasing_frees_the_result() {
        let future = Future::ready(Ok(Outcome::Key(vec![1])));
        future.release();
        assert!(future.is_ready());
        assert_eq!(future.error(), FUTURE_RELEASED);
    }
}
