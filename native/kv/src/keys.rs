//! Keys, their limits, and packed lists of key ranges.

/// Longest key in bytes.
pub const KEY_LIMIT: usize = 10_000;
/// Longest key in the system's part of the key space, in bytes.
pub const SYSTEM_KEY_LIMIT: usize = 30_000;
/// Longest value in bytes.
pub const VALUE_LIMIT: usize = 100_000;
/// Most bytes of a transaction's mutations and conflict ranges.
pub const TRANSACTION_LIMIT: usize = 10_000_000;
/// How old a read version may be, in versions, which are microseconds.
pub const VERSION_WINDOW: i64 = 5_000_000;

/// End of the keys that every transaction may use.
pub(crate) const USER_END: &[u8] = b"\xff";
/// End of the keys that a transaction with access to system keys may use.
pub(crate) const SYSTEM_END: &[u8] = b"\xff\xff";
/// The one system key open to all: layers stamp it when cached metadata becomes stale.
pub(crate) const METADATA_VERSION_KEY: &[u8] = b"\xff/metadataVersion";

pub(crate) type Key = Box<[u8]>;

/// The longest key that begins as `key` does, in bytes.
pub(crate) fn key_limit(key: &[u8]) -> usize {
    if key.starts_with(USER_END) { SYSTEM_KEY_LIMIT } else { KEY_LIMIT }
}

/// The first key after `key`.
pub(crate) fn key_after(key: &[u8]) -> Vec<u8> {
    let mut after = Vec::with_capacity(key.len() + 1);
    after.extend_from_slice(key);
    after.push(0);
    after
}

/// Key ranges `[begin, end)` packed into one buffer, in the order of insertion.
#[derive(Debug, Default)]
pub(crate) struct RangeList {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// `bytes[begin..middle]` is the begin key and `bytes[middle..end]` the end key. A single key has
/// no end key: its range ends right behind it.
#[derive(Debug, Clone, Copy)]
struct Span {
    begin: usize,
    middle: usize,
    end: usize,
}

/// A borrowed range of a [`RangeList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyRange<'a> {
    /// The key alone.
    Single(&'a [u8]),
    /// From the first key up to, not including, the second.
    Span(&'a [u8], &'a [u8]),
}

impl RangeList {
    pub(crate) fn push_key(&mut self, key: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let end = self.bytes.len();
        self.spans.push(Span { begin, middle: end, end });
    }

    /// Adds `[begin, end)`; nothing when it is empty.
    pub(crate) fn push_range(&mut self, begin: &[u8], end: &[u8]) {
        if begin >= end {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(begin);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(end);
        self.spans.push(Span { begin: start, middle, end: self.bytes.len() });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = KeyRange<'_>> {
        self.spans.iter().map(|span| {
            let begin = self.bytes.get(span.begin..span.middle).unwrap_or_default();
            match self.bytes.get(span.middle..span.end) {
                Some(end) if !end.is_empty() => KeyRange::Span(begin, end),
                _ => KeyRange::Single(begin),
            }
        })
    }
}
