//! Encoding of one value of a key.

use super::FieldKind;
use crate::collation::Collator;
use crate::number::Number;
use crate::raw::Value;

/// Null, and what counts as null.
const NULL: u8 = 0x05;

/// An array without elements, which is not null to a filter, nor to uniqueness.
const EMPTY_ARRAY: u8 = 0x06;

/// Any other value.
pub(super) const VALUE: u8 = 0x10;

const SIGN: u64 = 1 << 63;

/// A value that fits its field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Component<'a> {
    Null,
    EmptyArray,
    Integer(i64),
    Double(f64),
    Boolean(bool),
    Timestamp(u64),
    ObjectId(&'a [u8; 12]),
    Text(&'a [u8]),
    Binary(&'a [u8]),
}

impl<'a> Component<'a> {
    /// A stored value under a field of `kind`; `None` if its type is neither the declared one nor
    /// one that widens to it.
    #[inline]
    pub(super) fn stored(kind: FieldKind, value: Value<'a>) -> Option<Component<'a>> {
        Some(match (kind, value) {
            (_, Value::Null) => Component::Null,
            (FieldKind::String, Value::String(text)) => Component::Text(text),
            (FieldKind::Int32 | FieldKind::Int64, Value::Int32(number)) => {
                Component::Integer(i64::from(number))
            }
            (FieldKind::Int64, Value::Int64(number)) => Component::Integer(number),
            (FieldKind::Double, Value::Double(number)) => Component::Double(number),
            (FieldKind::Double, Value::Int32(number)) => Component::Double(f64::from(number)),
            (FieldKind::Boolean, Value::Boolean(flag)) => Component::Boolean(flag),
            (FieldKind::DateTime, Value::DateTime(ms)) => Component::Integer(ms),
            (FieldKind::Timestamp, Value::Timestamp(bits)) => Component::Timestamp(bits),
            (FieldKind::Binary, Value::Binary { bytes, .. }) => Component::Binary(bytes),
            (FieldKind::ObjectId, Value::ObjectId(id)) => Component::ObjectId(id),
            _ => return None,
        })
    }

    /// An operand under a field of `kind`: as a stored value, and a number of any type if the field
    /// can hold an equal one.
    pub(super) fn operand(kind: FieldKind, value: Value<'a>) -> Option<Component<'a>> {
        Component::stored(kind, value).or_else(|| {
            let number = Number::of(value)?;
            let (component, own) = match kind {
                FieldKind::Int32 | FieldKind::Int64 => {
                    let integer = to_integer(number)?;
                    (Component::Integer(integer), Number::Integer(integer))
                }
                FieldKind::Double => {
                    let double = to_double(number);
                    (Component::Double(double), Number::Double(double))
                }
                _ => return None,
            };
            // ORDER: numbers of all types are in one order, so what equals the operand also stands
            // in its place among all that the field may hold.
            own.compare(number).is_eq().then_some(component)
        })
    }

    /// Appends the encoded value.
    #[inline]
    pub(super) fn encode(self, collator: Option<&Collator>, out: &mut Vec<u8>) {
        out.push(match self {
            Component::Null => NULL,
            Component::EmptyArray => EMPTY_ARRAY,
            _ => VALUE,
        });
        match self {
            Component::Null | Component::EmptyArray => {}
            Component::Integer(number) => put(out, number.cast_unsigned() ^ SIGN),
            Component::Double(number) => put(out, double_bits(number)),
            Component::Boolean(flag) => out.push(u8::from(flag)),
            Component::Timestamp(bits) => put(out, bits),
            Component::ObjectId(id) => out.extend_from_slice(id),
            Component::Binary(bytes) => escape(bytes, out),
            Component::Text(text) => match collator {
                None => escape(text, out),
                Some(collator) => escape(&collator.key_of(text), out),
            },
        }
    }

    /// The value as error messages show it.
    pub(super) fn text(self) -> String {
        match self {
            Component::Null => "null".to_owned(),
            Component::EmptyArray => "[]".to_owned(),
            Component::Integer(number) => number.to_string(),
            Component::Double(number) => format!("{number:?}"),
            Component::Boolean(flag) => flag.to_string(),
            Component::Timestamp(bits) => {
                format!("Timestamp({}, {})", bits >> 32, bits & 0xffff_ffff)
            }
            Component::ObjectId(id) => hex(id),
            Component::Binary(bytes) => format!("0x{}", hex(bytes)),
            Component::Text(text) => String::from_utf8_lossy(text).into_owned(),
        }
    }
}

fn put(out: &mut Vec<u8>, bits: u64) {
    out.extend_from_slice(&bits.to_be_bytes());
}

fn double_bits(number: f64) -> u64 {
    if number.is_nan() {
        return u64::MAX;
    }
    // Minus zero plus zero is zero.
    let bits = (number + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut parts = bytes.split(|&byte| byte == 0);
    out.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(&[0x00, 0xff]);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0x00, 0x00]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The integer next to `number`; the caller checks that it is equal.
fn to_integer(number: Number) -> Option<i64> {
    match number {
        Number::Integer(integer) => Some(integer),
        Number::Double(double) => Some(double as i64),
        Number::Decimal(decimal) => decimal.to_i64(),
    }
}

/// The double next to `number`; the caller checks that it is equal.
fn to_double(number: Number) -> f64 {
    match number {
        Number::Integer(integer) => integer as f64,
        Number::Double(double) => double,
        Number::Decimal(decimal) => decimal.to_f64(),
    }
}
