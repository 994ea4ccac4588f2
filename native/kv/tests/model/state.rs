//! The model: a sorted map, what operations do to it, and what reads find in it.

use std::collections::BTreeMap;
use std::fmt;

use kronotop_kv::{KeySelector, MutationType};

pub type Map = BTreeMap<Vec<u8>, Vec<u8>>;
pub type Pair = (Vec<u8>, Vec<u8>);
/// Half-open ranges, simply listed.
pub type Ranges = Vec<(Vec<u8>, Vec<u8>)>;

const VALUE_LIMIT: usize = 100_000;
pub const END: &[u8] = b"\xff";

/// What a transaction did, replayed on the newest state when it commits.
#[derive(Debug, Clone)]
pub enum Op {
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>, Vec<u8>),
    Atomic(Vec<u8>, Vec<u8>, MutationType),
    /// Key, then the value before and after the stamp.
    StampedValue(Vec<u8>, Vec<u8>, Vec<u8>),
    /// The key before and after the stamp, then the value.
    StampedKey(Vec<u8>, Vec<u8>, Vec<u8>),
}

pub fn after(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

/// The parts of a range that none of the others covers.
pub fn minus(range: (Vec<u8>, Vec<u8>), covers: &Ranges) -> Ranges {
    let mut parts = vec![range];
    parts.retain(|(begin, end)| begin < end);
    for (from, to) in covers {
        let cut = |(begin, end): (Vec<u8>, Vec<u8>)| {
            [(begin.clone(), end.clone().min(from.clone())), (begin.max(to.clone()), end)]
        };
        parts = parts.into_iter().flat_map(cut).filter(|(begin, end)| begin < end).collect();
    }
    parts
}

pub fn meet(ranges: &Ranges, begin: &[u8], end: &[u8]) -> bool {
    ranges.iter().any(|(from, to)| &from[..] < end && begin < &to[..] && begin < end)
}

/// The store's rules for the operations used here, written once more.
fn fold(kind: MutationType, old: Option<&Vec<u8>>, operand: &[u8]) -> Option<Vec<u8>> {
    let mut fitted = old.cloned().unwrap_or_default();
    fitted.resize(operand.len(), 0);
    let each = |f: fn(u8, u8) -> u8| fitted.iter().zip(operand).map(|(a, b)| f(*a, *b)).collect();
    let larger = fitted.iter().rev().gt(operand.iter().rev());
    Some(match (kind, old) {
        (MutationType::BitAnd | MutationType::Min | MutationType::ByteMin, None) => operand.into(),
        (MutationType::BitAnd, _) => each(|a, b| a & b),
        (MutationType::BitOr, _) => each(|a, b| a | b),
        (MutationType::BitXor, _) => each(|a, b| a ^ b),
        (MutationType::Max, _) => {
            if larger {
                fitted
            } else {
                operand.into()
            }
        }
        (MutationType::Min, _) => {
            if larger {
                operand.into()
            } else {
                fitted
            }
        }
        (MutationType::ByteMax, old) => old.map_or(operand, |old| operand.max(old)).into(),
        (MutationType::ByteMin, old) => old.map_or(operand, |old| operand.min(old)).into(),
        (MutationType::AppendIfFits, old) => {
            let both = [old.map_or(&[][..], |old| old), operand].concat();
            if both.len() > VALUE_LIMIT { old.cloned().unwrap_or_default() } else { both }
        }
        (MutationType::Add, _) => {
            let mut carry = 0;
            for (digit, other) in fitted.iter_mut().zip(operand) {
                let sum = u16::from(*digit) + u16::from(*other) + carry;
                (*digit, carry) = (sum as u8, sum >> 8);
            }
            fitted
        }
        (MutationType::CompareAndClear, old) => return old.filter(|old| **old != operand).cloned(),
        (other, _) => panic!("{other:?} is no plain operation"),
    })
}

pub fn replay(map: &mut Map, ops: &[Op], stamp: &[u8]) {
    for op in ops {
        match op {
            Op::Set(key, value) => drop(map.insert(key.clone(), value.clone())),
            Op::Clear(begin, end) => map.retain(|key, _| !(begin <= key && key < end)),
            Op::Atomic(key, operand, kind) => match fold(*kind, map.get(key), operand) {
                Some(value) => drop(map.insert(key.clone(), value)),
                None => drop(map.remove(key)),
            },
            Op::StampedValue(key, before, behind) => {
                map.insert(key.clone(), [before, stamp, behind].concat());
            }
            Op::StampedKey(before, behind, value) => {
                map.insert([before, stamp, behind].concat(), value.clone());
            }
        }
    }
}

/// Bytes for a message: thousands of the same one at the start are only counted.
pub fn short(bytes: &[u8]) -> String {
    let same = bytes.iter().take_while(|byte| Some(*byte) == bytes.first()).count();
    let (run, rest) = bytes.split_at(if same > 8 { same - 1 } else { 0 });
    let tail = &rest[..rest.len().min(16)];
    format!("{}*{}+{:?}", run.len(), run.first().unwrap_or(&0), tail.escape_ascii().to_string())
}

fn short_selector(selector: &KeySelector) -> String {
    format!("({}, {}, {})", short(&selector.key), selector.or_equal, selector.offset)
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(key) => write!(f, "get {}", short(key)),
            Self::GetKey(selector) => write!(f, "get_key {}", short_selector(selector)),
            Self::Range { begin, end, limit, bytes, reverse } => {
                let (begin, end) = (short_selector(begin), short_selector(end));
                write!(f, "get_range {begin} {end} {limit} {bytes} {reverse}")
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{:?}", value.as_deref().map(short)),
            Self::Key(key) => f.write_str(&short(key)),
            Self::Pairs(pairs, more) => {
                let shown = pairs.iter().map(|(key, value)| (short(key), short(value)));
                write!(f, "{:?} {more}", shown.collect::<Vec<_>>())
            }
        }
    }
}

/// A read, as it is asked for.
#[derive(Clone)]
pub enum Read {
    Get(Vec<u8>),
    GetKey(KeySelector),
    Range { begin: KeySelector, end: KeySelector, limit: usize, bytes: usize, reverse: bool },
}

/// What a read returns.
#[derive(Clone, PartialEq)]
pub enum Answer {
    Value(Option<Vec<u8>>),
    Key(Vec<u8>),
    Pairs(Vec<Pair>, bool),
}

fn origin(selector: &KeySelector) -> Vec<u8> {
    let origin = if selector.or_equal { after(&selector.key) } else { selector.key.clone() };
    origin.min(END.to_vec())
}

/// The key that a selector chooses, `None` beyond the ends.
fn choose(view: &Map, selector: &KeySelector) -> Option<Vec<u8>> {
    let origin = origin(selector);
    if selector.offset > 0 {
        view.range(origin..).nth(selector.offset as usize - 1).map(|(key, _)| key.clone())
    } else {
        let steps = selector.offset.unsigned_abs() as usize;
        view.range(..origin).rev().nth(steps).map(|(key, _)| key.clone())
    }
}

/// The chosen key, or the end that stands for what lies beyond it.
fn chosen(view: &Map, selector: &KeySelector) -> Vec<u8> {
    let beyond = || if selector.offset > 0 { END.to_vec() } else { Vec::new() };
    choose(view, selector).unwrap_or_else(beyond)
}

/// What a selector's choice depends on.
fn passed(view: &Map, selector: &KeySelector) -> (Vec<u8>, Vec<u8>) {
    match (choose(view, selector), selector.offset > 0) {
        (Some(key), true) => (origin(selector), after(&key)),
        (None, true) => (origin(selector), END.to_vec()),
        (key, false) => (key.unwrap_or_default(), origin(selector)),
    }
}

fn range_bound(view: &Map, selector: &KeySelector) -> Vec<u8> {
    if selector.offset == 1 { origin(selector) } else { chosen(view, selector) }
}

/// Nothing lies between: the store is not asked.
fn is_inverted(begin: &KeySelector, end: &KeySelector) -> bool {
    begin.offset >= end.offset && origin(begin) >= origin(end)
}

impl Read {
    pub fn answer(&self, view: &Map) -> Answer {
        match self {
            Self::Get(key) => Answer::Value(view.get(key).cloned()),
            Self::GetKey(selector) => Answer::Key(chosen(view, selector)),
            Self::Range { begin, end, .. } if is_inverted(begin, end) => {
                Answer::Pairs(Vec::new(), false)
            }
            Self::Range { begin, end, limit, bytes, reverse } => {
                let (from, to) = (range_bound(view, begin), range_bound(view, end));
                let mut inside: Vec<_> =
                    if from < to { view.range(from..to).collect() } else { Vec::new() };
                if *reverse {
                    inside.reverse();
                }
                let (mut pairs, mut size) = (Vec::new(), 0);
                for (key, value) in inside {
                    pairs.push((key.clone(), value.clone()));
                    size += key.len() + value.len();
                    if size >= *bytes || pairs.len() == *limit {
                        return Answer::Pairs(pairs, true);
                    }
                }
                Answer::Pairs(pairs, false)
            }
        }
    }

    /// The range in which another's write makes the transaction conflict.
    pub fn conflict(&self, view: &Map, answer: &Answer) -> (Vec<u8>, Vec<u8>) {
        let (begin, end, reverse) = match self {
            Self::Get(key) => return (key.clone(), after(key)),
            Self::GetKey(selector) => return passed(view, selector),
            Self::Range { begin, end, reverse, .. } => (begin, end, *reverse),
        };
        let Answer::Pairs(pairs, more) = answer else { panic!("a range answers pairs") };
        if is_inverted(begin, end) {
            return (Vec::new(), Vec::new());
        }
        let (first, last) = (origin(begin).min(origin(end)), origin(begin).max(origin(end)));
        let forwards = origin(begin) < origin(end);
        let lowest = pairs.iter().map(|(key, _)| key.clone()).min();
        let behind_highest = pairs.iter().map(|(key, _)| after(key)).max();
        let to_begin = begin.offset <= 0 && choose(view, begin).is_none();
        let through_end = end.offset > 1 && choose(view, end).is_none();
        // A read that a limit stopped has seen nothing behind its last pair, but for what its own
        // begin was counted from.
        let (seen_from, seen_to) = match (more, reverse) {
            (true, true) if forwards && begin.offset <= 1 => (last.clone(), last),
            (true, false) if forwards && end.offset > 0 => (first.clone(), first),
            _ => (first, last),
        };
        let from = if to_begin && !(*more && reverse) {
            Vec::new()
        } else {
            lowest.map_or(seen_from.clone(), |lowest| lowest.min(seen_from))
        };
        let to = if through_end && (!*more || reverse) {
            END.to_vec()
        } else {
            behind_highest.map_or(seen_to.clone(), |highest| highest.max(seen_to))
        };
        (from, to)
    }

    /// All that the read looks at: an unreadable key there makes it fail.
    pub fn looks_at(&self, view: &Map, answer: &Answer) -> Ranges {
        let mut ranges = vec![self.conflict(view, answer)];
        if let Self::Range { begin, end, .. } = self
            && !is_inverted(begin, end)
        {
            let walked = [begin, end].into_iter().filter(|selector| selector.offset != 1);
            ranges.extend(walked.map(|selector| passed(view, selector)));
        }
        ranges
    }
}
