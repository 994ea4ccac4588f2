//! A load of random transactions that says by itself what must be found of it: each is a function
//! of the seed and its number, and leaves a mark with its commit version.
#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::mpsc;
use std::time::Duration;

use kronotop_kv::error::code;
use kronotop_kv::{MutationType, Options, Result, Store, Transaction};
use kronotop_powerloss::Random;
use tempfile::TempDir;

use crate::support::{commit, range};

/// Where the store is in the directory that is looked at: an opening makes both levels.
pub const STORE: &str = "data/store";

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Commit version and number of each transaction, in serial order.
pub type Order = Vec<(i64, u32)>;

const KEYS: usize = 36;
const MARK: u8 = b'm';
const STAMPED: u8 = b's';

enum Step {
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>),
    ClearRange(Vec<u8>, Vec<u8>),
    Add(Vec<u8>),
    /// A key with the versionstamp in it.
    Stamp,
}

/// Number `id` of the transactions of a seed.
pub struct Plan {
    id: u32,
    reads: Vec<Vec<u8>>,
    steps: Vec<Step>,
}

fn key(number: usize) -> Vec<u8> {
    /// On both sides of the length from which keys share LMDB keys, up to the limit.
    const LONG: [usize; 12] =
        [600, 1898, 1899, 1900, 1901, 1902, 1950, 2500, 4000, 6000, 9999, 10_000];
    match number.checked_sub(KEYS - LONG.len()) {
        None => vec![b'd', number as u8],
        Some(long) => [&b"d\x80"[..], &vec![b'l'; LONG[long] - 2]].concat(),
    }
}

fn any_key(random: &mut Random) -> Vec<u8> {
    let short = random.percent(80);
    key(if short { random.below(20) } else { random.below(KEYS) })
}

fn value(random: &mut Random) -> Vec<u8> {
    let length = match random.below(40) {
        0 => random.below(100_001),
        1..4 => random.below(6000),
        _ => random.below(120),
    };
    let mut value = random.any().to_le_bytes().repeat(length.div_ceil(8));
    value.truncate(length);
    value
}

impl Plan {
    pub fn new(seed: u64, id: u32) -> Self {
        let mut random = Random::new(seed ^ u64::from(id) << 32);
        let reads = if random.percent(30) { random.below(3) } else { 0 };
        let reads = (0..reads).map(|_| any_key(&mut random)).collect();
        let steps = (0..1 + random.below(7)).map(|_| Self::step(&mut random)).collect();
        Self { id, reads, steps }
    }

    fn step(random: &mut Random) -> Step {
        match random.below(12) {
            0..5 => Step::Set(any_key(random), value(random)),
            5 => Step::Clear(any_key(random)),
            6 if random.percent(10) => Step::ClearRange(vec![STAMPED], vec![STAMPED + 1]),
            6 => {
                let mut bounds = [any_key(random), any_key(random)];
                bounds.sort();
                let [begin, end] = bounds;
                Step::ClearRange(begin, end)
            }
            7..10 => Step::Add(vec![b'c', random.below(3) as u8]),
            _ => Step::Stamp,
        }
    }

    fn mark(&self) -> Vec<u8> {
        [&[MARK][..], &self.id.to_be_bytes()].concat()
    }

    fn stamped(&self, stamp: &[u8]) -> Vec<u8> {
        [&[STAMPED], stamp, &self.id.to_be_bytes()].concat()
    }

    /// Fills a transaction.
    pub fn enter(&self, tx: &mut Transaction) -> Result<()> {
        for key in &self.reads {
            tx.get(key, false)?;
        }
        for step in &self.steps {
            match step {
                Step::Set(key, value) => tx.set(key, value)?,
                Step::Clear(key) => tx.clear(key)?,
                Step::ClearRange(begin, end) => tx.clear_range(begin, end)?,
                Step::Add(key) => tx.atomic_op(key, &1_i64.to_le_bytes(), MutationType::Add)?,
                Step::Stamp => {
                    let template = [self.stamped(&[0; 10]), 1_u32.to_le_bytes().to_vec()].concat();
                    tx.atomic_op(&template, b"", MutationType::SetVersionstampedKey)?;
                }
            }
        }
        tx.atomic_op(&self.mark(), &[0; 14], MutationType::SetVersionstampedValue)
    }

    /// Does to the model what the transaction does when it commits at `version`.
    fn apply(&self, version: i64, model: &mut Model) {
        let stamp = [&version.to_be_bytes()[..], &[0; 2]].concat();
        for step in &self.steps {
            match step {
                Step::Set(key, value) => drop(model.insert(key.clone(), value.clone())),
                Step::Clear(key) => drop(model.remove(key)),
                Step::ClearRange(begin, end) => {
                    model.retain(|key, _| key < begin || key >= end);
                }
                Step::Add(key) => {
                    let old = model.get(key).map_or([0; 8], |old| old[..].try_into().unwrap());
                    let sum = i64::from_le_bytes(old) + 1;
                    model.insert(key.clone(), sum.to_le_bytes().to_vec());
                }
                Step::Stamp => drop(model.insert(self.stamped(&stamp), Vec::new())),
            }
        }
        model.insert(self.mark(), stamp);
    }
}

/// Settings that move data through all layers many times in a round.
pub fn options(random: &mut Random) -> Options {
    Options {
        log_file_bytes: [4 << 10, 16 << 10, 64 << 10][random.below(3)],
        log_reserve_bytes: [4 << 10, 16 << 10][random.below(2)],
        overlay_bytes: [2 << 10, 16 << 10, 128 << 10][random.below(3)],
        overlay_age: Duration::from_millis([1, 5, 40][random.below(3)]),
        map_bytes: 256 << 20,
        ..Options::default()
    }
}

/// A directory in memory where there is one, because hundreds of stores are made and removed. What
/// is durable is a matter of the trace, not of the disk below.
pub fn scratch() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// What was answered to whom: `a <id> <version>` for a commit, `f <id>` for one that failed.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    pub committed: BTreeMap<u32, i64>,
    pub failed: BTreeSet<u32>,
}

impl Answers {
    /// Takes in a line; others than the above are passed over.
    pub fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["a", id, version] => {
                self.committed.insert(id.parse().unwrap(), version.parse().unwrap());
            }
            ["f", id] => drop(self.failed.insert(id.parse().unwrap())),
            _ => {}
        }
    }

    /// Takes in what another one has.
    pub fn add(&mut self, other: &Self) {
        self.committed.extend(&other.committed);
        self.failed.extend(&other.failed);
    }

    /// The serial order, when every commit has been answered.
    pub fn order(&self) -> Order {
        let mut order: Order = self.committed.iter().map(|(id, at)| (*at, *id)).collect();
        order.sort_unstable();
        order
    }
}

/// Commits transactions, several at a time, and notes each answer after it came. Returns when the
/// last few are still in flight.
pub fn run_client<N: Fn(&str) + Clone + Send + 'static>(
    store: &Store,
    seed: u64,
    ids: Range<u32>,
    note: &N,
) {
    const WINDOW: usize = 6;
    let (sender, answered) = mpsc::channel();
    for (number, id) in ids.enumerate() {
        let mut tx = store.transaction();
        Plan::new(seed, id).enter(&mut tx).unwrap();
        let (note, sender) = (note.clone(), sender.clone());
        tx.commit(Box::new(move |outcome| {
            match outcome {
                Ok(committed) => note(&format!("a {id} {}", committed.version)),
                Err(error) => {
                    assert_eq!(error.code, code::NOT_COMMITTED, "{error}");
                    note(&format!("f {id}"));
                }
            }
            let _ = sender.send(());
        }));
        if number >= WINDOW {
            answered.recv_timeout(Duration::from_secs(60)).expect("commits are answered");
        }
    }
}

/// Runs three clients at once on a share of the numbers each, and closes the store.
pub fn run_clients<N: Fn(&str) + Clone + Send + Sync + 'static>(
    store: &Store,
    seed: u64,
    ids: Range<u32>,
    note: &N,
) {
    let share = ids.len() as u32 / 3;
    std::thread::scope(|scope| {
        for client in 0..3 {
            let first = ids.start + client * share;
            scope.spawn(move || run_client(store, seed, first..first + share, note));
        }
    });
}

/// Checks all that is in a store: the transactions with a mark, in the order of their versions and
/// nothing else explain it; no commit that was answered is missing, none that failed is there.
/// Returns the transactions.
pub fn check(store: &Store, seed: u64, answers: &Answers) -> std::result::Result<Order, String> {
    let read = || range(&mut store.transaction(), b"", b"\xff").map_err(|e| e.to_string());
    let pairs = read()?;
    let mut order = Order::new();
    for (key, value) in pairs.iter().filter(|(key, _)| key[0] == MARK) {
        let id = u32::from_be_bytes(key[1..].try_into().unwrap());
        order.push((i64::from_be_bytes(value[..8].try_into().unwrap()), id));
    }
    order.sort_unstable();
    let found: BTreeMap<u32, i64> = order.iter().map(|(version, id)| (*id, *version)).collect();
    if order.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err("two commits have one version".to_owned());
    }
    for (id, version) in &answers.committed {
        match found.get(id) {
            Some(at) if at == version => {}
            Some(at) => return Err(format!("{id} committed at {version}, is found at {at}")),
            None => return Err(format!("{id} committed at {version}, and is lost")),
        }
    }
    if let Some(id) = answers.failed.iter().find(|id| found.contains_key(id)) {
        return Err(format!("{id} failed, and is there"));
    }
    let mut model = Model::new();
    for (version, id) in &order {
        Plan::new(seed, *id).apply(*version, &mut model);
    }
    let explained = model.into_iter().collect::<Vec<_>>();
    match explained.iter().zip(&pairs).find(|(wanted, found)| wanted != found) {
        Some(((key, _), (found, _))) => {
            Err(format!("the order explains {}, found is {}", show(key), show(found)))
        }
        None if explained.len() != pairs.len() => {
            Err(format!("{} pairs are explained, {} found", explained.len(), pairs.len()))
        }
        None => Ok(order),
    }
}

fn show(key: &[u8]) -> String {
    format!("{:?}… of {} bytes", String::from_utf8_lossy(&key[..key.len().min(8)]), key.len())
}

/// The numbers of transactions that check a recovered store begin here.
pub const LATER: u32 = 1 << 30;

/// Commits one more transaction, which must succeed after all that is in `order`.
pub fn commit_later(
    store: &Store,
    seed: u64,
    id: u32,
    order: &Order,
) -> std::result::Result<i64, String> {
    let mut tx = store.transaction();
    Plan::new(seed, id).enter(&mut tx).map_err(|error| error.to_string())?;
    let version =
        commit(&mut tx).map_err(|error| format!("no commit afterwards: {error}"))?.version;
    match order.last() {
        Some((last, _)) if *last >= version => {
            Err(format!("version {version} was given after {last}"))
        }
        _ => Ok(version),
    }
}
