//! The documents that a cursor has returned, so that none comes twice.

use std::collections::HashSet;

use crate::ID_BYTES;

type Id = [u8; ID_BYTES];

/// Ids in the order in which they came. Those of the running batch are forgotten when it fails.
#[derive(Debug, Default)]
pub struct IdSet {
    ids: Vec<Id>,
    /// How many of `ids` belong to batches that count.
    committed: usize,
    /// All of `ids`, made when it is first needed: most cursors have one batch.
    index: Option<HashSet<Id>>,
}

impl IdSet {
    /// Begins a batch: forgets what the last one added, unless it was committed.
    pub fn begin(&mut self) {
        for id in self.ids.drain(self.committed..) {
            if let Some(index) = &mut self.index {
                index.remove(&id);
            }
        }
    }

    /// The batch counts.
    pub fn commit(&mut self) {
        // Most cursors end here.
        if self.committed == 0 {
            self.ids.shrink_to_fit();
        }
        self.committed = self.ids.len();
    }

    /// Whether batches before this one have returned anything.
    pub(crate) fn is_resumed(&self) -> bool {
        self.committed > 0
    }

    pub(crate) fn contains(&mut self, id: &Id) -> bool {
        let Self { ids, index, .. } = self;
        index.get_or_insert_with(|| ids.iter().copied().collect()).contains(id)
    }

    pub(crate) fn add(&mut self, id: Id) {
        if let Some(index) = &mut self.index {
            index.insert(id);
        }
        self.ids.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_a_batch_that_does_not_count() {
        let mut set = IdSet::default();
        set.begin();
        set.add([1; ID_BYTES]);
        set.commit();
        assert!(set.is_resumed());
        for _ in 0..2 {
            set.begin();
            assert!(!set.contains(&[2; ID_BYTES]));
            set.add([2; ID_BYTES]);
            assert!(set.contains(&[2; ID_BYTES]));
        }
        set.begin();
        assert!(set.contains(&[1; ID_BYTES]));
        assert!(!set.contains(&[2; ID_BYTES]));
    }
}
