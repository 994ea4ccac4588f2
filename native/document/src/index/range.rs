//! The keys that operands ask for.

use super::Index;
use super::component::{Component, VALUE};
use crate::MAX_INDEX_KEY_BYTES;
use crate::error::Error;
use crate::raw::{self, Value};

/// Keys from `begin` to before `end`. The key of an entry in the store goes on with the document's
/// id, which changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key, if it exists.
    pub begin: Vec<u8>,
    /// Greater than every key of the range.
    pub end: Vec<u8>,
}

/// An end of a range of values.
#[derive(Clone, Copy)]
struct Limit<'a> {
    value: Value<'a>,
    is_included: bool,
}

impl Index {
    /// Encodes `operands`, a BSON array (or a document, whose names do not count) of values for the
    /// leading fields. All keys that have these values there begin with the result, and no others.
    /// `None` if an operand does not fit its field, there are too many of them, or no key is that
    /// long. A number fits if the field can hold an equal one, whatever the types.
    ///
    /// # Errors
    /// [`Error::Bson`] if the operands are damaged.
    pub fn bound(&self, operands: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut out = Vec::new();
        let mut fields = self.fields.iter();
        let mut elements = raw::elements(operands)?;
        while let Some(element) = elements.next()? {
            let Some(field) = fields.next() else { return Ok(None) };
            let Some(component) = Component::operand(field.kind, element.value()?) else {
                return Ok(None);
            };
            component.encode(self.collator.as_deref(), &mut out);
            if out.len() > MAX_INDEX_KEY_BYTES {
                return Ok(None);
            }
        }
        Ok(Some(out))
    }

    /// The keys that conditions on the leading fields ask for. `conditions` is a BSON document:
    ///
    /// | field | meaning |
    /// |---|---|
    /// | `eq` | array of values, one for each leading field; may be left out |
    /// | `gt` or `gte` | value, the lower bound of the next field |
    /// | `lt` or `lte` | value, the upper bound of that field |
    ///
    /// An empty document gives all keys. `None` as for [`Index::bound`]. Null entries lie in no
    /// range that has a bound; an equality with null gives them, those of empty arrays excepted.
    ///
    /// # Errors
    /// [`Error::Bson`] if the conditions are damaged, [`Error::Program`] if they are not as above.
    pub fn range(&self, conditions: &[u8]) -> Result<Option<KeyRange>, Error> {
        let (mut equal, mut lower, mut upper) = (None, None, None);
        let mut elements = raw::elements(conditions)?;
        while let Some(element) = elements.next()? {
            match (element.name, element.value()?) {
                (b"eq", Value::Array(array)) => equal = Some(array),
                (b"gt", value) => lower = Some(Limit { value, is_included: false }),
                (b"gte", value) => lower = Some(Limit { value, is_included: true }),
                (b"lt", value) => upper = Some(Limit { value, is_included: false }),
                (b"lte", value) => upper = Some(Limit { value, is_included: true }),
                _ => return Err(Error::Program("unknown condition of a range")),
            }
        }
        let (prefix, count) = match equal {
            None => (Vec::new(), 0),
            Some(array) => match self.bound(array)? {
                None => return Ok(None),
                Some(prefix) => (prefix, count(array)?),
            },
        };
        if lower.is_none() && upper.is_none() {
            return Ok(Some(KeyRange { end: after(&prefix), begin: prefix }));
        }
        // A value comes after every null and before every prefix that is greater.
        let begin = match lower {
            Some(limit) => self.end_of(&prefix, count, limit, !limit.is_included),
            None => Some([prefix.as_slice(), &[VALUE]].concat()),
        };
        let end = match upper {
            Some(limit) => self.end_of(&prefix, count, limit, limit.is_included),
            None => Some([prefix.as_slice(), &[VALUE + 1]].concat()),
        };
        Ok(begin.zip(end).map(|(begin, end)| KeyRange { end: end.max(begin.clone()), begin }))
    }

    /// The keys that any of several equalities asks for, in ascending ranges that neither overlap
    /// nor touch. `equalities` is a BSON array of arrays, each as [`Index::bound`] takes it; one
    /// for which that gives `None` asks for nothing.
    ///
    /// # Errors
    /// As [`Index::range`].
    pub fn equalities(&self, equalities: &[u8]) -> Result<Vec<KeyRange>, Error> {
        let mut begins = Vec::new();
        let mut elements = raw::elements(equalities)?;
        while let Some(element) = elements.next()? {
            let Value::Array(operands) = element.value()? else {
                return Err(Error::Program("an equality is no array"));
            };
            begins.extend(self.bound(operands)?);
        }
        begins.sort_unstable();
        let mut ranges: Vec<KeyRange> = Vec::with_capacity(begins.len());
        for begin in begins {
            let end = after(&begin);
            match ranges.last_mut() {
                Some(last) if begin <= last.end => {
                    last.end = end.max(std::mem::take(&mut last.end))
                }
                _ => ranges.push(KeyRange { begin, end }),
            }
        }
        Ok(ranges)
    }

    /// Where the keys of `limit` begin, or end, under `prefix`, which holds `count` fields.
    fn end_of(
        &self,
        prefix: &[u8],
        count: usize,
        limit: Limit<'_>,
        is_after: bool,
    ) -> Option<Vec<u8>> {
        let component = Component::operand(self.fields.get(count)?.kind, limit.value)?;
        if matches!(component, Component::Null) {
            return None;
        }
        let mut bound = prefix.to_vec();
        component.encode(self.collator.as_deref(), &mut bound);
        if bound.len() > MAX_INDEX_KEY_BYTES {
            return None;
        }
        Some(if is_after { after(&bound) } else { bound })
    }
}

fn count(array: &[u8]) -> Result<usize, Error> {
    let mut elements = raw::elements(array)?;
    let mut count = 0;
    while elements.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// The first key after all that begin with `bound`.
fn after(bound: &[u8]) -> Vec<u8> {
    let mut end = bound.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    // No component begins with a greater tag.
    vec![VALUE + 1]
}
