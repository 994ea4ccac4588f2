//! Commits, one or many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use kronotop_kv::{Committed, Result, Store, Transaction};

use crate::fixture::{Random, key, value};

/// Transactions that are being committed at a time.
pub(crate) const IN_FLIGHT: usize = 64;

/// Keys that one transaction writes.
pub(crate) const WRITES: usize = 6;

/// Commits and waits.
pub(crate) fn commit(tx: &mut Transaction) -> Result<Committed> {
    let (sender, receiver) = mpsc::channel();
    tx.commit(Box::new(move |outcome| drop(sender.send(outcome))));
    receiver.recv().unwrap()
}

/// Keeps [`IN_FLIGHT`] transactions of [`WRITES`] writes on their way.
pub(crate) struct Writer {
    numbers: Numbers,
    sender: Sender<Result<Committed>>,
    receiver: Receiver<Result<Committed>>,
    on_their_way: usize,
}

/// The keys that are written.
enum Numbers {
    /// Random ones below a number: every batch that moves to the tree changes pages all over it.
    Random(Random, usize),
    /// From a number upwards.
    Ascending(usize),
}

impl Numbers {
    fn next(&mut self) -> usize {
        match self {
            Self::Random(random, keys) => random.below(*keys),
            Self::Ascending(last) => {
                *last += 1;
                *last
            }
        }
    }
}

impl Writer {
    /// A writer of random keys of `0..keys`.
    pub(crate) fn new(keys: usize) -> Self {
        Self::of(Numbers::Random(Random(1), keys))
    }

    /// A writer of new keys, one after the other, above `last`.
    pub(crate) fn above(last: usize) -> Self {
        Self::of(Numbers::Ascending(last))
    }

    fn of(numbers: Numbers) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { numbers, sender, receiver, on_their_way: 0 }
    }

    /// Commits `count` transactions and waits for the last.
    pub(crate) fn commit(&mut self, store: &Store, count: u64) {
        for _ in 0..count {
            self.start(store);
        }
        self.finish();
    }

    /// Starts one transaction when there is room for it.
    pub(crate) fn start(&mut self, store: &Store) {
        if self.on_their_way == IN_FLIGHT {
            self.receive();
        }
        let mut tx = store.transaction();
        for _ in 0..WRITES {
            let number = self.numbers.next();
            tx.set(&key(number), &value(number)).unwrap();
        }
        let sender = self.sender.clone();
        tx.commit(Box::new(move |outcome| drop(sender.send(outcome))));
        self.on_their_way += 1;
    }

    pub(crate) fn finish(&mut self) {
        while self.on_their_way > 0 {
            self.receive();
        }
    }

    fn receive(&mut self) {
        self.receiver.recv().unwrap().unwrap();
        self.on_their_way -= 1;
    }
}

/// A thread that commits at full speed until it is stopped.
pub(crate) struct BackgroundWriter {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
    started: Instant,
}

impl BackgroundWriter {
    /// Starts the thread; returns once it has commits behind it.
    pub(crate) fn start(store: &Store, mut writer: Writer) -> Self {
        let started = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let (store, stopped) = (store.clone(), Arc::clone(&stop));
        let (sender, under_way) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut count = 0;
            while !stopped.load(Relaxed) {
                writer.start(&store);
                count += 1;
                if count == 2 * IN_FLIGHT as u64 {
                    sender.send(()).unwrap();
                }
            }
            writer.finish();
            count
        });
        under_way.recv().unwrap();
        Self { stop, thread, started }
    }

    /// Stops the thread; returns how many transactions it committed a second.
    pub(crate) fn stop(self) -> f64 {
        self.stop.store(true, Relaxed);
        let count = self.thread.join().unwrap();
        count as f64 / self.started.elapsed().as_secs_f64()
    }
}
