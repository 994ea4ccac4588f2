//! Random interleaved transactions against a simple model: a sorted map per version and a replay
//! of every transaction's operations at its commit.
//!
//! A commit must fail when, and only when, somebody wrote since its read version where it read.
//! What commits is explained by the order of the commit versions: all its reads, made again on the
//! state of the version before it, answer the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod state;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::sync::Arc;

use kronotop_kv::error::code;
use kronotop_kv::{
    ConflictKind, Error, KeySelector, MutationType, Options, RangeOptions, Store, StreamingMode,
    Transaction, option_code,
};
use kronotop_powerloss::Random;
use kronotop_segment::faulty::FaultyIo;
use state::{Answer, END, Map, Op, Pair, Ranges, Read, after, meet, minus, replay, short};
use support::{commit, for_seeds, open, range, rounds, small};

const KEY_LIMIT: usize = 10_000;

/// Modes with the bytes of their batches; for the iterator those of the first three.
const MODES: [(StreamingMode, i32, usize); 9] = [
    (StreamingMode::WantAll, 1, 80_000),
    (StreamingMode::Iterator, 1, 4096),
    (StreamingMode::Iterator, 2, 6144),
    (StreamingMode::Iterator, 10, 120_000),
    (StreamingMode::Exact, 1, usize::MAX),
    (StreamingMode::Small, 1, 256),
    (StreamingMode::Medium, 1, 1000),
    (StreamingMode::Large, 1, 4096),
    (StreamingMode::Serial, 1, 80_000),
];

const KINDS: [MutationType; 10] = [
    MutationType::Add,
    MutationType::BitAnd,
    MutationType::BitOr,
    MutationType::BitXor,
    MutationType::AppendIfFits,
    MutationType::Max,
    MutationType::Min,
    MutationType::ByteMin,
    MutationType::ByteMax,
    MutationType::CompareAndClear,
];

fn xs(count: usize, tail: &[u8]) -> Vec<u8> {
    [&vec![b'x'; count][..], tail].concat()
}

/// The keys most used, with neighbours on both sides of the edge at which keys become long.
fn universe() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> =
        [&b""[..], b"\0", b"a", b"a\0", b"ab", b"b", b"m", b"xx", b"y", b"\xfe", b"\xfe\xff"]
            .map(<[u8]>::to_vec)
            .into();
    for tail in [&b""[..], b"\0", b"a", b"y"] {
        keys.extend([1898, 1899, 1900, 1901].map(|count| xs(count, tail)));
    }
    keys.extend([xs(1900, b"yy"), xs(1899, b"w"), xs(9_999, b"z"), xs(KEY_LIMIT, b"")]);
    keys.sort();
    keys.dedup();
    keys
}

struct Open {
    tx: Transaction,
    /// `None`: blind, it never reads.
    version: Option<i64>,
    /// The state at its version, and the same with its own writes.
    base: Map,
    view: Map,
    reads_own_writes: bool,
    snapshots_see_own_writes: bool,
    /// Where versionstamps make reads fail.
    unreadable: Ranges,
    /// Parts that the transaction itself decides.
    known: Ranges,
    ops: Vec<Op>,
    /// Conflict ranges; those of stamped keys are known at the commit.
    reads: Ranges,
    writes: Ranges,
    /// Reads with the number of operations before them.
    answers: Vec<(Read, usize, Answer)>,
}

struct Model {
    /// Of one directory, as processes that share it: one of them owns the store.
    stores: Vec<Store>,
    keys: Vec<Vec<u8>>,
    /// The state after each commit.
    history: Vec<(i64, Map)>,
    /// Everything written, with its version.
    written: Vec<(i64, Vec<u8>, Vec<u8>)>,
    open: Vec<Open>,
    random: Random,
    conflicts: usize,
    /// Some writes of this run add no conflict, which takes the order's meaning from it.
    unseen_writes: bool,
    io: Arc<FaultyIo>,
    dir: PathBuf,
    /// Commits before this one belong to an earlier life of the store.
    opened_at: usize,
}

/// Committed writes go to the tree at once, now and then, or not before the store is closed.
fn options(random: &mut Random, io: &Arc<FaultyIo>) -> Options {
    let overlay_bytes = [1, 2 << 10, 64 << 10, 8 << 20][random.below(4)];
    Options { io: Arc::clone(io) as _, overlay_bytes, ..small() }
}

impl Model {
    fn new(dir: &std::path::Path, seed: u64) -> Self {
        let (mut random, io) = (Random::new(seed), Arc::new(FaultyIo::new()));
        Self {
            stores: (0..1 + random.below(3))
                .map(|_| open(dir, options(&mut random, &io)))
                .collect(),
            io,
            dir: dir.to_path_buf(),
            opened_at: 0,
            keys: universe(),
            history: vec![(0, Map::new())],
            written: Vec::new(),
            open: Vec::new(),
            unseen_writes: random.chance(3),
            random,
            conflicts: 0,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        if !self.random.chance(6) {
            let at = self.random.below(self.keys.len());
            return self.keys[at].clone();
        }
        let len = match self.random.below(3) {
            0 => self.random.below(6),
            1 => 1_895 + self.random.below(10),
            _ => self.random.below(KEY_LIMIT + 1),
        };
        let tail = self.random.below(4).min(len);
        let tail: Vec<u8> = (0..tail).map(|_| b"\0xy\xfe"[self.random.below(4)]).collect();
        xs(len - tail.len(), &tail)
    }

    fn value(&mut self) -> Vec<u8> {
        let len = if self.random.chance(20) { 30_000 } else { 9 };
        let len = self.random.below(len);
        (0..len).map(|_| self.random.below(4) as u8).collect()
    }

    fn selector(&mut self) -> KeySelector {
        let offset = match self.random.below(10) {
            0..=4 => 1,
            5..=7 => self.random.below(9) as i32 - 4,
            8 => self.random.below(200) as i32 - 100,
            _ => [i32::MIN, -1_000_000, 1_000_000, i32::MAX][self.random.below(4)],
        };
        KeySelector { key: self.key(), or_equal: self.random.chance(3), offset }
    }

    fn state_at(&self, version: i64) -> Map {
        self.history.iter().rev().find(|(at, _)| *at <= version).unwrap().1.clone()
    }

    fn begin(&mut self) {
        let mut tx = self.any_store().transaction();
        let newest = self.history.len() - 1;
        let version = if self.random.chance(4) && newest > self.opened_at {
            let back = self.random.below((newest - self.opened_at).min(30));
            let past = self.history[newest - back].0;
            tx.set_read_version(past).unwrap();
            Some(past)
        } else if self.random.chance(4) {
            None
        } else {
            Some(tx.read_version().unwrap())
        };
        let reads_own_writes = !self.random.chance(8);
        if !reads_own_writes {
            tx.set_option(option_code::READ_YOUR_WRITES_DISABLE, None).unwrap();
        }
        let snapshots_see_own_writes = !self.random.chance(8);
        if !snapshots_see_own_writes {
            tx.set_option(option_code::SNAPSHOT_RYW_DISABLE, None).unwrap();
        }
        let base = version.map_or_else(Map::new, |version| self.state_at(version));
        self.open.push(Open {
            tx,
            version,
            view: base.clone(),
            base,
            reads_own_writes,
            snapshots_see_own_writes,
            unreadable: Ranges::new(),
            known: Ranges::new(),
            ops: Vec::new(),
            reads: Ranges::new(),
            writes: Ranges::new(),
            answers: Vec::new(),
        });
    }

    fn any_store(&mut self) -> &Store {
        let at = self.random.below(self.stores.len());
        &self.stores[at]
    }

    /// Closes all stores, or the one that may be the owner: then another one takes over.
    fn reopen(&mut self) {
        self.open.clear();
        let closed = if self.random.chance(2) { self.stores.len() } else { 1 };
        for store in self.stores.drain(..closed) {
            store.close().unwrap();
        }
        for _ in 0..closed {
            self.stores.push(open(&self.dir, options(&mut self.random, &self.io)));
        }
        // Each has found the next owner: a blind commit before that would be refused.
        for store in &self.stores {
            store.transaction().read_version().unwrap();
        }
        self.opened_at = self.history.len() - 1;
    }

    fn step(&mut self) {
        if self.random.chance(150) {
            self.reopen();
        }
        if self.open.len() < 4 && (self.open.is_empty() || self.random.chance(4)) {
            return self.begin();
        }
        let at = self.random.below(self.open.len());
        match self.random.below(13) {
            0..=4 => self.write(at),
            5 | 6 => {
                let read = Read::Get(self.key());
                self.read(at, read, None);
            }
            7 | 8 => self.get_range(at),
            9 => {
                let read = Read::GetKey(self.selector());
                self.read(at, read, None);
            }
            10 => self.add_conflict(at),
            _ => self.finish(at),
        }
    }

    fn write(&mut self, at: usize) {
        let op = self.operation();
        let no_conflict = self.unseen_writes && self.random.chance(8);
        let open = &mut self.open[at];
        if no_conflict {
            open.tx.set_option(option_code::NEXT_WRITE_NO_WRITE_CONFLICT_RANGE, None).unwrap();
        }
        open.write(&op);
        match &op {
            Op::Clear(begin, end) if begin == end => return,
            _ if no_conflict => {}
            Op::Clear(begin, end) => open.writes.push((begin.clone(), end.clone())),
            Op::StampedKey(..) => {}
            Op::Set(key, _) | Op::Atomic(key, ..) | Op::StampedValue(key, ..) => {
                open.writes.push((key.clone(), after(key)));
            }
        }
        open.note(op);
    }

    fn operation(&mut self) -> Op {
        let (key, other, value) = (self.key(), self.key(), self.value());
        match self.random.below(10) {
            0..=2 => Op::Set(key, value),
            3 => Op::Clear(key.clone(), after(&key)),
            4 => Op::Clear(key.clone().min(other.clone()), key.max(other)),
            5..=7 => Op::Atomic(key, value, KINDS[self.random.below(KINDS.len())]),
            8 => Op::StampedValue(key, value, b"behind"[..self.random.below(7)].to_vec()),
            _ => {
                let mut before = key;
                before.truncate(KEY_LIMIT - 20);
                Op::StampedKey(before, b"behind"[..self.random.below(7)].to_vec(), value)
            }
        }
    }

    fn get_range(&mut self, at: usize) {
        let (begin, end) = (self.selector(), self.selector());
        let (begin, end) =
            if self.random.chance(8) || begin.key < end.key { (begin, end) } else { (end, begin) };
        let (mode, iteration, mode_bytes) = MODES[self.random.below(MODES.len())];
        let target_bytes = [0, 1, 3000, 50_000][self.random.below(4)];
        let mut limit = [0, 1, 2, 5, 1000][self.random.below(5)];
        if mode == StreamingMode::Exact && target_bytes == 0 {
            limit = limit.max(1);
        }
        let reverse = self.random.chance(2);
        let bytes = if target_bytes == 0 { mode_bytes } else { target_bytes.min(mode_bytes) };
        let read = Read::Range { begin, end, limit, bytes, reverse };
        let options =
            RangeOptions { limit, target_bytes, mode, reverse, iteration, snapshot: false };
        self.read(at, read, Some(options));
    }

    fn read(&mut self, at: usize, read: Read, options: Option<RangeOptions>) {
        let snapshot = self.random.chance(4);
        let open = &mut self.open[at];
        if open.version.is_none() {
            return;
        }
        let sees_own = open.reads_own_writes && (!snapshot || open.snapshots_see_own_writes);
        let view = if sees_own { &open.view } else { &open.base };
        let expected = read.answer(view);
        let blocked = |(begin, end): &Pair| sees_own && meet(&open.unreadable, begin, end);
        let fails = read.looks_at(view, &expected).iter().any(blocked);
        let conflict = read.conflict(view, &expected);
        let got = match &read {
            Read::Get(key) => open.tx.get(key, snapshot).map(Answer::Value),
            Read::GetKey(selector) => open.tx.get_key(selector, snapshot).map(Answer::Key),
            Read::Range { begin, end, .. } => {
                let options = RangeOptions { snapshot, ..options.unwrap() };
                open.tx.get_range(begin, end, &options).map(|got| {
                    let pairs = got.pairs().map(|(key, value)| (key.to_vec(), value.to_vec()));
                    Answer::Pairs(pairs.collect(), got.more)
                })
            }
        };
        if fails {
            assert_eq!(got, Err(Error::new(code::ACCESSED_UNREADABLE)), "{read:?}");
            return;
        }
        assert_eq!(got, Ok(expected.clone()), "{read:?} {options:?}");
        if !snapshot {
            let known = if open.reads_own_writes { &open.known } else { &Ranges::new() };
            open.reads.extend(minus(conflict, known));
            open.answers.push((read, open.ops.len(), expected));
        }
    }

    fn add_conflict(&mut self, at: usize) {
        let (a, b) = (self.key(), self.key());
        let (begin, end) = (a.clone().min(b.clone()), a.max(b));
        let writes = self.random.chance(2);
        let open = &mut self.open[at];
        let kind = if writes { ConflictKind::Write } else { ConflictKind::Read };
        open.tx.add_conflict_range(&begin, &end, kind).unwrap();
        if writes && begin < end {
            open.writes.push((begin, end));
        } else if !writes {
            let known = if open.reads_own_writes { &open.known } else { &Ranges::new() };
            open.reads.extend(minus((begin, end), known));
        }
    }

    fn finish(&mut self, at: usize) {
        let mut open = self.open.swap_remove(at);
        let outcome = commit(&mut open.tx);
        if open.ops.is_empty() && open.writes.is_empty() {
            assert_eq!(outcome.unwrap().version, -1);
            return;
        }
        let changed = |(begin, end): &Pair| {
            let later = |at: i64| open.version.is_some_and(|version| at > version);
            self.written.iter().any(|(at, from, to)| later(*at) && from < end && begin < to)
        };
        if let Some((begin, end)) = open.reads.iter().find(|range| changed(range)) {
            let (begin, end) = (short(begin), short(end));
            let read = format!("{begin} to {end} of {:?}", open.answers);
            assert_eq!(outcome, Err(Error::new(code::NOT_COMMITTED)), "{read}");
            self.conflicts += 1;
            return;
        }
        let committed = outcome.unwrap_or_else(|error| panic!("{error} after {:?}", open.answers));
        let stamp = committed.versionstamp().unwrap();
        let (last, newest) = self.history.last().unwrap();
        assert!(committed.version > *last);
        if !self.unseen_writes {
            open.check_serial(newest);
        }
        let mut state = newest.clone();
        replay(&mut state, &open.ops, &stamp);
        self.history.push((committed.version, state));
        for op in &open.ops {
            if let Op::StampedKey(before, behind, _) = op {
                let key = [&before[..], &stamp, behind].concat();
                open.writes.push((key.clone(), after(&key)));
            }
        }
        let writes = open.writes.into_iter();
        self.written.extend(writes.map(|(begin, end)| (committed.version, begin, end)));
    }

    fn check_state(&mut self) {
        let mut tx = self.any_store().transaction();
        let pairs: Map = range(&mut tx, b"", END).unwrap().into_iter().collect();
        assert_eq!(pairs, self.history.last().unwrap().1);
    }
}

impl Open {
    /// Hands an operation to the store.
    fn write(&mut self, op: &Op) {
        let stamped = |before: &[u8], behind: &[u8]| {
            let offset = (before.len() as u32).to_le_bytes();
            [before, &[0; 10], behind, &offset].concat()
        };
        let tx = &mut self.tx;
        match op {
            Op::Set(key, value) => tx.set(key, value),
            Op::Clear(begin, end) if *end == after(begin) => tx.clear(begin),
            Op::Clear(begin, end) => tx.clear_range(begin, end),
            Op::Atomic(key, operand, kind) => tx.atomic_op(key, operand, *kind),
            Op::StampedValue(key, before, behind) => {
                let operand = stamped(before, behind);
                tx.atomic_op(key, &operand, MutationType::SetVersionstampedValue)
            }
            Op::StampedKey(before, behind, value) => {
                let key = stamped(before, behind);
                tx.atomic_op(&key, value, MutationType::SetVersionstampedKey)
            }
        }
        .unwrap();
    }

    /// Takes an operation into the model.
    fn note(&mut self, op: Op) {
        match &op {
            Op::Set(key, _) => self.known.push((key.clone(), after(key))),
            Op::Clear(begin, end) => {
                let cleared = vec![(begin.clone(), end.clone())];
                let left = self.unreadable.drain(..).flat_map(|range| minus(range, &cleared));
                self.unreadable = left.collect();
                self.known.extend(cleared);
            }
            Op::Atomic(..) => {}
            Op::StampedValue(key, ..) => {
                self.known.push((key.clone(), after(key)));
                self.unreadable.push((key.clone(), after(key)));
            }
            Op::StampedKey(before, behind, _) => {
                let first = self.version.map_or(0, |version| version + 1);
                let first = [&first.to_be_bytes()[..], &[0; 2]].concat();
                let key = |stamp: &[u8]| [&before[..], stamp, behind].concat();
                let end = after(&key(&[0xff; 10])).min(END.to_vec());
                self.unreadable.push((key(&first), end));
            }
        }
        if !matches!(op, Op::StampedKey(..)) {
            replay(&mut self.view, std::slice::from_ref(&op), &[0; 10]);
        }
        self.ops.push(op);
    }

    /// All reads, made again on the state that the commit came upon.
    fn check_serial(&self, state: &Map) {
        for (read, ops, answer) in &self.answers {
            let own = if self.reads_own_writes { &self.ops[..*ops] } else { &[] };
            let plain = own.iter().filter(|op| !matches!(op, Op::StampedKey(..)));
            let mut view = state.clone();
            plain.for_each(|op| replay(&mut view, std::slice::from_ref(op), &[0; 10]));
            assert_eq!(read.answer(&view), *answer, "{read:?} at the commit");
        }
    }
}

#[test]
fn random_transactions_behave_like_the_model() {
    let conflicts = std::cell::Cell::new(0);
    let commits = std::cell::Cell::new(0);
    for_seeds(rounds(30, 1200), |seed| {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new(dir.path(), seed);
        for step in 0..500 {
            model.step();
            if step % 50 == 0 {
                model.check_state();
            }
        }
        model.check_state();
        conflicts.set(conflicts.get() + model.conflicts);
        commits.set(commits.get() + model.history.len());
    });
    eprintln!("{} commits, {} conflicts", commits.get(), conflicts.get());
}
