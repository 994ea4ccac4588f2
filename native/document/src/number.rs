//! Order of numbers across INT32, INT64, DOUBLE and DECIMAL128: by value, in the cheapest common
//! type that loses nothing. A double that meets an INT64 or a decimal counts as its shortest
//! decimal text.

use std::cmp::Ordering;

use crate::decimal::Decimal;
use crate::raw::Value;

/// Doubles below this magnitude (2^53) and integers compare exactly without decimals.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A numeric value. INT32 is folded into INT64: the result is the same.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i64),
    Double(f64),
    Decimal(Decimal),
}

impl Number {
    #[inline]
    pub(crate) fn of(value: Value<'_>) -> Option<Number> {
        match value {
            Value::Int32(number) => Some(Number::Integer(i64::from(number))),
            Value::Int64(number) => Some(Number::Integer(number)),
            Value::Double(number) => Some(Number::Double(number)),
            Value::Decimal128(bytes) => Some(Number::Decimal(Decimal::from_bytes(bytes))),
            _ => None,
        }
    }

    /// Order by value: NaN equals NaN and is above all numbers, `-0.0` equals `0.0`.
    #[inline]
    pub(crate) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Integer(left), Number::Integer(right)) => left.cmp(&right),
            (Number::Double(left), Number::Double(right)) => compare_doubles(left, right),
            (Number::Integer(left), Number::Double(right)) => compare_mixed(left, right),
            (Number::Double(left), Number::Integer(right)) => compare_mixed(right, left).reverse(),
            (left, right) => left.to_decimal().compare(right.to_decimal()),
        }
    }

    fn to_decimal(self) -> Decimal {
        match self {
            Number::Integer(number) => Decimal::from_i64(number),
            Number::Double(number) => Decimal::from_f64(number),
            Number::Decimal(number) => number,
        }
    }
}

fn compare_doubles(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

fn compare_mixed(left: i64, right: f64) -> Ordering {
    if right.abs() < EXACT {
        // INVARIANT: an integer beyond 2^53 may round here, but never across a smaller double.
        compare_doubles(left as f64, right)
    } else {
        Decimal::from_i64(left).compare(Decimal::from_f64(right))
    }
}
