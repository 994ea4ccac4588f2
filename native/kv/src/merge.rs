//! Ordered walks over the layers of the store, the upper one hiding the lower ones.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::error::Result;
use crate::keys::Key;
use crate::write_map::{MapCursor, WriteMap, walk_order};

/// A walk over key-value pairs in one direction.
pub(crate) trait Source {
    /// The pair that the walk stands on; `None` at its end.
    fn current(&self) -> Option<(&[u8], &[u8])>;

    /// Steps to the next pair.
    fn advance(&mut self) -> Result<()>;

    /// Moves on to the first pair at or after `bound` (forward) or before it (reverse); stays when
    /// it is there already.
    fn seek(&mut self, bound: &[u8]) -> Result<()>;
}

/// What a layer of writes holds for a key.
pub(crate) trait LayerValue {
    /// The value given what the layers below hold; `None` when the key is absent.
    fn resolve(&self, below: Option<&[u8]>) -> Result<Option<Cow<'_, [u8]>>>;
}

/// A committed write: a value, or `None` for a cleared key.
pub(crate) type Committed = Option<Key>;

impl LayerValue for Committed {
    fn resolve(&self, _below: Option<&[u8]>) -> Result<Option<Cow<'_, [u8]>>> {
        Ok(self.as_deref().map(Cow::Borrowed))
    }
}

#[derive(Debug)]
enum Standing<'a> {
    End,
    Lower,
    Upper(&'a [u8], Cow<'a, [u8]>),
}

/// One layer of writes over a lower walk.
#[derive(Debug)]
pub(crate) struct Merge<'a, V, L> {
    /// `None` when the layer holds nothing in the range.
    upper: Option<MapCursor<'a, V>>,
    lower: L,
    standing: Standing<'a>,
    reverse: bool,
}

/// The range, direction and version of a walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'k> {
    pub(crate) begin: &'k [u8],
    pub(crate) end: &'k [u8],
    pub(crate) reverse: bool,
    /// Writes after this version are not seen.
    pub(crate) at: i64,
}

impl<'a, V: LayerValue, L: Source> Merge<'a, V, L> {
    pub(crate) fn new(upper: Option<&'a WriteMap<V>>, lower: L, walk: Walk<'_>) -> Result<Self> {
        let Walk { begin, end, reverse, at } = walk;
        let upper = upper.filter(|map| !map.is_empty()).and_then(|map| {
            let cursor = map.cursor(begin, end, reverse, at);
            let holds = cursor.current().is_some() || !map.is_clear_free(begin, end);
            holds.then_some(cursor)
        });
        let mut merge = Self { upper, lower, standing: Standing::End, reverse };
        merge.settle()?;
        Ok(merge)
    }

    /// Finds the pair to stand on from where both walks are.
    fn settle(&mut self) -> Result<()> {
        let Some(upper) = &mut self.upper else {
            let ended = self.lower.current().is_none();
            self.standing = if ended { Standing::End } else { Standing::Lower };
            return Ok(());
        };
        loop {
            let below = self.lower.current();
            let order = match (upper.current(), below) {
                (None, None) => {
                    self.standing = Standing::End;
                    return Ok(());
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((above, _)), Some((below, _))) => walk_order(above, below, self.reverse),
            };
            if let (Ordering::Greater, Some((key, _))) = (order, below) {
                if let Some(bound) = upper.cleared(key) {
                    self.lower.seek(bound)?;
                    continue;
                }
                self.standing = Standing::Lower;
                return Ok(());
            }
            let Some((key, value)) = upper.current() else { continue };
            let hidden = order == Ordering::Equal;
            let resolved = value.resolve(below.filter(|_| hidden).map(|(_, value)| value))?;
            if hidden {
                self.lower.advance()?;
            }
            if let Some(value) = resolved {
                self.standing = Standing::Upper(key, value);
                return Ok(());
            }
            upper.advance();
        }
    }
}

impl<V: LayerValue, L: Source> Source for Merge<'_, V, L> {
    fn current(&self) -> Option<(&[u8], &[u8])> {
        match &self.standing {
            Standing::End => None,
            Standing::Lower => self.lower.current(),
            Standing::Upper(key, value) => Some((key, value)),
        }
    }

    fn advance(&mut self) -> Result<()> {
        match (&self.standing, &mut self.upper) {
            (Standing::End, _) => return Ok(()),
            (Standing::Upper(..), Some(upper)) => upper.advance(),
            _ => self.lower.advance()?,
        }
        self.settle()
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
        if let Some(upper) = &mut self.upper {
            upper.seek(bound);
        }
        self.lower.seek(bound)?;
        self.settle()
    }
}
