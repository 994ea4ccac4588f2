//! Operands of comparisons, owned by the filter.

use super::compare;
use super::pattern::Pattern;
use crate::Error;
use crate::collation::Collator;
use crate::raw::{Damaged, Value};
use crate::validate::validate_value;

/// One comparable value.
#[derive(Debug)]
pub(super) enum Operand {
    Null,
    Int32(i32),
    Int64(i64),
    Double(f64),
    Decimal128([u8; 16]),
    String(Vec<u8>),
    Boolean(bool),
    DateTime(i64),
    Timestamp(u64),
    Binary(Vec<u8>),
    ObjectId([u8; 12]),
    /// The encoded array.
    Array(Vec<u8>),
    /// The encoded document; it equals nothing.
    Document(Vec<u8>),
}

impl Operand {
    /// Copies `value`, checking what is nested in it.
    pub(super) fn new(value: Value<'_>) -> Result<Operand, Error> {
        validate_value(value, 0)?;
        Ok(match value {
            Value::Null => Operand::Null,
            Value::Int32(number) => Operand::Int32(number),
            Value::Int64(number) => Operand::Int64(number),
            Value::Double(number) => Operand::Double(number),
            Value::Decimal128(bytes) => Operand::Decimal128(*bytes),
            Value::String(text) => Operand::String(text.to_vec()),
            Value::Boolean(flag) => Operand::Boolean(flag),
            Value::DateTime(ms) => Operand::DateTime(ms),
            Value::Timestamp(bits) => Operand::Timestamp(bits),
            Value::Binary { bytes, .. } => Operand::Binary(bytes.to_vec()),
            Value::ObjectId(id) => Operand::ObjectId(*id),
            Value::Array(bytes) => Operand::Array(bytes.to_vec()),
            Value::Document(bytes) => Operand::Document(bytes.to_vec()),
            other => return Err(Error::UnsupportedType(other.type_name())),
        })
    }

    #[inline]
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Operand::Null => Value::Null,
            Operand::Int32(number) => Value::Int32(*number),
            Operand::Int64(number) => Value::Int64(*number),
            Operand::Double(number) => Value::Double(*number),
            Operand::Decimal128(bytes) => Value::Decimal128(bytes),
            Operand::String(text) => Value::String(text),
            Operand::Boolean(flag) => Value::Boolean(*flag),
            Operand::DateTime(ms) => Value::DateTime(*ms),
            Operand::Timestamp(bits) => Value::Timestamp(*bits),
            Operand::Binary(bytes) => Value::Binary { subtype: 0, bytes },
            Operand::ObjectId(id) => Value::ObjectId(id),
            Operand::Array(bytes) => Value::Array(bytes),
            Operand::Document(bytes) => Value::Document(bytes),
        }
    }
}

/// The operand of `$in`, `$nin` and `$all`.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) operands: Vec<Operand>,
    pub(super) patterns: Vec<Pattern>,
}

impl List {
    pub(super) fn has_null(&self) -> bool {
        self.operands.iter().any(|operand| matches!(operand, Operand::Null))
    }

    /// Whether `value` equals an operand or is a string that a pattern is found in.
    pub(super) fn contains(
        &self,
        value: Value<'_>,
        collator: Option<&Collator>,
    ) -> Result<bool, Damaged> {
        for operand in &self.operands {
            if compare::equal(value, operand.value(), collator)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(self.patterns.iter().any(|pattern| pattern.is_in(value)))
    }
}
