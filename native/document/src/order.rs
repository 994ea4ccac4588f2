//! The total order of results. Values of all types are in brackets, lowest first:
//!
//! ```text
//! MIN_KEY · missing and null · numbers · string · document · array · binary · ObjectId · boolean ·
//! DATE_TIME · TIMESTAMP · the types that filters do not compare · MAX_KEY
//! ```

use std::cmp::Ordering;

use crate::Error;
use crate::collation::Collator;
use crate::filter::path::{self, Found};
use crate::number::Number;
use crate::raw::{self, Damaged, Value};
use crate::validate::validate_value;

/// Sorts `documents` by the value at the dotted `path`: returns their positions in the new order.
/// Documents with equal values keep their order, ascending or descending. Strings, nested ones
/// too, compare with `collator`, else by their bytes.
///
/// # Errors
/// [`Error::Bson`], [`Error::TooDeep`] if a document is damaged on the way to its value or there.
pub fn sort(
    documents: &[&[u8]],
    path: &str,
    descending: bool,
    collator: Option<&Collator>,
) -> Result<Vec<usize>, Error> {
    let segments = path::split(path.as_bytes());
    let mut rows = Vec::with_capacity(documents.len());
    for (position, doc) in documents.iter().enumerate() {
        let found = path::find(Value::Document(doc), &segments)?;
        rows.push((Subject::new(found, collator)?, position));
    }
    let mut failure = None;
    rows.sort_by(|(left, _), (right, _)| {
        let order = left.compare(right, collator).unwrap_or_else(|damaged| {
            failure = Some(damaged);
            Ordering::Equal
        });
        if descending { order.reverse() } else { order }
    });
    match failure {
        Some(damaged) => Err(damaged.into()),
        None => Ok(rows.into_iter().map(|(_, position)| position).collect()),
    }
}

/// What a document is sorted by.
enum Subject<'a> {
    Value(Value<'a>),
    /// The sort key of a collated string.
    Key(Vec<u8>),
    Elements(Vec<Value<'a>>),
}

impl<'a> Subject<'a> {
    /// INVARIANT: all values are valid, so comparing them never fails.
    fn new(found: Found<'a, '_>, collator: Option<&Collator>) -> Result<Subject<'a>, Error> {
        Ok(match (found, collator) {
            (Found::Missing, _) => Subject::Value(Value::Null),
            (Found::Single(Value::String(text)), Some(collator)) => {
                Subject::Key(collator.key_of(text))
            }
            (Found::Single(value), _) => {
                validate_value(value, 1)?;
                Subject::Value(value)
            }
            (Found::Array(array), _) => {
                let mut elements = Vec::new();
                let exists = array.any(&mut |element| {
                    elements.push(element);
                    Ok(false)
                })?;
                for element in &elements {
                    validate_value(*element, 2)?;
                }
                match exists {
                    Some(_) => Subject::Elements(elements),
                    None => Subject::Value(Value::Null),
                }
            }
        })
    }

    fn bracket(&self) -> u8 {
        match self {
            Subject::Value(value) => bracket(*value),
            Subject::Key(_) => STRING,
            Subject::Elements(_) => ARRAY,
        }
    }

    fn compare(&self, other: &Self, collator: Option<&Collator>) -> Result<Ordering, Damaged> {
        Ok(match (self, other) {
            (Subject::Value(left), Subject::Value(right)) => compare(*left, *right, collator)?,
            (Subject::Key(left), Subject::Key(right)) => left.cmp(right),
            (Subject::Elements(left), Subject::Elements(right)) => {
                for (left, right) in left.iter().zip(right) {
                    let order = compare(*left, *right, collator)?;
                    if order.is_ne() {
                        return Ok(order);
                    }
                }
                left.len().cmp(&right.len())
            }
            _ => self.bracket().cmp(&other.bracket()),
        })
    }
}

const STRING: u8 = 3;
const ARRAY: u8 = 5;

fn bracket(value: Value<'_>) -> u8 {
    match value {
        Value::MinKey => 0,
        Value::Null => 1,
        Value::Int32(_) | Value::Int64(_) | Value::Double(_) | Value::Decimal128(_) => 2,
        Value::String(_) => STRING,
        Value::Document(_) => 4,
        Value::Array(_) => ARRAY,
        Value::Binary { .. } => 6,
        Value::ObjectId(_) => 7,
        Value::Boolean(_) => 8,
        Value::DateTime(_) => 9,
        Value::Timestamp(_) => 10,
        Value::Undefined => 11,
        Value::Regex(_) => 12,
        Value::DbPointer(_) => 13,
        Value::Code(_) => 14,
        Value::Symbol(_) => 15,
        Value::CodeWithScope(_) => 16,
        Value::MaxKey => 17,
    }
}

/// The order of two values, whatever their types. Collated strings compare by their sort keys:
/// sorting panics on anything less than a total order, and the order of bytes surely is one.
fn compare(
    left: Value<'_>,
    right: Value<'_>,
    collator: Option<&Collator>,
) -> Result<Ordering, Damaged> {
    Ok(match (left, right) {
        (Value::String(left), Value::String(right)) => match collator {
            Some(collator) if left != right => collator.key_of(left).cmp(&collator.key_of(right)),
            _ => left.cmp(right),
        },
        (Value::Document(left), Value::Document(right)) => {
            return compare_elements(left, right, true, collator);
        }
        (Value::Array(left), Value::Array(right)) => {
            return compare_elements(left, right, false, collator);
        }
        (Value::Binary { bytes: left, .. }, Value::Binary { bytes: right, .. })
        | (Value::Regex(left), Value::Regex(right))
        | (Value::DbPointer(left), Value::DbPointer(right))
        | (Value::Code(left), Value::Code(right))
        | (Value::Symbol(left), Value::Symbol(right))
        | (Value::CodeWithScope(left), Value::CodeWithScope(right)) => left.cmp(right),
        (Value::ObjectId(left), Value::ObjectId(right)) => left.cmp(right),
        (Value::Boolean(left), Value::Boolean(right)) => left.cmp(&right),
        (Value::DateTime(left), Value::DateTime(right)) => left.cmp(&right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(&right),
        _ => match (Number::of(left), Number::of(right)) {
            (Some(left), Some(right)) => left.compare(right),
            _ => bracket(left).cmp(&bracket(right)),
        },
    })
}

/// Compares element by element, names first if they count; what ends first comes first.
fn compare_elements(
    left: &[u8],
    right: &[u8],
    has_names: bool,
    collator: Option<&Collator>,
) -> Result<Ordering, Damaged> {
    let (mut left, mut right) = (raw::elements(left)?, raw::elements(right)?);
    loop {
        let (left, right) = match (left.next()?, right.next()?) {
            (None, None) => return Ok(Ordering::Equal),
            (None, Some(_)) => return Ok(Ordering::Less),
            (Some(_), None) => return Ok(Ordering::Greater),
            (Some(left), Some(right)) => (left, right),
        };
        let names = if has_names { left.name.cmp(right.name) } else { Ordering::Equal };
        let order = match names {
            Ordering::Equal => compare(left.value()?, right.value()?, collator)?,
            order => order,
        };
        if order.is_ne() {
            return Ok(order);
        }
    }
}
