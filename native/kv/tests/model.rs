//! Random interleaved transactions against a simple model: a sorted map per version and a replay
//! of every transaction's operations at its commit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use kronotop_kv::error::code;
use kronotop_kv::{
    Error, KeySelector, MutationType, Options, RangeOptions, Store, StreamingMode, Transaction,
};
use kronotop_segment::faulty::FaultyIo;
use support::{Random, commit, for_seeds, open, range, small};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;
type Pair = (Vec<u8>, Vec<u8>);

/// The keys of the test, with neighbours on both sides of the edge at which keys become long.
fn universe() -> Vec<Vec<u8>> {
    let x = |count: usize, tail: &[u8]| [&vec![b'x'; count][..], tail].concat();
    let mut keys: Vec<Vec<u8>> =
        [&b""[..], b"\0", b"a", b"a\0", b"ab", b"b", b"m", b"xx", b"y", b"\xfe", b"\xfe\xff"]
            .map(<[u8]>::to_vec)
            .into();
    for tail in [&b""[..], b"\0", b"a", b"y"] {
        keys.extend([1898, 1899, 1900, 1901].map(|count| x(count, tail)));
    }
    keys.extend([x(1900, b"yy"), x(1899, b"w"), x(9_999, b"z")]);
    keys.sort();
    keys.dedup();
    keys
}

/// What a transaction did, replayed on the newest state when it commits.
#[derive(Debug, Clone)]
enum Op {
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>, Vec<u8>),
    Atomic(Vec<u8>, Vec<u8>, MutationType),
    StampedValue(Vec<u8>, Vec<u8>),
    StampedKey(Vec<u8>, Vec<u8>),
}

fn after(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

/// The store's rules for the operations used here, written once more.
fn fold(kind: MutationType, old: Option<&Vec<u8>>, operand: &[u8]) -> Option<Vec<u8>> {
    let number = |bytes: &[u8]| {
        let mut wide = [0; 8];
        let width = bytes.len().min(operand.len());
        wide[..width].copy_from_slice(&bytes[..width]);
        u64::from_le_bytes(wide)
    };
    let le = |number: u64| Some(number.to_le_bytes()[..operand.len()].to_vec());
    let (a, b) = (number(old.map_or(&[], |old| old)), number(operand));
    match kind {
        MutationType::Add => le(a.wrapping_add(b)),
        MutationType::BitOr => le(a | b),
        MutationType::BitXor => le(a ^ b),
        MutationType::BitAnd => le(if old.is_some() { a & b } else { b }),
        MutationType::Max => le(a.max(b)),
        MutationType::Min => le(if old.is_some() { a.min(b) } else { b }),
        MutationType::ByteMax => Some(old.map_or(operand, |old| operand.max(old)).to_vec()),
        MutationType::ByteMin => Some(old.map_or(operand, |old| operand.min(old)).to_vec()),
        MutationType::AppendIfFits => Some([old.map_or(&[][..], |old| old), operand].concat()),
        MutationType::CompareAndClear => old.filter(|old| **old != operand).cloned(),
        other => panic!("{other:?} is no plain operation"),
    }
}

fn clear(map: &mut Map, begin: &[u8], end: &[u8]) {
    map.retain(|key, _| !(begin <= &key[..] && &key[..] < end));
}

fn replay(map: &mut Map, ops: &[Op], stamp: &[u8]) {
    for op in ops {
        match op {
            Op::Set(key, value) => drop(map.insert(key.clone(), value.clone())),
            Op::Clear(begin, end) => clear(map, begin, end),
            Op::Atomic(key, operand, kind) => match fold(*kind, map.get(key), operand) {
                Some(value) => drop(map.insert(key.clone(), value)),
                None => drop(map.remove(key)),
            },
            Op::StampedValue(key, prefix) => {
                map.insert(key.clone(), [prefix, stamp].concat());
            }
            Op::StampedKey(prefix, value) => {
                map.insert([prefix, stamp].concat(), value.clone());
            }
        }
    }
}

/// A set of half-open ranges, simply listed.
type Ranges = Vec<(Vec<u8>, Vec<u8>)>;

struct Open {
    tx: Transaction,
    version: Option<i64>,
    /// What the transaction sees; keys in `stamped` fail when they are read.
    view: Map,
    stamped: BTreeSet<Vec<u8>>,
    /// Parts that the transaction itself decides.
    known: Ranges,
    ops: Vec<Op>,
    reads: Ranges,
}

struct Model {
    store: Store,
    keys: Vec<Vec<u8>>,
    /// The state after each commit.
    history: Vec<(i64, Map)>,
    /// Everything written, with its version.
    written: Vec<(i64, Vec<u8>, Vec<u8>)>,
    open: Vec<Open>,
    random: Random,
    conflicts: usize,
    options: Options,
    dir: PathBuf,
    /// Commits before this one belong to an earlier life of the store.
    opened_at: usize,
}

fn minus(range: (Vec<u8>, Vec<u8>), known: &Ranges) -> Ranges {
    let mut parts = vec![range];
    for (from, to) in known {
        let cut = |(begin, end): (Vec<u8>, Vec<u8>)| {
            [(begin.clone(), end.clone().min(from.clone())), (begin.max(to.clone()), end)]
        };
        parts = parts.into_iter().flat_map(cut).filter(|(begin, end)| begin < end).collect();
    }
    parts
}

impl Model {
    fn new(dir: &std::path::Path, seed: u64) -> Self {
        let options = Options { io: Arc::new(FaultyIo::new()), ..small() };
        Self {
            store: open(dir, options.clone()),
            options,
            dir: dir.to_path_buf(),
            opened_at: 0,
            keys: universe(),
            history: vec![(0, Map::new())],
            written: Vec::new(),
            open: Vec::new(),
            random: Random::new(seed),
            conflicts: 0,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let at = self.random.below(self.keys.len());
        self.keys[at].clone()
    }

    fn value(&mut self) -> Vec<u8> {
        let len = self.random.below(9);
        (0..len).map(|_| self.random.below(4) as u8).collect()
    }

    fn state_at(&self, version: i64) -> Map {
        self.history.iter().rev().find(|(at, _)| *at <= version).unwrap().1.clone()
    }

    fn begin(&mut self) {
        let mut tx = self.store.transaction();
        let mut version = None;
        let newest = self.history.len() - 1;
        if self.random.chance(4) && newest > self.opened_at {
            let back = self.random.below((newest - self.opened_at).min(30));
            let past = self.history[newest - back].0;
            tx.set_read_version(past).unwrap();
            version = Some(past);
        } else if self.random.chance(4) {
            // Stays blind: no read version.
            version = Some(i64::MAX);
        }
        if version.is_none() {
            version = Some(tx.read_version().unwrap());
        }
        let version = version.filter(|version| *version != i64::MAX);
        let view = version.map_or_else(Map::new, |version| self.state_at(version));
        self.open.push(Open {
            tx,
            version,
            view,
            stamped: BTreeSet::new(),
            known: Ranges::new(),
            ops: Vec::new(),
            reads: Ranges::new(),
        });
    }

    fn reopen(&mut self) {
        self.open.clear();
        self.store.close().unwrap();
        self.store = open(&self.dir, self.options.clone());
        self.opened_at = self.history.len() - 1;
    }

    fn step(&mut self) {
        if self.random.chance(200) {
            self.reopen();
        }
        if self.open.len() < 4 && (self.open.is_empty() || self.random.chance(4)) {
            return self.begin();
        }
        let at = self.random.below(self.open.len());
        match self.random.below(12) {
            0..=4 => self.write(at),
            5 | 6 => self.get(at),
            7 | 8 => self.get_range(at),
            9 => self.get_key(at),
            _ => self.finish(at),
        }
    }

    fn write(&mut self, at: usize) {
        let (key, other, value) = (self.key(), self.key(), self.value());
        let choice = self.random.below(10);
        let kinds = [
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
        let kind = kinds[self.random.below(kinds.len())];
        let open = &mut self.open[at];
        let single = (key.clone(), after(&key));
        let op = match choice {
            0..=3 => {
                open.tx.set(&key, &value).unwrap();
                open.known.push(single);
                open.stamped.remove(&key);
                Op::Set(key, value)
            }
            4 => {
                open.tx.clear(&key).unwrap();
                open.known.push(single.clone());
                open.stamped.remove(&key);
                Op::Clear(single.0, single.1)
            }
            5 => {
                let (begin, end) = (key.clone().min(other.clone()), key.max(other));
                open.tx.clear_range(&begin, &end).unwrap();
                if begin == end {
                    return;
                }
                open.known.push((begin.clone(), end.clone()));
                open.stamped.retain(|key| !(begin <= *key && *key < end));
                Op::Clear(begin, end)
            }
            6 | 7 => {
                open.tx.atomic_op(&key, &value, kind).unwrap();
                Op::Atomic(key, value, kind)
            }
            8 => {
                let offset = (value.len() as u32).to_le_bytes();
                let operand = [&value[..], &[0; 10], &offset].concat();
                open.tx.atomic_op(&key, &operand, MutationType::SetVersionstampedValue).unwrap();
                open.known.push(single);
                open.stamped.insert(key.clone());
                Op::StampedValue(key, value)
            }
            _ => {
                // Outside the other keys, so that the unreadable range is hit by nothing else.
                let prefix = b"\xfe\xff\xff".to_vec();
                let operand = [&prefix[..], &[0; 10], &3_u32.to_le_bytes()].concat();
                open.tx.atomic_op(&operand, &value, MutationType::SetVersionstampedKey).unwrap();
                Op::StampedKey(prefix, value)
            }
        };
        if !matches!(op, Op::StampedKey(..)) {
            replay(&mut open.view, std::slice::from_ref(&op), &[0; 10]);
        }
        open.ops.push(op);
    }

    /// A read needs a version; a blind transaction has none.
    fn reader(&mut self, at: usize) -> Option<&mut Open> {
        let open = &mut self.open[at];
        open.version.is_some().then_some(open)
    }

    fn get(&mut self, at: usize) {
        let (key, snapshot) = (self.key(), self.random.chance(4));
        let Some(open) = self.reader(at) else { return };
        let got = open.tx.get(&key, snapshot);
        if open.stamped.contains(&key) {
            assert_eq!(got.unwrap_err().code, code::ACCESSED_UNREADABLE);
            return;
        }
        assert_eq!(got.unwrap().as_ref(), open.view.get(&key), "get {key:?}");
        if !snapshot {
            open.reads.extend(minus((key.clone(), after(&key)), &open.known));
        }
    }

    fn get_range(&mut self, at: usize) {
        let (a, b) = (self.key(), self.key());
        let (begin, end) =
            if self.random.chance(8) { (a, b) } else { (a.clone().min(b.clone()), a.max(b)) };
        let limit = [0, 1, 2, 5][self.random.below(4)];
        let modes = [StreamingMode::WantAll, StreamingMode::Small, StreamingMode::Medium];
        let mode = modes[self.random.below(3)];
        let (reverse, snapshot) = (self.random.chance(2), self.random.chance(4));
        let target_bytes = [0, 1, 3000][self.random.below(3)];
        let options = RangeOptions { limit, target_bytes, mode, reverse, snapshot, iteration: 1 };
        let Some(open) = self.reader(at) else { return };
        let selector = KeySelector::first_greater_or_equal;
        let got = open.tx.get_range(&selector(&begin[..]), &selector(&end[..]), &options);
        let mode_bytes = [80_000, 256, 1000][modes.iter().position(|m| *m == mode).unwrap()];
        let byte_limit = if target_bytes == 0 { mode_bytes } else { target_bytes.min(mode_bytes) };
        let Some((pairs, more)) = open.expect_range((&begin, &end), reverse, limit, byte_limit)
        else {
            assert_eq!(got.unwrap_err().code, code::ACCESSED_UNREADABLE);
            return;
        };
        let got = got.unwrap();
        let got_pairs: Vec<Pair> =
            got.pairs().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        assert_eq!((got_pairs, got.more), (pairs.clone(), more), "range {options:?}");
        if snapshot || begin >= end {
            return;
        }
        let read = match (pairs.last(), more, reverse) {
            (Some((last, _)), true, false) => (begin, after(last)),
            (Some((last, _)), true, true) => (last.clone(), end),
            _ => (begin, end),
        };
        open.reads.extend(minus(read, &open.known));
    }

    fn get_key(&mut self, at: usize) {
        let (key, or_equal) = (self.key(), self.random.chance(2));
        let offset = self.random.below(9) as i32 - 4;
        let Some(open) = self.reader(at) else { return };
        if !open.stamped.is_empty() || open.ops.iter().any(|op| matches!(op, Op::StampedKey(..))) {
            return;
        }
        let origin = if or_equal { after(&key) } else { key.clone() };
        let (before, behind): (Vec<_>, Vec<_>) =
            open.view.keys().cloned().partition(|key| *key < origin);
        let expected = if offset > 0 {
            behind.get(offset as usize - 1).cloned().unwrap_or(b"\xff".to_vec())
        } else {
            before.iter().rev().nth(offset.unsigned_abs() as usize).cloned().unwrap_or_default()
        };
        let got = open.tx.get_key(&KeySelector { key, or_equal, offset }, false).unwrap();
        assert_eq!(got, expected);
        let range = match (offset > 0, expected == b"\xff") {
            (true, true) => (origin, expected),
            (true, false) => (origin, after(&expected)),
            (false, _) => (expected, origin),
        };
        open.reads.extend(minus(range, &open.known));
    }

    fn finish(&mut self, at: usize) {
        let mut open = self.open.swap_remove(at);
        let outcome = commit(&mut open.tx);
        if open.ops.is_empty() {
            assert_eq!(outcome.unwrap().version, -1);
            return;
        }
        let changed = |(begin, end): &(Vec<u8>, Vec<u8>)| {
            self.written
                .iter()
                .any(|(at, from, to)| Some(*at) > open.version && from < end && begin < to)
        };
        if open.reads.iter().any(changed) {
            assert_eq!(outcome.unwrap_err(), Error::new(code::NOT_COMMITTED));
            self.conflicts += 1;
            return;
        }
        let committed = outcome.unwrap();
        let stamp = committed.versionstamp().unwrap();
        let (last, newest) = self.history.last().unwrap();
        assert!(committed.version > *last);
        let mut state = newest.clone();
        replay(&mut state, &open.ops, &stamp);
        self.history.push((committed.version, state));
        for op in open.ops {
            let (begin, end) = match op {
                Op::Clear(begin, end) => (begin, end),
                Op::StampedKey(prefix, _) => {
                    let key = [&prefix[..], &stamp].concat();
                    (key.clone(), after(&key))
                }
                Op::Set(key, _) | Op::Atomic(key, ..) | Op::StampedValue(key, _) => {
                    (key.clone(), after(&key))
                }
            };
            self.written.push((committed.version, begin, end));
        }
    }

    fn check_state(&self) {
        let mut tx = self.store.transaction();
        let pairs: Map = range(&mut tx, b"", b"\xff").unwrap().into_iter().collect();
        assert_eq!(pairs, self.history.last().unwrap().1);
    }
}

impl Open {
    /// The pairs of a range read and whether a limit ended it; `None` when it meets a stamp.
    fn expect_range(
        &self,
        (begin, end): (&[u8], &[u8]),
        reverse: bool,
        limit: usize,
        byte_limit: usize,
    ) -> Option<(Vec<Pair>, bool)> {
        let inside = self.view.iter().filter(|(key, _)| begin <= &key[..] && &key[..] < end);
        let mut candidates: Vec<_> = inside.collect();
        if reverse {
            candidates.reverse();
        }
        let (mut pairs, mut bytes) = (Vec::new(), 0);
        for (key, value) in candidates {
            if self.stamped.contains(key) {
                return None;
            }
            pairs.push((key.clone(), value.clone()));
            bytes += key.len() + value.len();
            if bytes >= byte_limit || pairs.len() == limit {
                return Some((pairs, true));
            }
        }
        Some((pairs, false))
    }
}

#[test]
fn random_transactions_behave_like_the_model() {
    let conflicts = std::cell::Cell::new(0);
    let commits = std::cell::Cell::new(0);
    for_seeds(30, |seed| {
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
