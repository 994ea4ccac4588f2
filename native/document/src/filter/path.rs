//! Dotted paths and what is found at their end.

use crate::raw::{self, Damaged, Value};

/// One name of a path.
#[derive(Debug)]
pub(crate) struct Segment {
    name: Vec<u8>,
    /// The number that the name writes, for arrays.
    index: Option<usize>,
}

/// Splits a dotted path; the empty path is one empty name.
pub(crate) fn split(path: &[u8]) -> Vec<Segment> {
    path.split(|&byte| byte == b'.')
        .map(|name| Segment { name: name.to_vec(), index: index(name) })
        .collect()
}

/// The number written by `name`; the largest one if it does not fit.
pub(crate) fn index(name: &[u8]) -> Option<usize> {
    let add = |sum: usize, digit: &u8| {
        digit
            .is_ascii_digit()
            .then(|| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
    };
    if name.is_empty() { None } else { name.iter().try_fold(0, add) }
}

/// What is found at the end of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'a, 'p> {
    Missing,
    /// No array.
    Single(Value<'a>),
    Array(Array<'a, 'p>),
}

/// An array that is stored, or one that a path collects from the documents of a stored one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Array<'a, 'p> {
    Stored(&'a [u8]),
    /// INVARIANT: the path is not empty. Without a single hit the array does not exist.
    Collected {
        from: &'a [u8],
        path: &'p [Segment],
    },
}

/// Follows `path` from `scope`. A path of segments leads into documents only, not into a scope that
/// is an array: that is an element of an `$elemMatch`.
#[inline]
pub(crate) fn find<'a, 'p>(
    scope: Value<'a>,
    path: &'p [Segment],
) -> Result<Found<'a, 'p>, Damaged> {
    match (scope, path.is_empty()) {
        (Value::Array(_), false) => Ok(Found::Missing),
        _ => follow(scope, path),
    }
}

fn follow<'a, 'p>(mut value: Value<'a>, mut path: &'p [Segment]) -> Result<Found<'a, 'p>, Damaged> {
    while let Some((segment, rest)) = path.split_first() {
        let next = match (value, segment.index) {
            (Value::Document(doc), _) => raw::elements(doc)?.find(&segment.name)?,
            (Value::Array(array), Some(index)) => raw::elements(array)?.nth(index)?,
            (Value::Array(from), None) => return Ok(Found::Array(Array::Collected { from, path })),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Ok(Found::Missing),
        }
        path = rest;
    }
    Ok(match value {
        Value::Array(array) => Found::Array(Array::Stored(array)),
        single => Found::Single(single),
    })
}

impl<'a> Array<'a, '_> {
    /// Whether an element passes `test`, which is asked up to the first that does. `None` if the
    /// array turns out not to exist.
    pub(crate) fn any(
        self,
        test: &mut dyn FnMut(Value<'a>) -> Result<bool, Damaged>,
    ) -> Result<Option<bool>, Damaged> {
        match self {
            Array::Stored(array) => {
                let mut elements = raw::elements(array)?;
                while let Some(element) = elements.next()? {
                    if test(element.value()?)? {
                        return Ok(Some(true));
                    }
                }
                Ok(Some(false))
            }
            Array::Collected { from, path } => any_collected(from, path, test),
        }
    }
}

/// Looks `path` up in each document of `from`; array hits count as their elements.
fn any_collected<'a>(
    from: &'a [u8],
    path: &[Segment],
    test: &mut dyn FnMut(Value<'a>) -> Result<bool, Damaged>,
) -> Result<Option<bool>, Damaged> {
    let mut elements = raw::elements(from)?;
    let mut result = None;
    while let Some(element) = elements.next()? {
        let Value::Document(doc) = element.value()? else { continue };
        let hit = match follow(Value::Document(doc), path)? {
            Found::Missing => None,
            Found::Single(value) => Some(test(value)?),
            Found::Array(array) => array.any(test)?,
        };
        match hit {
            Some(true) => return Ok(hit),
            Some(false) => result = hit,
            None => {}
        }
    }
    Ok(result)
}
