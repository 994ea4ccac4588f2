//! The store that reads, commits and openings are measured on.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kronotop_kv::{Options, Store};
use tempfile::TempDir;

use crate::Scale;
use crate::io::{Counters, CountingIo};
use crate::writer::{self, commit};

/// Bytes of a value; a key has 14.
const VALUE_BYTES: usize = 64;

/// Keys that one transaction of filling writes.
const FILL_BATCH: usize = 10_000;

/// The key with a number.
pub(crate) fn key(number: usize) -> Vec<u8> {
    format!("key/{number:010}").into_bytes()
}

/// A value that differs with its number.
pub(crate) fn value(number: usize) -> Vec<u8> {
    let mut value = vec![b'v'; VALUE_BYTES];
    value.splice(..8, number.to_be_bytes());
    value
}

/// A walk over numbers that looks random and is the same in every run (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// Options under which commits stay above the tree.
pub(crate) fn kept_in_overlay() -> Options {
    Options { overlay_bytes: 1 << 30, overlay_age: Duration::from_secs(3600), ..Options::default() }
}

/// Sets the keys `0..count`.
pub(crate) fn fill(store: &Store, count: usize) {
    for first in (0..count).step_by(FILL_BATCH) {
        let mut tx = store.transaction();
        for number in first..(first + FILL_BATCH).min(count) {
            tx.set(&key(number), &value(number)).unwrap();
        }
        commit(&mut tx).unwrap();
    }
}

/// A directory with a closed store of `scale.keys` keys, all in the tree; made when first needed.
pub(crate) struct Fixture {
    pub(crate) scale: Scale,
    dir: OnceCell<TempDir>,
}

impl Fixture {
    pub(crate) fn new(scale: Scale) -> Self {
        Self { scale, dir: OnceCell::new() }
    }

    pub(crate) fn dir(&self) -> &Path {
        let make = || {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path(), Options::default()).unwrap();
            fill(&store, self.scale.keys);
            store.close().unwrap();
            dir
        };
        self.dir.get_or_init(make).path()
    }

    /// Opens the store; its commit log is counted.
    pub(crate) fn open(&self, options: Options) -> (Store, Arc<Counters>) {
        let counters = Arc::<Counters>::default();
        let io = Arc::new(CountingIo(Arc::clone(&counters)));
        (Store::open(self.dir(), Options { io, ..options }).unwrap(), counters)
    }

    /// A writer of random keys of the store.
    pub(crate) fn writer(&self) -> writer::Writer {
        writer::Writer::new(self.scale.keys)
    }
}
