//! When each part of the key space was last written, as far back as a read version may be.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::keys::{Key, KeyRange, VERSION_WINDOW, key_after};

/// Segments looked at per inserted range when old ones are joined.
const SWEEP_FACTOR: usize = 6;

/// A step function over keys: a boundary's version holds up to the next boundary. Before the
/// first boundary nothing was written.
///
/// INVARIANT: versions are inserted in ascending order.
#[derive(Debug, Default)]
pub(crate) struct RecentWrites {
    steps: BTreeMap<Key, i64>,
    /// Where the next sweep goes on.
    sweep_from: Key,
    inserted: usize,
}

impl RecentWrites {
    /// True when a part of the range was written after `version`.
    pub(crate) fn changed_since(&self, range: KeyRange<'_>, version: i64) -> bool {
        match range {
            KeyRange::Single(key) => self.version_at(key) > version,
            KeyRange::Span(begin, end) => {
                let inside = (Bound::Excluded(begin), Bound::Excluded(end));
                self.version_at(begin) > version
                    || self.steps.range::<[u8], _>(inside).any(|(_, written)| *written > version)
            }
        }
    }

    fn version_at(&self, key: &[u8]) -> i64 {
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.steps.range::<[u8], _>(upto).next_back().map_or(0, |(_, version)| *version)
    }

    /// Notes that the range was written at `version`.
    pub(crate) fn insert(&mut self, range: KeyRange<'_>, version: i64) {
        self.inserted += 1;
        match range {
            KeyRange::Single(key) => self.insert_span(key, &key_after(key), version),
            KeyRange::Span(begin, end) => self.insert_span(begin, end, version),
        }
    }

    fn insert_span(&mut self, begin: &[u8], end: &[u8], version: i64) {
        if !self.steps.contains_key(end) {
            let behind = self.version_at(end);
            self.steps.insert(end.into(), behind);
        }
        let inside = (Bound::Excluded(begin), Bound::Excluded(end));
        loop {
            let doomed = self.steps.range::<[u8], _>(inside).next().map(|(key, _)| key.clone());
            let Some(key) = doomed else { break };
            self.steps.remove(&key);
        }
        match self.steps.get_mut(begin) {
            Some(step) => *step = version,
            None => {
                self.steps.insert(begin.into(), version);
            }
        }
    }

    /// Joins segments that nobody can conflict with any more: a part of the map per call, in
    /// proportion to what was inserted since the last one.
    pub(crate) fn sweep(&mut self, newest: i64) {
        let oldest = newest - VERSION_WINDOW;
        let budget = std::mem::take(&mut self.inserted) * SWEEP_FACTOR + 16;
        let upto = (Bound::Unbounded, Bound::Excluded(&*self.sweep_from));
        let mut before = match self.steps.range::<[u8], _>(upto).next_back() {
            Some((_, version)) => *version,
            None => 0,
        };
        let from = (Bound::Included(&*self.sweep_from), Bound::Unbounded);
        let mut walk = self.steps.range::<[u8], _>(from);
        let mut doomed = Vec::new();
        for (key, version) in walk.by_ref().take(budget) {
            if before <= oldest && *version <= oldest {
                doomed.push(key.clone());
            }
            before = *version;
        }
        self.sweep_from = walk.next().map_or_else(Key::default, |(key, _)| key.clone());
        for key in doomed {
            self.steps.remove(&key);
        }
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
        let mut recent = RecentWrites::default();
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
        let mut recent = RecentWrites::default();
        recent.insert(span(b"a", b"z"), 10);
        recent.insert(span(b"f", b"h"), 20);
        assert!(!recent.changed_since(span(b"a", b"f"), 10));
        assert!(recent.changed_since(span(b"h", b"z"), 9));
        assert!(recent.changed_since(KeyRange::Single(b"g"), 19));
    }

    #[test]
    fn sweeping_forgets_what_is_older_than_the_window() {
        let mut recent = RecentWrites::default();
        for key in 0..100_u8 {
            recent.insert(KeyRange::Single(&[key]), 10);
        }
        recent.insert(KeyRange::Single(b"\xf0"), 10 + VERSION_WINDOW);
        for _ in 0..50 {
            recent.sweep(11 + VERSION_WINDOW);
        }
        assert_eq!(recent.steps.len(), 2);
        assert!(recent.changed_since(KeyRange::Single(b"\xf0"), 11));
    }
}
