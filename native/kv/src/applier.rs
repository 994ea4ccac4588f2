//! The apply thread: moves frozen overlays into the tree and lets go of what is old.
//!
//! ORDER: the state before goes to the history, then the tree commits (durable), then the layers
//! lose the overlay, then its log files go.
//!
//! A full disk is no failure: the tree is as before, the log still holds every commit, and the
//! applier tries again until there is room. Meanwhile the store is *stalled*.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::log::LogFile;
use crate::overlay::Overlay;
use crate::readers::Reader;
use crate::shared::{PastState, Shared};
use crate::snapshot::Layers;
use crate::tree::Meta;

/// How often old readers are looked for, and how long a stalled applier waits.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What the applier is to do.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Stays until it is done.
    pub(crate) job: Option<Job>,
    /// The disk has no room for the job.
    pub(crate) stalled: bool,
    pub(crate) stop: bool,
}

/// A frozen overlay and what the tree's meta record says once it is applied.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) last_version: i64,
    pub(crate) last_frame: u64,
    pub(crate) files: Vec<LogFile>,
}

/// See the module's header.
pub(crate) struct Applier {
    shared: Arc<Shared>,
    meta: Meta,
}

impl Applier {
    pub(crate) fn new(shared: Arc<Shared>, meta: Meta) -> Self {
        Self { shared, meta }
    }

    /// Applies until the committer has stopped.
    pub(crate) fn run(mut self) {
        loop {
            let mut work = self.shared.work.lock();
            if work.job.is_none() || work.stalled {
                if work.stop {
                    return;
                }
                self.shared.work_changed.wait_for(&mut work, SWEEP_INTERVAL);
            }
            // The overlay stays the applier's business until the job is taken away below.
            let next = work.job.as_mut().map(|job| {
                let files = std::mem::take(&mut job.files);
                let overlay = Arc::clone(&job.overlay);
                Job { overlay, files, last_version: job.last_version, last_frame: job.last_frame }
            });
            drop(work);
            if let Some(job) = next {
                self.apply_or_stall(job);
            }
            self.sweep();
        }
    }

    fn apply_or_stall(&mut self, mut job: Job) {
        let stalled = self.apply(&mut job).unwrap_or_else(|error| {
            self.shared.poison(error);
            false
        });
        let mut work = self.shared.work.lock();
        work.stalled = stalled;
        work.job = stalled.then_some(job);
        self.shared.work_changed.notify_all();
    }

    /// Returns true when the disk has no room for the job: then nothing has changed.
    fn apply(&mut self, job: &mut Job) -> Result<bool> {
        let shared = &self.shared;
        let before = Arc::clone(&shared.layers.read());
        shared.history.push(PastState {
            applied_version: self.meta.applied_version,
            layers: before,
            reader: Arc::new(Reader::fixed(shared.tree.begin_read()?)),
            since: Instant::now(),
        });
        let applied_version = self.meta.applied_version.max(job.last_version);
        let meta = Meta { applied_version, applied_frame: job.last_frame, ..self.meta };
        if let Err(error) = shared.tree.apply(&job.overlay.read(), meta) {
            return if shared.tree.is_disk_full() { Ok(true) } else { Err(error) };
        }
        self.meta = meta;
        let mut layers = shared.layers.write();
        *layers = Arc::new(Layers {
            active: Arc::clone(&layers.active),
            frozen: None,
            generation: layers.generation + 1,
        });
        drop(layers);
        shared.logs.retire(std::mem::take(&mut job.files));
        Ok(false)
    }

    fn sweep(&self) {
        let generation = self.shared.layers.read().generation;
        self.shared.readers.sweep(generation);
        self.shared.history.sweep(self.shared.options.history_bytes);
        self.shared.free_discarded();
    }
}
