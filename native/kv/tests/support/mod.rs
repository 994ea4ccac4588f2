//! Helpers of the store's tests.
#![allow(dead_code, reason = "every test file uses a part")]

use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use kronotop_kv::{Committed, KeySelector, Options, RangeOptions, Result, Store, Transaction};

/// Runs a property for some seeds, or the one in `SEED`; names the seed that fails.
pub fn for_seeds(count: u64, property: impl Fn(u64)) {
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with SEED={}", self.0);
            }
        }
    }
    let wanted = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let base = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let first = wanted.unwrap_or(base.as_nanos() as u64);
    println!("seeds from {first} on");
    for seed in first..first + wanted.map_or(count, |_| 1) {
        let _named = Named(seed);
        property(seed);
    }
}

/// Rounds of a randomised test: some in `npm test`, many in the long run.
pub fn rounds(short: u64, long: u64) -> u64 {
    let is_long = std::env::var("KRONOTOP_TEST_LONG").is_ok_and(|long| long == "1");
    if is_long { long } else { short }
}

/// Options that move data through all layers quickly.
pub fn small() -> Options {
    Options {
        log_file_bytes: 64 << 10,
        log_reserve_bytes: 16 << 10,
        overlay_bytes: 2 << 10,
        overlay_age: Duration::from_millis(20),
        map_bytes: 1 << 30,
        ..Options::default()
    }
}

/// Opens the store in a directory; with `KRONOTOP_TEST_FOLLOWER` as another process would that
/// finds it open: an owner is opened first, and stays.
pub fn open(dir: &Path, options: Options) -> Store {
    static OWNERS: Mutex<Vec<(PathBuf, Store)>> = Mutex::new(Vec::new());
    if std::env::var_os("KRONOTOP_TEST_FOLLOWER").is_some() {
        let mut owners = OWNERS.lock().unwrap();
        if owners.iter().all(|(owned, _)| owned != dir) {
            owners.push((dir.to_path_buf(), Store::open(dir, options.clone()).unwrap()));
        }
    }
    Store::open(dir, options).unwrap()
}

pub fn commit(tx: &mut Transaction) -> Result<Committed> {
    let (sender, receiver) = mpsc::channel();
    tx.commit(Box::new(move |outcome| sender.send(outcome).unwrap()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("the commit is answered")
}

pub fn write(store: &Store, key: &[u8], value: &[u8]) -> Committed {
    let mut tx = store.transaction();
    tx.set(key, value).unwrap();
    commit(&mut tx).unwrap()
}

pub fn read(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.transaction().get(key, true).unwrap()
}

pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// All pairs between two keys.
pub fn range(tx: &mut Transaction, begin: &[u8], end: &[u8]) -> Result<Pairs> {
    let mut begin = KeySelector::first_greater_or_equal(begin);
    let end = KeySelector::first_greater_or_equal(end);
    let mut pairs = Pairs::new();
    loop {
        let batch = tx.get_range(&begin, &end, &RangeOptions::default())?;
        pairs.extend(batch.pairs().map(|(key, value)| (key.to_vec(), value.to_vec())));
        if !batch.more {
            return Ok(pairs);
        }
        begin = KeySelector::first_greater_than(pairs.last().unwrap().0.clone());
    }
}
