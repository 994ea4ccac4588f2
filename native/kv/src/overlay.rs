//! Committed writes in memory, shared between the committer and the readers.
//!
//! Most point reads are of keys that no overlay holds. A filter says so with one look into memory
//! and without the lock, which the committer holds for much of the time.
//!
//! ORDER: the filter knows a write before the version that covers it becomes visible (a release);
//! a reader has its version before it asks (an acquire).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::merge::Committed;
use crate::write_map::WriteMap;

/// One word of the filter per this many bytes of an overlay: some 8 bits per entry of one that is
/// twice its usual size.
const BYTES_PER_WORD: usize = 512;
const LEAST_WORDS: usize = 64;
const MOST_WORDS: usize = 1 << 20;

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Overlay {
    map: RwLock<WriteMap<Committed>>,
    keys: KeyFilter,
    /// A range was cleared: the filter says nothing any more.
    cleared: AtomicBool,
}

impl Overlay {
    /// An empty overlay, to hold about `bytes` of memory.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            map: RwLock::default(),
            keys: KeyFilter::new(bytes),
            cleared: AtomicBool::new(false),
        }
    }

    /// An overlay of what a map holds.
    pub(crate) fn holding(map: WriteMap<Committed>) -> Self {
        let overlay = Self::new(map.bytes());
        let cleared = map.cleared_ranges().next().is_some();
        overlay.announce(map.entries().map(|(key, _)| key), cleared);
        *overlay.map.write() = map;
        overlay
    }

    /// Tells readers of the keys, and whether of cleared ranges, that are about to be written.
    pub(crate) fn announce<'k>(&self, keys: impl Iterator<Item = &'k [u8]>, cleared: bool) {
        keys.for_each(|key| self.keys.add(key));
        if cleared {
            self.cleared.store(true, Ordering::Relaxed);
        }
    }

    /// False when the overlay surely says nothing about a key.
    pub(crate) fn may_know(&self, key: &[u8]) -> bool {
        self.keys.may_hold(key) || self.cleared.load(Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, WriteMap<Committed>> {
        self.map.read()
    }

    /// For writing; what is written was announced.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, WriteMap<Committed>> {
        self.map.write()
    }
}

/// A Bloom filter that sets all bits of a key in one word.
struct KeyFilter(Box<[AtomicU64]>);

impl std::fmt::Debug for KeyFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyFilter").field(&self.0.len()).finish()
    }
}

impl KeyFilter {
    fn new(overlay_bytes: usize) -> Self {
        let words = (overlay_bytes / BYTES_PER_WORD).clamp(LEAST_WORDS, MOST_WORDS);
        Self((0..words.next_power_of_two()).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, key: &[u8]) {
        let (word, bits) = self.place(key);
        if let Some(word) = word {
            word.fetch_or(bits, Ordering::Relaxed);
        }
    }

    fn may_hold(&self, key: &[u8]) -> bool {
        let (word, bits) = self.place(key);
        word.is_none_or(|word| word.load(Ordering::Relaxed) & bits == bits)
    }

    /// The word of a key, and its four bits in there.
    fn place(&self, key: &[u8]) -> (Option<&AtomicU64>, u64) {
        let hash = u64::from(crc32c::crc32c(key)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = [0, 6, 12, 18].map(|shift| 1_u64 << (hash >> shift & 63));
        let word = (hash >> 32) as usize & (self.0.len() - 1);
        (self.0.get(word), bits.iter().fold(0, |all, bit| all | bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_knows_its_keys_and_few_others() {
        const ENTRY_BYTES: u64 = 128;
        let filter = KeyFilter::new(1 << 20);
        // Twice the usual size.
        let count = (2 << 20) / ENTRY_BYTES;
        for number in 0..count {
            filter.add(format!("key/{number:010}").as_bytes());
        }
        assert!((0..count).all(|number| filter.may_hold(format!("key/{number:010}").as_bytes())));
        let others = (count..2 * count).map(|number| format!("key/{number:010}"));
        let wrong = others.filter(|key| filter.may_hold(key.as_bytes())).count() as u64;
        assert!(wrong < count / 8, "{wrong} of {count}");
    }

    #[test]
    fn a_cleared_range_makes_every_key_worth_a_look() {
        let overlay = Overlay::new(0);
        overlay.announce([&b"a"[..]].into_iter(), false);
        assert!(overlay.may_know(b"a") && !overlay.may_know(b"b"));
        overlay.announce(std::iter::empty(), true);
        assert!(overlay.may_know(b"b"));
    }
}
