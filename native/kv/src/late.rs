//! Answers that are kept back for a while. They are given on a thread of their own, which starts
//! with the first of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Gives an answer; must not block.
pub type LateAnswer = Box<dyn FnOnce() + Send>;

/// See the module's header.
#[derive(Default)]
pub(crate) struct LateAnswers {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By the time when they are due; the number separates those of one instant.
    answers: BTreeMap<(Instant, u64), LateAnswer>,
    count: u64,
    thread: Option<JoinHandle<()>>,
    stopped: bool,
}

impl fmt::Debug for LateAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateAnswers").finish_non_exhaustive()
    }
}

impl LateAnswers {
    /// Gives `answer` after `delay`; at once when the store is closed or no thread can be had.
    pub(crate) fn give_after(self: &Arc<Self>, delay: Duration, answer: LateAnswer) {
        let mut state = self.state.lock();
        if !state.stopped && state.thread.is_none() {
            let answers = Arc::clone(self);
            let thread = thread::Builder::new().name("kv-late".to_owned());
            state.thread = thread.spawn(move || answers.run()).ok();
        }
        if state.stopped || state.thread.is_none() {
            drop(state);
            return answer();
        }
        state.count += 1;
        let due = (Instant::now() + delay, state.count);
        state.answers.insert(due, answer);
        self.changed.notify_one();
    }

    /// Has all answers given now. Returns the thread to wait for, unless this is it.
    pub(crate) fn stop(&self) -> Option<JoinHandle<()>> {
        let mut state = self.state.lock();
        state.stopped = true;
        self.changed.notify_one();
        state.thread.take().filter(|thread| thread.thread().id() != thread::current().id())
    }

    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            match state.answers.first_key_value().map(|((due, _), _)| *due) {
                None if state.stopped => return,
                None => self.changed.wait(&mut state),
                Some(due) if due > Instant::now() && !state.stopped => {
                    self.changed.wait_until(&mut state, due);
                }
                Some(_) => {
                    let first = state.answers.pop_first();
                    // ORDER: an answer may bring about the next one, so the lock is released.
                    MutexGuard::unlocked(&mut state, || first.map(|(_, answer)| answer()));
                }
            }
        }
    }
}
