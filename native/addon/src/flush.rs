//! Flush promises. Callers that ask before a flush starts get the same promise, and one native
//! flush answers them all; a thread per volume, started by the first flush, does the waiting.

use std::sync::Arc;
use std::thread;

use kronotop_segment::Volume;
use napi::bindgen_prelude::{ObjectRef, PromiseRaw};
use napi::{Env, JsDeferred, JsValue};
use parking_lot::{Condvar, Mutex};

use crate::error::{Result, caught, from_volume};

type Settle = Box<dyn FnOnce(Env) -> Result<()> + Send>;

/// The callers of a flush that has not started.
struct Group {
    deferred: JsDeferred<(), Settle>,
    promise: ObjectRef<false>,
}

#[derive(Default)]
struct State {
    group: Option<Group>,
    started: bool,
    closed: bool,
}

pub(crate) struct Flusher {
    volume: Arc<Volume>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Flusher {
    pub(crate) fn new(volume: Arc<Volume>) -> Arc<Self> {
        Arc::new(Self { volume, state: Mutex::default(), changed: Condvar::new() })
    }

    /// A promise of the next flush; resolved at once when there is nothing to flush.
    pub(crate) fn flush<'env>(self: &Arc<Self>, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        if !self.volume.needs_flush() {
            return PromiseRaw::resolve(env, ());
        }
        let mut state = self.state.lock();
        if state.closed {
            return Err(from_volume(kronotop_segment::Error::Closed));
        }
        if let Some(group) = &state.group {
            return Ok(PromiseRaw::new(env.raw(), group.promise.get_value(env)?.raw()));
        }
        if !state.started {
            let flusher = self.clone();
            thread::Builder::new().name("volume-flush".to_owned()).spawn(move || flusher.run())?;
            state.started = true;
        }
        let (deferred, promise) = env.create_deferred()?;
        state.group = Some(Group { deferred, promise: promise.create_ref()? });
        self.changed.notify_one();
        Ok(PromiseRaw::new(env.raw(), promise.raw()))
    }

    /// Ends the thread after the flush that has been asked for.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    fn run(&self) {
        while let Some(Group { deferred, promise }) = self.next_group() {
            let result = caught(|| self.volume.flush().map_err(from_volume));
            deferred.resolve(Box::new(move |env| {
                promise.unref(&env)?;
                result
            }));
        }
    }

    fn next_group(&self) -> Option<Group> {
        let mut state = self.state.lock();
        loop {
            if let Some(group) = state.group.take() {
                return Some(group);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }
}
