//! Memory beside the map of the tree (RssAnon), and the commit log, while keys are stored, read,
//! and written over faster than they can be moved to the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kronotop_kv::{KeySelector, Options, RangeOptions, Store};

use crate::Scale;
use crate::figures::Figures;
use crate::fixture::{Random, fill, key};
use crate::writer::Writer;

const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);

/// Random reads and writes are this part of the keys.
const SHARE: usize = 4;

/// Reads of one transaction.
const READS: usize = 1_000;

pub(crate) fn measure(scale: Scale, figures: &Figures) {
    let dir = tempfile::tempdir().unwrap();
    let base = resident("RssAnon");
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let keys = scale.memory_keys;
    let step = |name: &str, body: &mut dyn FnMut()| {
        let peak = Peak::start(dir.path());
        let started = Instant::now();
        body();
        let took = started.elapsed().as_secs_f64();
        let (anon, log) = peak.stop();
        let now = mib(resident("RssAnon").saturating_sub(base));
        let figure = format!("{now} MiB, peak {}", mib(anon.saturating_sub(base)));
        figures.add(&format!("memory: {name}"), format!("{took:.1} s"), figure, BOUND);
        figures.add_one("  log", format!("peak {} MiB", mib(log)), "≤ 320 MiB");
    };
    step(&format!("{keys} keys stored"), &mut || fill(&store, keys));
    step(&format!("{} point reads", keys / SHARE), &mut || read_points(&store, keys));
    step("all keys read as ranges", &mut || assert_eq!(read_all(&store), keys));
    step(&format!("{} random keys written over", keys / SHARE), &mut || {
        Writer::new(keys).commit(&store, (keys / SHARE / 6) as u64);
    });
    step(&format!("one key written over {} times", scale.overwrites), &mut || {
        Writer::new(1).commit(&store, scale.overwrites as u64);
    });
    figures.add_one("  map of the tree in memory", format!("{} MiB", mib(resident("RssFile"))), "");
    store.close().unwrap();
}

/// `docs/ARCHITECTURE.md` says what it consists of.
const BOUND: &str = "≤ 1,280 MiB";

fn read_points(store: &Store, keys: usize) {
    let mut random = Random(5);
    for _ in 0..(keys / SHARE).div_ceil(READS) {
        let mut tx = store.transaction();
        for _ in 0..READS {
            assert!(tx.get(&key(random.below(keys)), true).unwrap().is_some());
        }
    }
}

fn read_all(store: &Store) -> usize {
    let options = RangeOptions { snapshot: true, ..RangeOptions::default() };
    let end = KeySelector::first_greater_or_equal("key0");
    let mut begin = KeySelector::first_greater_or_equal("key/");
    let mut count = 0;
    loop {
        // One a batch: all of them take longer than a transaction may.
        let range = store.transaction().get_range(&begin, &end, &options).unwrap();
        count += range.count;
        let last = range.pairs().last().map(|(key, _)| key.to_vec());
        match last {
            Some(last) if range.more => begin = KeySelector::first_greater_than(last),
            _ => return count,
        }
    }
}

/// Looks now and then, until it is stopped.
struct Peak {
    stop: Arc<AtomicBool>,
    anon: Arc<AtomicU64>,
    log: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Peak {
    fn start(dir: &Path) -> Self {
        let (stop, anon, log) = (Arc::default(), Arc::default(), Arc::default());
        let look = looking(dir.join("log"), Arc::clone(&anon), Arc::clone(&log));
        let stopped = Arc::<AtomicBool>::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                look();
                thread::sleep(SAMPLE_INTERVAL);
            }
            look();
        });
        Self { stop, anon, log, thread }
    }

    /// The highest RssAnon and length of the log files, in bytes.
    fn stop(self) -> (u64, u64) {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap();
        (self.anon.load(Relaxed), self.log.load(Relaxed))
    }
}

fn looking(log: PathBuf, anon: Arc<AtomicU64>, longest: Arc<AtomicU64>) -> impl Fn() {
    move || {
        anon.fetch_max(resident("RssAnon"), Relaxed);
        let files = fs::read_dir(&log).into_iter().flatten().flatten();
        // A file may go while we look.
        let lengths = files.filter_map(|file| Some(file.metadata().ok()?.len()));
        longest.fetch_max(lengths.sum(), Relaxed);
    }
}

/// Bytes of a kind that the process has in memory; 0 where the system does not say.
fn resident(kind: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
