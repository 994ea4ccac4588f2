//! Reads of a transaction: its own writes over its snapshot.

use std::borrow::Cow;
use std::sync::Arc;

use super::Transaction;
use crate::error::{Error, Result, code};
use crate::keys::{Key, key_after, key_limit};
use crate::merge::{Source, Walk};
use crate::peers::PageSize;
use crate::pending::Pending;
use crate::types::{KeySelector, RangeOptions, RangeResult};
use crate::watches::{OnFire, PendingWatch, WatchCell, WatchHandle};
use crate::write_map::{Lookup, NEWEST, WriteMap};

/// Pairs that a size estimate reads at a time.
const ESTIMATE_BATCH: usize = 4096;

/// Where the selectors of a range read count from.
struct RangePlaces {
    begin: Vec<u8>,
    begin_offset: i32,
    end: Vec<u8>,
    end_offset: i32,
}

/// What a range read came across.
struct Seen<'a> {
    more: bool,
    first: Option<&'a [u8]>,
    last: Option<&'a [u8]>,
    /// The begin's selector went beyond the first key.
    to_begin: bool,
    /// The end's selector went beyond the last key.
    through_end: bool,
}

impl RangePlaces {
    /// The range in which a change can change what the read returned: FoundationDB's rule. Where a
    /// limit ended the read, what lies behind its last pair does not matter, unless the far end is
    /// counted backwards from there.
    fn read(&self, seen: &Seen<'_>, reverse: bool, limit: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (begin, end) = (&*self.begin, &*self.end);
        let stopped = |far_end_matters: bool| seen.more && !far_end_matters;
        let (mut from, mut to) = if begin >= end {
            (end, begin)
        } else if reverse {
            (if stopped(self.begin_offset > 1) { end } else { begin }, end)
        } else {
            (begin, if stopped(self.end_offset <= 0) { begin } else { end })
        };
        if seen.to_begin && !(reverse && seen.more) {
            from = &[];
        }
        if seen.through_end && (reverse || !seen.more) {
            to = limit;
        }
        let (Some(first), Some(last)) = (seen.first, seen.last) else {
            return (from.to_vec(), to.to_vec());
        };
        let (lowest, highest) = if reverse { (last, first) } else { (first, last) };
        let to = if to <= highest { key_after(highest) } else { to.to_vec() };
        (from.min(lowest).to_vec(), to)
    }
}

impl Transaction {
    /// The value of a key.
    ///
    /// # Errors
    /// 1007, 1009, 1025, 1031, 1036, 1037, 2004, 2017.
    pub fn get(&mut self, key: &[u8], snapshot: bool) -> Result<Option<Vec<u8>>> {
        self.check_active()?;
        self.check_read_key(key)?;
        if key.len() > key_limit(key) {
            return Ok(None);
        }
        let own = self.reads_own_writes(snapshot) && self.has_writes();
        if own {
            self.check_readable(key, &key_after(key))?;
            match self.writes.lookup(key, NEWEST) {
                Lookup::Entry(Pending::Value(value)) => {
                    return Ok(value.as_ref().map(|value| value.to_vec()));
                }
                Lookup::Cleared => return Ok(None),
                Lookup::Entry(_) | Lookup::Missing => {}
            }
        }
        self.begin_read()?;
        let below = match &self.snapshot {
            Some(snapshot) => snapshot.get(key)?,
            None => None,
        };
        let value = match self.writes.lookup(key, NEWEST) {
            Lookup::Entry(pending) if own => pending.read(below)?,
            _ => below,
        };
        if !snapshot {
            self.add_read_key_conflict(key);
        }
        Ok(value)
    }

    /// The key that a selector chooses; `""` and `\xff` stand for the places beyond the ends.
    ///
    /// # Errors
    /// As for [`Transaction::get`].
    pub fn get_key(&mut self, selector: &KeySelector, snapshot: bool) -> Result<Vec<u8>> {
        self.check_active()?;
        self.check_selector(selector)?;
        self.begin_read()?;
        self.resolve(selector, snapshot)
    }

    /// The pairs from `begin` up to, not including, `end`.
    ///
    /// # Errors
    /// As for [`Transaction::get`]; 2000 for a bad iteration, 2210 for exact mode without limits.
    pub fn get_range(
        &mut self,
        begin: &KeySelector,
        end: &KeySelector,
        options: &RangeOptions,
    ) -> Result<RangeResult> {
        self.check_active()?;
        self.check_selector(begin)?;
        self.check_selector(end)?;
        let byte_limit = options.byte_limit()?;
        let places = RangePlaces {
            begin: self.origin(begin),
            begin_offset: begin.offset,
            end: self.origin(end),
            end_offset: end.offset,
        };
        let mut result = RangeResult::default();
        if begin.offset >= end.offset && places.begin >= places.end {
            return Ok(result);
        }
        self.begin_read()?;
        let begin = self.bound(&places.begin, begin.offset, options.snapshot)?;
        let end = self.bound(&places.end, end.offset, options.snapshot)?;
        let mut seen = Seen {
            more: false,
            first: None,
            last: None,
            to_begin: begin.is_none() && places.begin_offset <= 0,
            through_end: end.is_none() && places.end_offset > 0,
        };
        let beyond = |offset: i32| if offset > 0 { self.read_end() } else { &[] };
        let begin = begin.unwrap_or_else(|| beyond(places.begin_offset).into());
        let end = end.unwrap_or_else(|| beyond(places.end_offset).into());
        let mut last_at = 0;
        if begin < end {
            let walk = Walk { begin: &begin, end: &end, reverse: options.reverse, at: NEWEST };
            let page = options.page_size(byte_limit);
            self.with_pairs(walk, page, options.snapshot, |pairs| {
                let mut bytes = 0;
                while let Some((key, value)) = pairs.current() {
                    last_at = result.data.len();
                    result.push(key, value);
                    bytes += key.len() + value.len();
                    if bytes >= byte_limit || result.count == options.limit {
                        result.more = true;
                        break;
                    }
                    pairs.advance()?;
                }
                Ok(())
            })?;
        }
        seen.more = result.more;
        seen.first = result.key_at(0);
        seen.last = result.key_at(last_at);
        let (from, to) = places.read(&seen, options.reverse, self.read_end());
        self.note_range_read(&from, &to, options.snapshot)?;
        Ok(result)
    }

    /// Bytes of the keys and values in `[begin, end)`, counted by walking over them: the time it
    /// takes grows with the range. Adds no conflict.
    ///
    /// # Errors
    /// As for [`Transaction::get`]; 2005.
    pub fn estimated_range_size(&mut self, begin: &[u8], end: &[u8]) -> Result<i64> {
        let mut total = 0_i64;
        self.measure(begin, end, |_, size| total += size as i64)?;
        Ok(total)
    }

    /// Keys that cut `[begin, end)` into parts of about `chunk_bytes`; the first and last are
    /// `begin` and `end`. The time it takes grows with the range. Adds no conflict.
    ///
    /// # Errors
    /// As for [`Transaction::get`]; 2005; 2000 for a `chunk_bytes` of 0.
    pub fn split_points(
        &mut self,
        begin: &[u8],
        end: &[u8],
        chunk_bytes: usize,
    ) -> Result<Vec<Vec<u8>>> {
        if chunk_bytes == 0 {
            return Err(Error::new(code::CLIENT_INVALID_OPERATION));
        }
        let mut points = vec![begin.to_vec()];
        let mut chunk = 0;
        self.measure(begin, end, |key, size| {
            if chunk >= chunk_bytes {
                points.push(key.to_vec());
                chunk = 0;
            }
            chunk += size;
        })?;
        points.push(end.to_vec());
        Ok(points)
    }

    /// Calls `on_fire` once: with `Ok` when, after this transaction's commit, the key's value is no
    /// longer the one that the transaction sees now; with an error when the transaction fails, is
    /// reset or cancelled before that, or the store closes. It runs on another thread or inside
    /// `commit`, `reset`, `cancel` or drop; it must not block.
    ///
    /// # Errors
    /// As for [`Transaction::get`]; 1032, 1034, 2102.
    pub fn watch(&mut self, key: &[u8], on_fire: OnFire) -> Result<WatchHandle> {
        if !self.options.read_your_writes {
            return Err(Error::new(code::WATCHES_DISABLED));
        }
        if key.len() > key_limit(key) {
            return Err(Error::new(code::KEY_TOO_LARGE));
        }
        let slot = self.slots.take()?;
        let expected = self.get(key, false)?.map(Vec::into_boxed_slice);
        // Held until the watch ends, be it before the commit.
        let counted = move |outcome| {
            drop(slot);
            on_fire(outcome);
        };
        let cell = Arc::new(WatchCell::new(Box::new(counted)));
        let key: Key = key.into();
        let handle = WatchHandle::new(&self.client, key.clone(), Arc::clone(&cell));
        self.watches.push(PendingWatch { key, expected, cell });
        Ok(handle)
    }

    fn has_writes(&self) -> bool {
        !self.writes.is_empty() || !self.unreadable.is_empty()
    }

    fn check_selector(&self, selector: &KeySelector) -> Result<()> {
        if *selector.key > *self.read_end() {
            return Err(Error::new(code::KEY_OUTSIDE_LEGAL_RANGE));
        }
        Ok(())
    }

    /// Fails when a versionstamped key may end up in `[begin, end)`.
    fn check_readable(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        if !self.options.bypass_unreadable && self.unreadable.meets(begin, end) {
            return Err(Error::new(code::ACCESSED_UNREADABLE));
        }
        Ok(())
    }

    /// Runs `read` over the pairs of a range as this transaction sees them.
    fn with_pairs<R>(
        &self,
        walk: Walk<'_>,
        page: PageSize,
        snapshot: bool,
        read: impl FnOnce(&mut dyn Source) -> Result<R>,
    ) -> Result<R> {
        let own: Option<&WriteMap<Pending>> =
            self.reads_own_writes(snapshot).then_some(&self.writes);
        match &self.snapshot {
            Some(snapshot) => snapshot.with_pairs(walk, page, own, read),
            None => Err(Error::new(code::OPERATION_FAILED)),
        }
    }

    /// Where a selector counts from.
    fn origin(&self, selector: &KeySelector) -> Vec<u8> {
        let origin =
            if selector.or_equal { key_after(&selector.key) } else { selector.key.clone() };
        if *origin > *self.read_end() { self.read_end().to_vec() } else { origin }
    }

    /// An end of a range read; `None` beyond the keys. Most selectors name their key themselves.
    fn bound<'a>(
        &self,
        origin: &'a [u8],
        offset: i32,
        snapshot: bool,
    ) -> Result<Option<Cow<'a, [u8]>>> {
        if offset == 1 {
            return Ok(Some(Cow::Borrowed(origin)));
        }
        let found = self.find(origin, offset, snapshot)?;
        if self.reads_own_writes(snapshot) {
            let (from, to) = self.passed(origin, offset, found.as_deref());
            self.check_readable(&from, &to)?;
        }
        Ok(found.map(Cow::Owned))
    }

    /// The key at an offset from a place; `None` when there are not so many.
    fn find(&self, origin: &[u8], offset: i32, snapshot: bool) -> Result<Option<Vec<u8>>> {
        let forward = offset > 0;
        // How many pairs are passed over before the chosen one.
        let passed = if forward { offset - 1 } else { offset.saturating_neg() };
        let (begin, end) = if forward { (origin, self.read_end()) } else { (&[][..], origin) };
        if begin >= end {
            return Ok(None);
        }
        let walk = Walk { begin, end, reverse: !forward, at: NEWEST };
        let page = PageSize::of_pairs(passed.unsigned_abs() as usize + 1);
        self.with_pairs(walk, page, snapshot, |pairs| {
            for _ in 0..passed {
                if pairs.current().is_none() {
                    return Ok(None);
                }
                pairs.advance()?;
            }
            Ok(pairs.current().map(|(key, _)| key.to_vec()))
        })
    }

    /// The range that decides what `find` answered.
    fn passed(&self, origin: &[u8], offset: i32, found: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
        match (found, offset > 0) {
            (Some(key), true) => (origin.to_vec(), key_after(key)),
            (Some(key), false) => (key.to_vec(), origin.to_vec()),
            (None, true) => (origin.to_vec(), self.read_end().to_vec()),
            (None, false) => (Vec::new(), origin.to_vec()),
        }
    }

    fn resolve(&mut self, selector: &KeySelector, snapshot: bool) -> Result<Vec<u8>> {
        let origin = self.origin(selector);
        let found = self.find(&origin, selector.offset, snapshot)?;
        let (from, to) = self.passed(&origin, selector.offset, found.as_deref());
        self.note_range_read(&from, &to, snapshot)?;
        let beyond = || if selector.offset > 0 { self.read_end().to_vec() } else { Vec::new() };
        Ok(found.unwrap_or_else(beyond))
    }

    /// Notes that the content of `[begin, end)` was seen.
    fn note_range_read(&mut self, begin: &[u8], end: &[u8], snapshot: bool) -> Result<()> {
        if self.reads_own_writes(snapshot) {
            self.check_readable(begin, end)?;
        }
        if !snapshot && begin < end {
            self.add_read_conflict(begin, end);
        }
        Ok(())
    }

    /// Calls `visit` with every key in `[begin, end)` and the bytes of its pair.
    fn measure(
        &mut self,
        begin: &[u8],
        end: &[u8],
        mut visit: impl FnMut(&[u8], usize),
    ) -> Result<()> {
        self.check_active()?;
        if begin > end {
            return Err(Error::new(code::INVERTED_RANGE));
        }
        if end > self.read_end() {
            return Err(Error::new(code::KEY_OUTSIDE_LEGAL_RANGE));
        }
        self.begin_read()?;
        let mut from = Some(begin.to_vec());
        while let Some(begin) = from.take() {
            let walk = Walk { begin: &begin, end, reverse: false, at: NEWEST };
            from = self.with_pairs(walk, PageSize::LARGEST, true, |pairs| {
                for _ in 0..ESTIMATE_BATCH {
                    let Some((key, value)) = pairs.current() else { return Ok(None) };
                    visit(key, key.len() + value.len());
                    pairs.advance()?;
                }
                Ok(pairs.current().map(|(key, _)| key.to_vec()))
            })?;
        }
        Ok(())
    }
}
