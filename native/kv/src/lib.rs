//! The embedded store: FoundationDB's semantics on one host, in one directory.
//!
//! A commit is checked against recent writes, gets its version, goes into a commit log that is
//! flushed once per group, and becomes visible in memory; a background thread moves it into LMDB.
//! Several processes may open one directory: the first owns it and serves the others.
//! `docs/formats/embedded-store.md` has the files; the modules have the reasons.

mod applier;
mod atomic;
mod client;
mod clock;
mod committer;
mod conflicts;
pub mod error;
mod faults;
mod keys;
mod late;
mod log;
mod merge;
mod options;
mod overlay;
mod owner;
mod peers;
mod pending;
mod readers;
mod shared;
mod snapshot;
mod store;
mod threads;
mod transaction;
mod tree;
mod types;
mod unreadable;
mod view;
mod watches;
mod write_map;

pub use atomic::MutationType;
pub use committer::OnCommitted;
pub use error::{Error, Result};
pub use faults::Faults;
pub use keys::{KEY_LIMIT, SYSTEM_KEY_LIMIT, TRANSACTION_LIMIT, VALUE_LIMIT, VERSION_WINDOW};
pub use late::LateAnswer;
pub use options::Options;
pub use store::Store;
pub use transaction::{Transaction, option_code};
pub use types::{Committed, ConflictKind, KeySelector, RangeOptions, RangeResult, StreamingMode};
pub use watches::{OnFire, WATCH_LIMIT, WatchHandle};
