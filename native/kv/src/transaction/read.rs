//! Reads of a transaction: its own writes over its snapshot.

use std::sync::Arc;

use super::Transaction;
use crate::error::{Error, Result, code};
use crate::keys::{KEY_LIMIT, Key, key_after};
use crate::merge::{Source, Walk};
use crate::peers::PageSize;
use crate::pending::Pending;
use crate::types::{KeySelector, RangeOptions, RangeResult};
use crate::watches::{OnFire, PendingWatch, WatchCell, WatchHandle};
use crate::write_map::{Lookup, NEWEST, WriteMap};

/// Pairs that a size estimate reads at a time.
const ESTIMATE_BATCH: usize = 4096;

impl Transaction {
    /// The value of a key.
    ///
    /// # Errors
    /// 1007, 1009, 1025, 1031, 1036, 1037, 2004, 2017.
    pub fn get(&mut self, key: &[u8], snapshot: bool) -> Result<Option<Vec<u8>>> {
        self.check_active()?;
        self.check_read_key(key)?;
        if key.len() > KEY_LIMIT {
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
        self.begin_read()?;
        let begin = self.bound(begin, options.snapshot)?;
        let end = self.bound(end, options.snapshot)?;
        let mut result = RangeResult::default();
        if begin >= end {
            return Ok(result);
        }
        let mut last: Vec<u8> = Vec::new();
        let walk = Walk { begin: &begin, end: &end, reverse: options.reverse, at: NEWEST };
        let page = options.page_size(byte_limit);
        self.with_pairs(walk, page, options.snapshot, |pairs| {
            let mut bytes = 0;
            while let Some((key, value)) = pairs.current() {
                result.push(key, value);
                bytes += key.len() + value.len();
                if bytes >= byte_limit || result.count == options.limit {
                    result.more = true;
                    last.extend_from_slice(key);
                    return Ok(());
                }
                pairs.advance()?;
            }
            Ok(())
        })?;
        let (from, to) = match (result.more, options.reverse) {
            (false, _) => (begin, end),
            (true, false) => (begin, key_after(&last)),
            (true, true) => (last, end),
        };
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
        if key.len() > KEY_LIMIT {
            return Err(Error::new(code::KEY_TOO_LARGE));
        }
        let _slot = Some(self.slots.take()?);
        let expected = self.get(key, false)?.map(Vec::into_boxed_slice);
        let cell = Arc::new(WatchCell::new(on_fire));
        let key: Key = key.into();
        let handle = WatchHandle::new(&self.client, key.clone(), Arc::clone(&cell));
        self.watches.push(PendingWatch { key, expected, cell, _slot });
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
        let hit = |range: &(Vec<u8>, Vec<u8>)| *range.0 < *end && *begin < *range.1;
        if !self.options.bypass_unreadable && self.unreadable.iter().any(hit) {
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

    /// The end of a range read: most selectors name their key themselves.
    fn bound(&mut self, selector: &KeySelector, snapshot: bool) -> Result<Vec<u8>> {
        match (selector.offset, selector.or_equal) {
            (1, false) => Ok(selector.key.clone()),
            (1, true) => Ok(key_after(&selector.key).min(self.read_end().to_vec())),
            _ => self.resolve(selector, snapshot),
        }
    }

    fn resolve(&mut self, selector: &KeySelector, snapshot: bool) -> Result<Vec<u8>> {
        let limit = self.read_end();
        let origin =
            if selector.or_equal { key_after(&selector.key) } else { selector.key.clone() };
        let origin = origin.min(limit.to_vec());
        let forward = selector.offset > 0;
        // How many pairs are passed over before the chosen one.
        let passed = if forward { selector.offset - 1 } else { selector.offset.saturating_neg() };
        let (begin, end) = if forward { (&*origin, limit) } else { (&[][..], &*origin) };
        if begin >= end {
            return Ok(if forward { limit.to_vec() } else { Vec::new() });
        }
        let walk = Walk { begin, end, reverse: !forward, at: NEWEST };
        let page = PageSize::of_pairs(passed.unsigned_abs() as usize + 1);
        let chosen = self.with_pairs(walk, page, snapshot, |pairs| {
            for _ in 0..passed {
                if pairs.current().is_none() {
                    return Ok(None);
                }
                pairs.advance()?;
            }
            Ok(pairs.current().map(|(key, _)| key.to_vec()))
        })?;
        let (from, to, key) = match (chosen, forward) {
            (Some(key), true) => (origin, key_after(&key), key),
            (Some(key), false) => (key.clone(), origin, key),
            (None, true) => (origin, limit.to_vec(), limit.to_vec()),
            (None, false) => (Vec::new(), origin, Vec::new()),
        };
        self.note_range_read(&from, &to, snapshot)?;
        Ok(key)
    }

    /// Notes that the content of `[begin, end)` was seen.
    fn note_range_read(&mut self, begin: &[u8], end: &[u8], snapshot: bool) -> Result<()> {
        if self.reads_own_writes(snapshot) {
            self.check_readable(begin, end)?;
        }
        if !snapshot {
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
