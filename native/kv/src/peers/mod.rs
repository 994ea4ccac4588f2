//! Several processes on one directory: the owner of the store serves the others over a Unix
//! socket in that directory.
//!
//! ```text
//! follower's transaction ── read ──▶ Link: one socket per thread that waits ──▶ ┐
//!                        ── commit ─▶ Link: one socket, answers in any order ──▶ ├ Server, owner
//!                        ── watch ──▶   "                                        ┘
//! ```
//!
//! A follower keeps its transactions' writes, conflict ranges and options to itself, as a client of
//! FoundationDB does; it asks for versions, values and pages of pairs at a version, and hands over
//! commits. `docs/formats/embedded-store.md` has the messages.
//!
//! INVARIANT: a version means something only to the owner that gave it. A connection belongs to one
//! *reign*, a random number made when an owner opens the store; what was read in one reign cannot
//! be committed in another.

mod commits;
mod link;
mod server;
mod socket;
mod view;
mod wire;

pub(crate) use link::{Fired, Incoming, Link};
pub(crate) use server::{Server, new_reign};
pub(crate) use view::RemoteView;

/// How many pairs and bytes a reader of a range expects to need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    pub(crate) pairs: usize,
    pub(crate) bytes: usize,
}

impl PageSize {
    /// For walks over whole ranges.
    pub(crate) const LARGEST: Self = Self { pairs: usize::MAX, bytes: 256 << 10 };

    /// For walks of so many pairs.
    pub(crate) fn of_pairs(pairs: usize) -> Self {
        Self { pairs, ..Self::LARGEST }
    }

    fn doubled(self) -> Self {
        let bytes = self.bytes.saturating_mul(2).min(Self::LARGEST.bytes);
        Self { pairs: self.pairs.saturating_mul(2), bytes }
    }
}
