//! Equality and order of two values. Values compare only within their bracket: all numbers are one,
//! every other type is its own.

use std::cmp::Ordering;

use super::Operator;
use crate::collation::Collator;
use crate::number::Number;
use crate::raw::{self, Damaged, Value};

/// Whether the values are equal; `None` if they are of different brackets or one is a document,
/// which equals nothing.
pub(super) fn equal(
    left: Value<'_>,
    right: Value<'_>,
    collator: Option<&Collator>,
) -> Result<Option<bool>, Damaged> {
    Ok(match (left, right) {
        (Value::Null, Value::Null) => Some(true),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left == right),
        (Value::Array(left), Value::Array(right)) => Some(arrays_equal(left, right, collator)?),
        _ => order(left, right, collator).map(Ordering::is_eq),
    })
}

/// The order of the values; `None` if they are of different brackets or have no order. Strings
/// without a collator compare by their bytes.
#[inline]
pub(super) fn order(
    left: Value<'_>,
    right: Value<'_>,
    collator: Option<&Collator>,
) -> Option<Ordering> {
    match (left, right) {
        (Value::Int32(left), Value::Int32(right)) => Some(left.cmp(&right)),
        (Value::String(left), Value::String(right)) => Some(match collator {
            None => left.cmp(right),
            Some(collator) => collator.compare(left, right),
        }),
        (Value::DateTime(left), Value::DateTime(right)) => Some(left.cmp(&right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(&right)),
        (Value::Binary { bytes: left, .. }, Value::Binary { bytes: right, .. }) => {
            Some(left.cmp(right))
        }
        (Value::ObjectId(left), Value::ObjectId(right)) => Some(left.cmp(right)),
        _ => Some(Number::of(left)?.compare(Number::of(right)?)),
    }
}

/// Whether `value operator operand` holds for two values that are no null; false if they do not
/// compare.
#[inline]
pub(super) fn holds(
    value: Value<'_>,
    operator: Operator,
    operand: Value<'_>,
    collator: Option<&Collator>,
) -> Result<bool, Damaged> {
    let order = match operator {
        Operator::Equal => return Ok(equal(value, operand, collator)? == Some(true)),
        Operator::NotEqual => return Ok(equal(value, operand, collator)? == Some(false)),
        _ => order(value, operand, collator),
    };
    Ok(order.is_some_and(|order| match operator {
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        _ => order.is_le(),
    }))
}

fn arrays_equal(left: &[u8], right: &[u8], collator: Option<&Collator>) -> Result<bool, Damaged> {
    let (mut left, mut right) = (raw::elements(left)?, raw::elements(right)?);
    loop {
        match (left.next()?, right.next()?) {
            (None, None) => return Ok(true),
            (Some(left), Some(right))
                if equal(left.value()?, right.value()?, collator)? == Some(true) => {}
            _ => return Ok(false),
        }
    }
}
