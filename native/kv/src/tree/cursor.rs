//! A walk over the tree, in and out of the buckets of long keys.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{RoRange, RoRevRange};

use super::{Pairs, ReadTxn, bucket, split, tagged};
use crate::error::Result;
use crate::merge::{Source, Walk};

enum Steps<'t> {
    Forward(RoRange<'t, Bytes, Bytes>),
    Back(RoRevRange<'t, Bytes, Bytes>),
}

impl<'t> Steps<'t> {
    fn open(pairs: Pairs, txn: &'t ReadTxn, walk: Walk<'_>) -> Result<Self> {
        let low = tagged(split(walk.begin).0);
        let (end, end_rest) = split(walk.end);
        let high = tagged(end);
        // A long end is inside its bucket, or before it: the entries are filtered by key.
        let high =
            if end_rest.is_some() { Bound::Included(&*high) } else { Bound::Excluded(&*high) };
        let bounds = (Bound::Included(&*low), high);
        Ok(if walk.reverse {
            Self::Back(pairs.rev_range(txn, &bounds)?)
        } else {
            Self::Forward(pairs.range(txn, &bounds)?)
        })
    }

    fn next(&mut self) -> Result<Option<(&'t [u8], &'t [u8])>> {
        let next = match self {
            Self::Forward(range) => range.next(),
            Self::Back(range) => range.next(),
        };
        Ok(next.transpose()?)
    }
}

enum Standing<'t> {
    End,
    Short(&'t [u8], &'t [u8]),
    /// A long key and its value; the entries of the bucket still to come, the next one last.
    Long {
        key: Vec<u8>,
        value: &'t [u8],
        ahead: Vec<(&'t [u8], &'t [u8])>,
    },
}

/// See the module's header.
pub(crate) struct TreeCursor<'t> {
    pairs: Pairs,
    txn: &'t ReadTxn,
    steps: Option<Steps<'t>>,
    standing: Standing<'t>,
    begin: Vec<u8>,
    end: Vec<u8>,
    reverse: bool,
}

impl<'t> TreeCursor<'t> {
    pub(super) fn new(pairs: Pairs, txn: &'t ReadTxn, walk: Walk<'_>) -> Result<Self> {
        let (begin, end) = (walk.begin.to_vec(), walk.end.to_vec());
        let standing = Standing::End;
        let mut cursor =
            Self { pairs, txn, steps: None, standing, begin, end, reverse: walk.reverse };
        cursor.open()?;
        Ok(cursor)
    }

    /// Starts over within the present bounds.
    fn open(&mut self) -> Result<()> {
        self.standing = Standing::End;
        let (begin, end, reverse) = (&*self.begin, &*self.end, self.reverse);
        self.steps = if begin < end {
            Some(Steps::open(self.pairs, self.txn, Walk { begin, end, reverse, at: 0 })?)
        } else {
            None
        };
        self.step()
    }

    /// Takes LMDB steps until one yields a key within the bounds.
    fn step(&mut self) -> Result<()> {
        self.standing = Standing::End;
        let Some(steps) = &mut self.steps else { return Ok(()) };
        while let Some((name, value)) = steps.next()? {
            let key = name.get(1..).unwrap_or_default();
            let (prefix, rest) = split(key);
            if rest.is_none() {
                self.standing = Standing::Short(key, value);
                return Ok(());
            }
            let (begin, end) = (&*self.begin, &*self.end);
            let within = |rest: &[u8]| {
                compare(prefix, rest, begin).is_ge() && compare(prefix, rest, end).is_lt()
            };
            let mut ahead: Vec<_> =
                bucket::entries(value).filter(|(rest, _)| within(rest)).collect();
            if !self.reverse {
                ahead.reverse();
            }
            if let Some((rest, value)) = ahead.pop() {
                self.standing = Standing::Long { key: [prefix, rest].concat(), value, ahead };
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Compares the key `prefix | rest` with `bound`.
fn compare(prefix: &[u8], rest: &[u8], bound: &[u8]) -> std::cmp::Ordering {
    prefix.iter().chain(rest).cmp(bound)
}

impl Source for TreeCursor<'_> {
    fn current(&self) -> Option<(&[u8], &[u8])> {
        match &self.standing {
            Standing::End => None,
            Standing::Short(key, value) => Some((key, value)),
            Standing::Long { key, value, .. } => Some((key, value)),
        }
    }

    fn advance(&mut self) -> Result<()> {
        if let Standing::Long { key, value, ahead } = &mut self.standing
            && let Some((rest, next)) = ahead.pop()
        {
            key.truncate(super::LONG_KEY);
            key.extend_from_slice(rest);
            *value = next;
            return Ok(());
        }
        self.step()
    }

    fn seek(&mut self, bound: &[u8]) -> Result<()> {
        let reached = match self.current() {
            None => true,
            Some((key, _)) if self.reverse => key < bound,
            Some((key, _)) => key >= bound,
        };
        if reached {
            return Ok(());
        }
        if self.reverse {
            self.end = bound.to_vec();
        } else {
            self.begin = bound.to_vec();
        }
        self.open()
    }
}
