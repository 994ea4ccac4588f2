//! When each part of the key space was last written, as far back as a read version may be.
//!
//! ```text
//! epochs     oldest … newest, each a span of versions
//! epoch      points: key -> version of its last write    steps: the ranges, as a step function
//! ```
//!
//! Most commits read what was written a moment ago, so that only the newest epochs are looked at;
//! writes go to the newest one, which is small; an old one is forgotten as a whole.
//!
//! INVARIANT: versions are inserted in ascending order.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::keys::{Key, KeyRange, VERSION_WINDOW};

/// Versions of an epoch.
const EPOCH: i64 = VERSION_WINDOW / 8;

/// An epoch ends early when it holds this part of the memory that all may hold.
const EPOCH_SHARE: usize = 8;

/// Bytes that an entry costs beside its key, roughly.
const ENTRY_OVERHEAD: usize = 80;

/// See the module's header.
#[derive(Debug)]
pub(crate) struct RecentWrites {
    epochs: VecDeque<Epoch>,
    /// Memory that all epochs may hold, roughly, in bytes.
    limit: usize,
    /// The last version that was forgotten although reads may be as old: conflicts with writes up
    /// to it are not known any more.
    forgotten: i64,
}

/// What was written in a span of versions.
#[derive(Debug)]
pub(crate) struct Epoch {
    first: i64,
    last: i64,
    bytes: usize,
    points: BTreeMap<Key, i64>,
    /// A boundary's version holds up to the next boundary. Before the first one nothing was
    /// written; 0 stands for that, too.
    steps: BTreeMap<Key, i64>,
}

impl RecentWrites {
    /// Knows of no writes; is to hold up to `limit` bytes, roughly.
    pub(crate) fn new(limit: usize) -> Self {
        Self { epochs: VecDeque::new(), limit, forgotten: 0 }
    }

    /// True when no write is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }

    /// True when what was written after `version` is not known any more.
    pub(crate) fn has_forgotten(&self, version: i64) -> bool {
        version < self.forgotten
    }

    /// True when a part of the range was written after `version`.
    pub(crate) fn changed_since(&self, range: KeyRange<'_>, version: i64) -> bool {
        let later = self.epochs.iter().rev().take_while(|epoch| epoch.last > version);
        { later }.any(|epoch| epoch.changed_since(range, version))
    }

    /// Notes that the range was written at `version`.
    pub(crate) fn insert(&mut self, range: KeyRange<'_>, version: i64) {
        let full = self.limit / EPOCH_SHARE;
        match self.epochs.back_mut() {
            // The ranges of one version stay together.
            Some(epoch)
                if epoch.last == version
                    || (version - epoch.first < EPOCH && epoch.bytes < full) =>
            {
                epoch.insert(range, version);
            }
            _ => {
                let mut epoch = Epoch::new(version);
                epoch.insert(range, version);
                self.epochs.push_back(epoch);
            }
        }
    }

    /// Forgets the epochs that nobody can conflict with any more, and the oldest while all hold
    /// more than they may. Returns them: freeing them takes a while.
    pub(crate) fn sweep(&mut self, newest: i64) -> Vec<Epoch> {
        // One epoch more than the window, because versions may run ahead of the clock for a while.
        let oldest = newest - VERSION_WINDOW - EPOCH;
        let mut held: usize = self.epochs.iter().map(|epoch| epoch.bytes).sum();
        let mut gone = Vec::new();
        while let Some(epoch) = self.epochs.front()
            && (epoch.last <= oldest || (held > self.limit && self.epochs.len() > 1))
        {
            held -= epoch.bytes;
            if epoch.last > oldest {
                self.forgotten = epoch.last;
            }
            gone.extend(self.epochs.pop_front());
        }
        gone
    }
}

impl Epoch {
    fn new(first: i64) -> Self {
        Self { first, last: first, bytes: 0, points: BTreeMap::new(), steps: BTreeMap::new() }
    }

    fn changed_since(&self, range: KeyRange<'_>, version: i64) -> bool {
        match range {
            KeyRange::Single(key) => {
                self.points.get(key).is_some_and(|written| *written > version)
                    || self.step_at(key) > version
            }
            KeyRange::Span(begin, end) => {
                let later = |(_, written): (&Key, &i64)| *written > version;
                let from = (Bound::Included(begin), Bound::Excluded(end));
                let behind = (Bound::Excluded(begin), Bound::Excluded(end));
                self.step_at(begin) > version
                    || self.steps.range::<[u8], _>(behind).any(later)
                    || self.points.range::<[u8], _>(from).any(later)
            }
        }
    }

    fn step_at(&self, key: &[u8]) -> i64 {
        if self.steps.is_empty() {
            return 0;
        }
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.steps.range::<[u8], _>(upto).next_back().map_or(0, |(_, version)| *version)
    }

    fn insert(&mut self, range: KeyRange<'_>, version: i64) {
        self.last = version;
        match range {
            KeyRange::Single(key) => {
                if self.points.insert(key.into(), version).is_none() {
                    self.bytes += key.len() + ENTRY_OVERHEAD;
                }
            }
            KeyRange::Span(begin, end) => {
                self.bytes += begin.len() + end.len() + 2 * ENTRY_OVERHEAD;
                self.insert_span(begin, end, version);
            }
        }
    }

    fn insert_span(&mut self, begin: &[u8], end: &[u8], version: i64) {
        if !self.steps.contains_key(end) {
            let behind = self.step_at(end);
            self.steps.insert(end.into(), behind);
        }
        let inside = (Bound::Excluded(begin), Bound::Excluded(end));
        loop {
            let doomed = self.steps.range::<[u8], _>(inside).next().map(|(key, _)| key.clone());
            let Some(key) = doomed else { break };
            self.steps.remove(&key);
        }
        self.steps.insert(begin.into(), version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span<'a>(begin: &'a [u8], end: &'a [u8]) -> KeyRange<'a> {
        KeyRange::Span(begin, end)
    }

    #[test]
    fn finds_writes_after_a_version_and_only_there() {
        let mut recent = RecentWrites::new(1 << 20);
        recent.insert(KeyRange::Single(b"b"), 10);
        recent.insert(span(b"d", b"f"), 20);
        assert!(recent.changed_since(KeyRange::Single(b"b"), 9));
        assert!(!recent.changed_since(KeyRange::Single(b"b"), 10));
        assert!(!recent.changed_since(KeyRange::Single(b"b\0"), 0));
        assert!(recent.changed_since(span(b"", b"c"), 9));
        assert!(!recent.changed_since(span(b"c", b"d"), 0));
        assert!(recent.changed_since(span(b"e", b"g"), 19));
        assert!(!recent.changed_since(span(b"f", b"g"), 0));
    }

    #[test]
    fn a_later_write_leaves_the_rest_of_an_earlier_range() {
        let mut recent = RecentWrites::new(1 << 20);
        recent.insert(span(b"a", b"z"), 10);
        recent.insert(span(b"f", b"h"), 20);
        assert!(!recent.changed_since(span(b"a", b"f"), 10));
        assert!(recent.changed_since(span(b"h", b"z"), 9));
        assert!(recent.changed_since(KeyRange::Single(b"g"), 19));
    }

    #[test]
    fn a_write_is_found_from_every_epoch_of_the_window() {
        let mut recent = RecentWrites::new(1 << 20);
        let versions: Vec<i64> = (0..16).map(|number| 10 + number * VERSION_WINDOW / 16).collect();
        for (key, version) in (0_u8..).zip(&versions) {
            recent.insert(KeyRange::Single(&[b'k', key]), *version);
            recent.insert(span(&[b's', key], &[b's', key + 1]), *version);
            recent.sweep(*version);
        }
        assert!(recent.epochs.len() > 4);
        for (key, version) in (0_u8..).zip(&versions) {
            for range in [KeyRange::Single(&[b'k', key]), KeyRange::Single(&[b's', key])] {
                assert!(recent.changed_since(range, version - 1));
                assert!(!recent.changed_since(range, *version));
            }
            assert!(recent.changed_since(span(b"", &[b's', key, 0]), version - 1));
        }
    }

    #[test]
    fn sweeping_forgets_what_is_older_than_the_window() {
        let mut recent = RecentWrites::new(1 << 20);
        for key in 0..100_u8 {
            recent.insert(KeyRange::Single(&[key]), 10);
        }
        recent.insert(KeyRange::Single(b"\xf0"), 10 + VERSION_WINDOW + EPOCH);
        assert_eq!(recent.sweep(11 + VERSION_WINDOW + EPOCH).len(), 1);
        assert!(recent.changed_since(KeyRange::Single(b"\xf0"), 11));
        assert!(!recent.changed_since(KeyRange::Single(b"\x01"), 9));
        assert!(!recent.has_forgotten(10));
    }

    #[test]
    fn too_many_writes_are_forgotten_early_and_that_is_known() {
        const LIMIT: usize = 64 << 10;
        let mut recent = RecentWrites::new(LIMIT);
        for version in 1..=10_000_i64 {
            recent.insert(KeyRange::Single(&version.to_be_bytes()), version);
            recent.sweep(version);
            let held: usize = recent.epochs.iter().map(|epoch| epoch.bytes).sum();
            assert!(held <= LIMIT, "{held}");
        }
        let known = recent.forgotten;
        assert!((5_000..10_000).contains(&known), "{known}");
        assert!(recent.has_forgotten(known - 1) && !recent.has_forgotten(known));
        for version in known + 1..=10_000 {
            assert!(recent.changed_since(KeyRange::Single(&version.to_be_bytes()), version - 1));
        }
    }

    /// Every key of up to three letters.
    fn any_key(random: &mut impl FnMut(usize) -> usize) -> Key {
        (0..random(4)).map(|_| b"abc"[random(3)]).collect()
    }

    #[test]
    fn random_writes_are_found_exactly() {
        let mut state = 7_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..2_000 {
            let mut recent = RecentWrites::new(1 << 20);
            let mut written: Vec<(Key, Key, i64)> = Vec::new();
            for version in 1..12_i64 {
                let key = any_key(&mut random);
                let after = crate::keys::key_after(&key).into_boxed_slice();
                let other = any_key(&mut random);
                let (begin, end, range) = match random(3) {
                    0 => (key.clone(), after, KeyRange::Single(&key)),
                    1 => (key.clone(), after.clone(), span(&key, &after)),
                    _ if key < other => (key.clone(), other.clone(), span(&key, &other)),
                    _ => continue,
                };
                recent.insert(range, version * EPOCH / 3);
                written.push((begin, end, version * EPOCH / 3));
            }
            for _ in 0..20 {
                let (key, other) = (any_key(&mut random), any_key(&mut random));
                let version = random(12) as i64 * EPOCH / 3;
                let later = |begin: &[u8], end: &[u8]| {
                    let hit = |(from, to, at): &(Key, Key, i64)| {
                        *at > version && **from < *end && *begin < **to
                    };
                    written.iter().any(hit)
                };
                let after = crate::keys::key_after(&key);
                let single = recent.changed_since(KeyRange::Single(&key), version);
                assert_eq!(single, later(&key, &after), "{key:?} {version} {written:?}");
                if key < other {
                    let found = recent.changed_since(span(&key, &other), version);
                    assert_eq!(found, later(&key, &other), "{key:?} {other:?} {written:?}");
                }
            }
        }
    }
}
