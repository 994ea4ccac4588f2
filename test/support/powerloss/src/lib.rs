//! Power loss and sudden death for tests of what is on disk.
//!
//! A process under the recorder (`recorder.cc`, an `LD_PRELOAD` library) leaves a [`Trace`] of
//! what it did to the files below one directory. From a trace and the [`Snapshot`] it began with
//! come the images that a power loss at any moment may leave behind.
#![allow(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "an index out of bounds is a mistake in the test, which fails by it"
)]

mod image;
mod random;
mod recorder;
mod snapshot;
mod trace;

pub use image::Cut;
pub use random::Random;
pub use recorder::{KILL, PRELOAD, ROOT, Recording, library};
pub use snapshot::Snapshot;
pub use trace::Trace;
