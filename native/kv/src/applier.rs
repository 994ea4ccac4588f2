//! The apply thread: moves frozen overlays into the tree and lets go of what is old.
//!
//! ORDER: the state before goes to the history, then the tree commits (durable), then the layers
//! lose the overlay, then its log files go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::log::LogFile;
use crate::readers::Reader;
use crate::shared::{PastState, Shared};
use crate::snapshot::{Layers, Overlay};
use crate::tree::Meta;

/// How often old readers are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What the applier is to do.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Stays until it is done.
    pub(crate) job: Option<Job>,
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
            if work.job.is_none() {
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
                if let Err(error) = self.apply(job) {
                    self.shared.poison(error);
                }
                self.shared.work.lock().job = None;
                self.shared.work_changed.notify_all();
            }
            self.sweep();
        }
    }

    fn apply(&mut self, job: Job) -> Result<()> {
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
        shared.tree.apply(&job.overlay.read(), meta)?;
        self.meta = meta;
        let mut layers = shared.layers.write();
        *layers = Arc::new(Layers {
            active: Arc::clone(&layers.active),
            frozen: None,
            generation: layers.generation + 1,
        });
        drop(layers);
        shared.logs.retire(job.files).map_err(|e| Error::io("cannot let go of the old log", &e))
    }

    fn sweep(&self) {
        let generation = self.shared.layers.read().generation;
        self.shared.readers.sweep(generation);
        self.shared.history.sweep();
    }
}
