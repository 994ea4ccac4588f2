//! A sorted map of writes and cleared ranges in which every write keeps its version.
//!
//! Both a transaction's uncommitted writes (version = number of the operation) and the committed
//! writes that are not in the tree yet (version = commit version) are one of these.
//!
//! ```text
//! entries   key -> newest (version, value), older versions in ascending order
//! clears    key -> versions at which [key, next key of this map) was cleared, ascending
//! ```
//!
//! INVARIANT: writes come in ascending order of version. At one key the higher version of entry
//! and clear wins. A segment of `clears` that was ever cleared has a successor: its end.

use std::cmp::Ordering;
use std::collections::btree_map::{BTreeMap, Entry, Range};
use std::ops::Bound;

use crate::keys::Key;

/// Reads what was written last.
pub(crate) const NEWEST: i64 = i64::MAX;

/// Bytes that an entry costs beside its key and value, roughly.
const ENTRY_OVERHEAD: usize = 96;

/// How many superseded versions pile up before the unreachable ones are dropped.
const PRUNE_AT: usize = 8;

#[derive(Debug)]
struct Chain<V> {
    version: i64,
    value: V,
    older: Vec<(i64, V)>,
}

impl<V> Chain<V> {
    fn at(&self, version: i64) -> Option<(i64, &V)> {
        if self.version <= version {
            return Some((self.version, &self.value));
        }
        // A key that is written over and over has very many versions.
        let seen = self.older.partition_point(|(written, _)| *written <= version);
        let found = self.older.get(seen.wrapping_sub(1));
        found.map(|(written, value)| (*written, value))
    }

    fn push(&mut self, version: i64, value: V, horizon: i64) {
        let old = std::mem::replace(&mut self.value, value);
        let old_version = std::mem::replace(&mut self.version, version);
        if version <= horizon {
            self.older.clear();
            return;
        }
        self.older.push((old_version, old));
        if self.older.len() >= PRUNE_AT {
            let live = self.older.partition_point(|(written, _)| *written <= horizon);
            self.older.drain(..live.saturating_sub(1));
        }
    }
}

/// What the map says about a key.
#[derive(Debug)]
pub(crate) enum Lookup<'a, V> {
    /// Written.
    Entry(&'a V),
    /// Absent: inside a cleared range.
    Cleared,
    /// Unknown here: the layer below decides.
    Missing,
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct WriteMap<V> {
    entries: BTreeMap<Key, Chain<V>>,
    clears: BTreeMap<Key, Vec<i64>>,
    bytes: usize,
}

impl<V> Default for WriteMap<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), clears: BTreeMap::new(), bytes: 0 }
    }
}

impl<V> WriteMap<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.clears.is_empty()
    }

    /// Memory held, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes a key. Versions that no read at `horizon` or later sees may be forgotten.
    pub(crate) fn set(&mut self, key: Key, value: V, size: usize, version: i64, horizon: i64) {
        self.bytes += key.len() + size + ENTRY_OVERHEAD;
        match self.entries.entry(key) {
            Entry::Vacant(slot) => {
                slot.insert(Chain { version, value, older: Vec::new() });
            }
            Entry::Occupied(mut slot) => slot.get_mut().push(version, value, horizon),
        }
    }

    /// Clears `[begin, end)`, which is not empty; `horizon` as in [`WriteMap::set`].
    pub(crate) fn clear(&mut self, begin: &[u8], end: &[u8], version: i64, horizon: i64) {
        self.bytes += begin.len() + end.len() + ENTRY_OVERHEAD;
        if !self.clears.contains_key(end) {
            let state = self.segment(end).to_vec();
            self.clears.insert(end.into(), state);
        }
        let inside = (Bound::Included(begin), Bound::Excluded(end));
        if version <= horizon {
            remove_range(&mut self.entries, begin, end);
            remove_range(&mut self.clears, begin, end);
            self.clears.insert(begin.into(), vec![version]);
            return;
        }
        if !self.clears.contains_key(begin) {
            let state = self.segment(begin).to_vec();
            self.clears.insert(begin.into(), state);
        }
        for (_, versions) in self.clears.range_mut::<[u8], _>(inside) {
            versions.push(version);
            if versions.len() >= PRUNE_AT {
                let live = versions.partition_point(|cleared| *cleared <= horizon);
                versions.drain(..live.saturating_sub(1));
            }
        }
    }

    /// Takes back everything written after `version`.
    pub(crate) fn retract(&mut self, version: i64) {
        self.entries.retain(|_, chain| {
            while chain.version > version {
                let Some((written, value)) = chain.older.pop() else { return false };
                (chain.version, chain.value) = (written, value);
            }
            true
        });
        for versions in self.clears.values_mut() {
            versions.retain(|cleared| *cleared <= version);
        }
    }

    fn segment(&self, key: &[u8]) -> &[i64] {
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.clears.range::<[u8], _>(upto).next_back().map_or(&[], |(_, versions)| versions)
    }

    /// The version of the last clear of `key` at or before `at`; 0 when there is none.
    fn cleared_at(&self, key: &[u8], at: i64) -> i64 {
        if self.clears.is_empty() {
            return 0;
        }
        last_at_or_before(self.segment(key), at)
    }

    /// The newest state of a key at or before version `at`.
    pub(crate) fn lookup(&self, key: &[u8], at: i64) -> Lookup<'_, V> {
        let entry = self.entries.get(key).and_then(|chain| chain.at(at));
        let cleared = self.cleared_at(key, at);
        match entry {
            Some((version, value)) if version >= cleared => Lookup::Entry(value),
            _ if cleared > 0 => Lookup::Cleared,
            _ => Lookup::Missing,
        }
    }

    /// The version of the last write or clear of a key; 0 when there is none.
    pub(crate) fn last_version(&self, key: &[u8]) -> i64 {
        let entry = self.entries.get(key).map_or(0, |chain| chain.version);
        entry.max(self.cleared_at(key, NEWEST))
    }

    /// The version of the last clear of a key; 0 when there is none.
    pub(crate) fn last_clear(&self, key: &[u8]) -> i64 {
        self.cleared_at(key, NEWEST)
    }

    /// The cleared ranges that are left, in key order. Entries inside them were written later.
    pub(crate) fn cleared_ranges(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let ends = self.clears.keys().skip(1);
        let cleared = self.clears.iter().zip(ends).filter(|((_, state), _)| !state.is_empty());
        cleared.map(|((begin, _), end)| (&**begin, &**end))
    }

    /// The cleared ranges that reach into `[begin, end)`, cut to it, in key order.
    pub(crate) fn cleared_ranges_in<'a>(
        &'a self,
        begin: &'a [u8],
        end: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let upto = (Bound::Unbounded, Bound::Included(begin));
        let first = self.clears.range::<[u8], _>(upto).next_back().map_or(begin, |(key, _)| key);
        let starts = range_of(&self.clears, first, end);
        let ends = range_of(&self.clears, first, end).skip(1).map(|(key, _)| &**key);
        let ends = ends.chain(std::iter::repeat(end));
        let cleared = starts.zip(ends).filter(|((_, state), _)| !state.is_empty());
        cleared.map(move |((from, _), to)| ((&**from).max(begin), to.min(end)))
    }

    /// Takes the entry of a key out, when it holds.
    pub(crate) fn take_entry(&mut self, key: &[u8]) -> Option<V> {
        match self.lookup(key, NEWEST) {
            Lookup::Entry(_) => self.entries.remove(key).map(|chain| chain.value),
            _ => None,
        }
    }

    /// The entries that hold, in key order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], &V)> {
        let live =
            |(key, chain): (&'_ Key, &'_ Chain<V>)| chain.version >= self.cleared_at(key, NEWEST);
        let entries = self.entries.iter().filter(move |(key, chain)| live((key, chain)));
        entries.map(|(key, chain)| (&**key, &chain.value))
    }

    /// Consumes the map: the entries that hold, in key order.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (Key, V)> {
        let Self { entries, clears, .. } = self;
        let only_clears = WriteMap::<V> { entries: BTreeMap::new(), clears, bytes: 0 };
        let live = move |(key, chain): &(Key, Chain<V>)| {
            chain.version >= only_clears.cleared_at(key, NEWEST)
        };
        entries.into_iter().filter(live).map(|(key, chain)| (key, chain.value))
    }

    /// A cursor over `[begin, end)` at version `at`, on its first entry.
    pub(crate) fn cursor<'a>(
        &'a self,
        begin: &[u8],
        end: &[u8],
        reverse: bool,
        at: i64,
    ) -> MapCursor<'a, V> {
        let from = if reverse { end } else { begin };
        let range = self.walk_from(from, reverse);
        let limit = if reverse { begin.into() } else { end.into() };
        let mut cursor =
            MapCursor { map: self, at, range, reverse, limit, current: None, gap: None };
        cursor.advance();
        cursor
    }

    /// The entries on one side of a key: of their two bounds only this one costs a search.
    fn walk_from(&self, from: &[u8], reverse: bool) -> Range<'_, Key, Chain<V>> {
        self.entries.range::<[u8], _>(if reverse {
            (Bound::Unbounded, Bound::Excluded(from))
        } else {
            (Bound::Included(from), Bound::Unbounded)
        })
    }

    /// True when neither an entry nor a cleared range reaches into `[begin, end)`.
    pub(crate) fn misses(&self, begin: &[u8], end: &[u8]) -> bool {
        self.is_clear_free(begin, end) && range_of(&self.entries, begin, end).next().is_none()
    }

    /// True when no cleared range reaches into `[begin, end)`.
    pub(crate) fn is_clear_free(&self, begin: &[u8], end: &[u8]) -> bool {
        self.clears.is_empty()
            || (self.segment(begin).is_empty()
                && range_of(&self.clears, begin, end).next().is_none())
    }
}

fn last_at_or_before(versions: &[i64], at: i64) -> i64 {
    let seen = versions.partition_point(|version| *version <= at);
    versions.get(seen.wrapping_sub(1)).copied().unwrap_or(0)
}

fn range_of<'a, T>(map: &'a BTreeMap<Key, T>, begin: &[u8], end: &[u8]) -> Range<'a, Key, T> {
    let end = end.max(begin);
    map.range::<[u8], _>((Bound::Included(begin), Bound::Excluded(end)))
}

fn remove_range<T>(map: &mut BTreeMap<Key, T>, begin: &[u8], end: &[u8]) {
    let doomed: Vec<Key> = range_of(map, begin, end).map(|(key, _)| key.clone()).collect();
    for key in doomed {
        map.remove(&key);
    }
}

/// Walks the entries of a [`WriteMap`] in one direction.
#[derive(Debug)]
pub(crate) struct MapCursor<'a, V> {
    map: &'a WriteMap<V>,
    at: i64,
    range: Range<'a, Key, Chain<V>>,
    reverse: bool,
    /// The far bound of the walk: end going forward, begin going back.
    limit: Key,
    current: Option<(&'a [u8], &'a V)>,
    gap: Option<Gap<'a>>,
}

/// The segment of `clears` that was asked for last.
#[derive(Debug, Clone, Copy)]
struct Gap<'a> {
    begin: &'a [u8],
    end: Option<&'a [u8]>,
    cleared: bool,
}

impl<'a, V> MapCursor<'a, V> {
    pub(crate) fn current(&self) -> Option<(&'a [u8], &'a V)> {
        self.current
    }

    pub(crate) fn advance(&mut self) {
        self.current = loop {
            let next = if self.reverse { self.range.next_back() } else { self.range.next() };
            let Some((key, chain)) = next else { break None };
            let passed = if self.reverse { *key < self.limit } else { *key >= self.limit };
            if passed {
                break None;
            }
            if let Some((version, value)) = chain.at(self.at)
                && version >= self.map.cleared_at(key, self.at)
            {
                break Some((&**key, value));
            }
        };
    }

    /// Moves on to the first entry at or after `bound` (forward) or before it (reverse).
    pub(crate) fn seek(&mut self, bound: &[u8]) {
        let reached = match self.current {
            None => true,
            Some((key, _)) if self.reverse => key < bound,
            Some((key, _)) => key >= bound,
        };
        if !reached {
            self.range = self.map.walk_from(bound, self.reverse);
            self.advance();
        }
    }

    /// Where to seek to in the layer below when `key` lies in a cleared range; `None` when it
    /// does not.
    pub(crate) fn cleared(&mut self, key: &[u8]) -> Option<&'a [u8]> {
        if self.map.clears.is_empty() {
            return None;
        }
        let hit = self.gap.filter(|gap| gap.begin <= key && gap.end.is_none_or(|end| key < end));
        let gap = hit.unwrap_or_else(|| self.find_gap(key));
        self.gap = Some(gap);
        match gap {
            Gap { cleared: false, .. } => None,
            Gap { begin, .. } if self.reverse => Some(begin),
            Gap { end, .. } => end,
        }
    }

    fn find_gap(&self, key: &[u8]) -> Gap<'a> {
        let clears = &self.map.clears;
        let at_or_before = clears.range::<[u8], _>((Bound::Unbounded, Bound::Included(key)));
        let after = clears.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded)).next();
        let end = after.map(|(end, _)| &**end);
        match { at_or_before }.next_back() {
            Some((begin, state)) => {
                Gap { begin, end, cleared: last_at_or_before(state, self.at) > 0 }
            }
            None => Gap { begin: &[], end, cleared: false },
        }
    }
}

/// How two keys follow each other in a walk.
pub(crate) fn walk_order(a: &[u8], b: &[u8], reverse: bool) -> Ordering {
    if reverse { b.cmp(a) } else { a.cmp(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(map: &WriteMap<u32>, key: &[u8], at: i64) -> Option<u32> {
        match map.lookup(key, at) {
            Lookup::Entry(value) => Some(*value),
            Lookup::Cleared => Some(0),
            Lookup::Missing => None,
        }
    }

    #[test]
    fn reads_see_the_state_of_their_version() {
        let mut map = WriteMap::default();
        map.set(b"b"[..].into(), 1, 0, 10, 0);
        map.clear(b"a", b"c", 20, 0);
        map.set(b"b"[..].into(), 3, 0, 30, 0);
        let states = [5, 10, 20, 25, 30].map(|at| lookup(&map, b"b", at));
        assert_eq!(states, [None, Some(1), Some(0), Some(0), Some(3)]);
        assert_eq!(lookup(&map, b"c", 30), None);
        assert_eq!(lookup(&map, b"a", 30), Some(0));
        assert_eq!(map.cleared_ranges().count(), 1);
        assert_eq!(map.entries().map(|(_, value)| *value).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn overlapping_clears_keep_their_segments() {
        let mut map = WriteMap::<u32>::default();
        map.clear(b"b", b"d", 1, 0);
        map.clear(b"a", b"c", 2, 0);
        map.clear(b"c", b"e", 3, 0);
        let at = |version| [b"a", b"b", b"c", b"d", b"e"].map(|key| lookup(&map, key, version));
        assert_eq!(at(1), [None, Some(0), Some(0), None, None]);
        assert_eq!(at(2), [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(at(3), [Some(0), Some(0), Some(0), Some(0), None]);
    }

    #[test]
    fn forgets_versions_behind_the_horizon_only() {
        let mut map = WriteMap::default();
        for version in 1..100 {
            map.set(b"k"[..].into(), version as u32, 0, version, version - 5);
        }
        assert_eq!(lookup(&map, b"k", 99), Some(99));
        assert_eq!(lookup(&map, b"k", 94), Some(94));
        assert_eq!(lookup(&map, b"k", 50), None);
        map.clear(b"", b"z", 100, NEWEST);
        assert_eq!(map.entries.len(), 0);
    }

    #[test]
    fn cursors_walk_both_ways_and_name_cleared_gaps() {
        let mut map = WriteMap::default();
        for key in [b"a", b"c", b"e"] {
            map.set(key[..].into(), 1, 0, 1, NEWEST);
        }
        map.clear(b"b", b"d", 2, NEWEST);
        let mut forward = map.cursor(b"", b"\xff", false, NEWEST);
        assert_eq!(forward.current().map(|entry| entry.0), Some(&b"a"[..]));
        assert_eq!(forward.cleared(b"bb"), Some(&b"d"[..]));
        assert_eq!(forward.cleared(b"d"), None);
        forward.seek(b"d");
        assert_eq!(forward.current().map(|entry| entry.0), Some(&b"e"[..]));
        let mut back = map.cursor(b"", b"\xff", true, NEWEST);
        assert_eq!(back.cleared(b"c"), Some(&b"b"[..]));
        back.seek(b"b");
        assert_eq!(back.current().map(|entry| entry.0), Some(&b"a"[..]));
        back.advance();
        assert!(back.current().is_none());
    }
}
