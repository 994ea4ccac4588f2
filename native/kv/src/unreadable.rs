//! The keys that a transaction cannot read back: their content, or their name, is known at its
//! commit only.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::keys::Key;

/// Half-open ranges by their begin, none touching another.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(BTreeMap<Key, Key>);

impl Unreadable {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds `[begin, end)`, which is not empty.
    pub(crate) fn add(&mut self, begin: &[u8], end: &[u8]) {
        let (mut from, mut to): (Key, Key) = (begin.into(), end.into());
        for (met_from, met_to) in self.take(begin, end) {
            from = from.min(met_from);
            to = to.max(met_to);
        }
        self.0.insert(from, to);
    }

    /// Takes `[begin, end)` out.
    pub(crate) fn remove(&mut self, begin: &[u8], end: &[u8]) {
        for (from, to) in self.take(begin, end) {
            if *from < *begin {
                self.0.insert(from, begin.into());
            }
            if *end < *to {
                self.0.insert(end.into(), to);
            }
        }
    }

    /// Whether a part of `[begin, end)` is unreadable.
    pub(crate) fn meets(&self, begin: &[u8], end: &[u8]) -> bool {
        // No range touches another: the last one that begins before `end` reaches farthest.
        begin < end && self.before(end).is_some_and(|(_, to)| **to > *begin)
    }

    fn before(&self, end: &[u8]) -> Option<(&Key, &Key)> {
        let upto = (Bound::Unbounded, Bound::Excluded(end));
        self.0.range::<[u8], _>(upto).next_back()
    }

    /// Takes the ranges out that reach into `[begin, end)`.
    fn take(&mut self, begin: &[u8], end: &[u8]) -> Vec<(Key, Key)> {
        let mut taken = Vec::new();
        while let Some((from, to)) = self.before(end)
            && **to > *begin
        {
            let from = from.clone();
            taken.extend(self.0.remove_entry(&from));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_are_cut() {
        let mut ranges = Unreadable::default();
        ranges.add(b"b", b"d");
        ranges.add(b"f", b"h");
        assert!(ranges.meets(b"a", b"c") && ranges.meets(b"c", b"c\0") && ranges.meets(b"", b"z"));
        assert!(
            !ranges.meets(b"d", b"f") && !ranges.meets(b"a", b"b") && !ranges.meets(b"c", b"c")
        );
        ranges.add(b"c", b"g");
        assert!(ranges.meets(b"d", b"e"));
        ranges.remove(b"c", b"e");
        assert!(ranges.meets(b"b", b"c") && !ranges.meets(b"c", b"e") && ranges.meets(b"e", b"h"));
        ranges.remove(b"", b"z");
        assert!(ranges.is_empty());
    }
}
