//! Reading BSON in place: nothing is copied, every length is checked before it is followed.
//!
//! ```text
//! document  i32 length (of all of it) | element … | 0x00
//! element   u8 kind | name bytes | 0x00 | value
//! ```

use crate::Error;

/// Element kinds, as BSON numbers them.
pub(crate) mod kind {
    pub(crate) const DOUBLE: u8 = 0x01;
    pub(crate) const STRING: u8 = 0x02;
    pub(crate) const DOCUMENT: u8 = 0x03;
    pub(crate) const ARRAY: u8 = 0x04;
    pub(crate) const BINARY: u8 = 0x05;
    pub(crate) const UNDEFINED: u8 = 0x06;
    pub(crate) const OBJECT_ID: u8 = 0x07;
    pub(crate) const BOOLEAN: u8 = 0x08;
    pub(crate) const DATE_TIME: u8 = 0x09;
    pub(crate) const NULL: u8 = 0x0a;
    pub(crate) const REGEX: u8 = 0x0b;
    pub(crate) const DB_POINTER: u8 = 0x0c;
    pub(crate) const CODE: u8 = 0x0d;
    pub(crate) const SYMBOL: u8 = 0x0e;
    pub(crate) const CODE_WITH_SCOPE: u8 = 0x0f;
    pub(crate) const INT32: u8 = 0x10;
    pub(crate) const TIMESTAMP: u8 = 0x11;
    pub(crate) const INT64: u8 = 0x12;
    pub(crate) const DECIMAL128: u8 = 0x13;
    pub(crate) const MAX_KEY: u8 = 0x7f;
    pub(crate) const MIN_KEY: u8 = 0xff;
}

/// The binary subtype whose payload repeats its length.
pub(crate) const OLD_BINARY: u8 = 2;

/// The bytes contradict the format; says how. Small, so that hot results stay in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

impl From<Damaged> for Error {
    fn from(damaged: Damaged) -> Error {
        Error::Bson(damaged.0)
    }
}

const TRUNCATED: Damaged = Damaged("value is truncated");

/// One value, borrowed from the bytes it was read from. Text is not checked to be UTF-8.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Double(f64),
    String(&'a [u8]),
    /// A complete document, length and end included.
    Document(&'a [u8]),
    /// A complete array, length and end included.
    Array(&'a [u8]),
    Binary {
        subtype: u8,
        bytes: &'a [u8],
    },
    Undefined,
    ObjectId(&'a [u8; 12]),
    Boolean(bool),
    /// Milliseconds since 1970.
    DateTime(i64),
    Null,
    /// Pattern and options, each ended by a zero.
    Regex(&'a [u8]),
    /// String and 12 bytes.
    DbPointer(&'a [u8]),
    Code(&'a [u8]),
    Symbol(&'a [u8]),
    /// Length, string, document.
    CodeWithScope(&'a [u8]),
    Int32(i32),
    /// Seconds in the upper half, ordinal in the lower.
    Timestamp(u64),
    Int64(i64),
    /// Little-endian bits.
    Decimal128(&'a [u8; 16]),
    MinKey,
    MaxKey,
}

impl Value<'_> {
    /// The name of the type in error messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Double(_) => "DOUBLE",
            Value::String(_) => "STRING",
            Value::Document(_) => "DOCUMENT",
            Value::Array(_) => "ARRAY",
            Value::Binary { .. } => "BINARY",
            Value::Undefined => "UNDEFINED",
            Value::ObjectId(_) => "OBJECT_ID",
            Value::Boolean(_) => "BOOLEAN",
            Value::DateTime(_) => "DATE_TIME",
            Value::Null => "NULL",
            Value::Regex(_) => "REGULAR_EXPRESSION",
            Value::DbPointer(_) => "DB_POINTER",
            Value::Code(_) => "JAVASCRIPT",
            Value::Symbol(_) => "SYMBOL",
            Value::CodeWithScope(_) => "JAVASCRIPT_WITH_SCOPE",
            Value::Int32(_) => "INT32",
            Value::Timestamp(_) => "TIMESTAMP",
            Value::Int64(_) => "INT64",
            Value::Decimal128(_) => "DECIMAL128",
            Value::MinKey => "MIN_KEY",
            Value::MaxKey => "MAX_KEY",
        }
    }
}

/// One element whose value is delimited but not decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) kind: u8,
    pub(crate) name: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl<'a> Element<'a> {
    pub(crate) fn value(&self) -> Result<Value<'a>, Damaged> {
        decode(self.kind, self.bytes)
    }
}

/// The elements of a document or array, first to last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

/// Opens a document or array.
pub(crate) fn elements(doc: &[u8]) -> Result<Elements<'_>, Damaged> {
    let (length, body) = doc.split_first_chunk::<4>().ok_or(TRUNCATED)?;
    if u32::from_le_bytes(*length) as usize != doc.len() {
        return Err(Damaged("document length does not fit"));
    }
    match body.split_last() {
        Some((0, rest)) => Ok(Elements { rest }),
        _ => Err(Damaged("document has no end")),
    }
}

impl<'a> Elements<'a> {
    /// The next element; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, Damaged> {
        let Some((&kind, rest)) = self.rest.split_first() else { return Ok(None) };
        let (name, rest) = split_cstring(rest)?;
        let (bytes, rest) = rest.split_at_checked(size(kind, rest)?).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(Some(Element { kind, name, bytes }))
    }

    /// Bytes of the elements that are still to come.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The first element called `name`.
    #[inline]
    pub(crate) fn find(self, name: &[u8]) -> Result<Option<Value<'a>>, Damaged> {
        let mut rest = self.rest;
        while let Some((&kind, after)) = rest.split_first() {
            let (found, after) = match after.strip_prefix(name) {
                Some([0, after @ ..]) => (true, after),
                _ => (false, split_cstring(after)?.1),
            };
            let (bytes, after) = after.split_at_checked(size(kind, after)?).ok_or(TRUNCATED)?;
            if found {
                return decode(kind, bytes).map(Some);
            }
            rest = after;
        }
        Ok(None)
    }

    /// The element at `position`, whatever its name.
    pub(crate) fn nth(mut self, position: usize) -> Result<Option<Value<'a>>, Damaged> {
        // An element takes two bytes at least: a wild position needs no walk.
        if position > self.rest.len() {
            return Ok(None);
        }
        for _ in 0..position {
            if self.next()?.is_none() {
                return Ok(None);
            }
        }
        self.next()?.map(|element| element.value()).transpose()
    }
}

/// Splits at the first zero, which belongs to neither part.
#[inline]
pub(crate) fn split_cstring(bytes: &[u8]) -> Result<(&[u8], &[u8]), Damaged> {
    let end = bytes.iter().position(|&byte| byte == 0).ok_or(TRUNCATED)?;
    let (text, rest) = bytes.split_at_checked(end).ok_or(TRUNCATED)?;
    Ok((text, rest.get(1..).ok_or(TRUNCATED)?))
}

/// Bytes that a value of `kind` takes at the start of `rest`; may be more than there are.
#[inline]
fn size(kind: u8, rest: &[u8]) -> Result<usize, Damaged> {
    Ok(match kind {
        kind::DOUBLE | kind::DATE_TIME | kind::TIMESTAMP | kind::INT64 => 8,
        kind::INT32 => 4,
        kind::STRING | kind::CODE | kind::SYMBOL => 4 + length(rest)?,
        kind::DOCUMENT | kind::ARRAY | kind::CODE_WITH_SCOPE => length(rest)?,
        kind::BOOLEAN => 1,
        kind::NULL | kind::UNDEFINED | kind::MIN_KEY | kind::MAX_KEY => 0,
        kind::OBJECT_ID => 12,
        kind::BINARY => 5 + length(rest)?,
        kind::DECIMAL128 => 16,
        kind::DB_POINTER => 16 + length(rest)?,
        kind::REGEX => {
            let (pattern, after) = split_cstring(rest)?;
            pattern.len() + split_cstring(after)?.0.len() + 2
        }
        _ => return Err(Damaged("unknown element type")),
    })
}

fn length(rest: &[u8]) -> Result<usize, Damaged> {
    let bytes = rest.first_chunk::<4>().ok_or(TRUNCATED)?;
    usize::try_from(i32::from_le_bytes(*bytes)).map_err(|_| Damaged("length is negative"))
}

/// Decodes a value that [`size`] has delimited.
#[inline]
pub(crate) fn decode(kind: u8, bytes: &[u8]) -> Result<Value<'_>, Damaged> {
    Ok(match kind {
        kind::DOUBLE => Value::Double(f64::from_le_bytes(fixed(bytes)?)),
        kind::STRING => Value::String(text(bytes)?),
        kind::DOCUMENT => Value::Document(bytes),
        kind::ARRAY => Value::Array(bytes),
        kind::BINARY => binary(bytes)?,
        kind::UNDEFINED => Value::Undefined,
        kind::OBJECT_ID => Value::ObjectId(bytes.first_chunk().ok_or(TRUNCATED)?),
        kind::BOOLEAN => match bytes {
            [0] => Value::Boolean(false),
            [1] => Value::Boolean(true),
            _ => return Err(Damaged("boolean is neither 0 nor 1")),
        },
        kind::DATE_TIME => Value::DateTime(i64::from_le_bytes(fixed(bytes)?)),
        kind::NULL => Value::Null,
        kind::REGEX => Value::Regex(bytes),
        kind::DB_POINTER => Value::DbPointer(bytes),
        kind::CODE => Value::Code(text(bytes)?),
        kind::SYMBOL => Value::Symbol(text(bytes)?),
        kind::CODE_WITH_SCOPE => Value::CodeWithScope(bytes),
        kind::INT32 => Value::Int32(i32::from_le_bytes(fixed(bytes)?)),
        kind::TIMESTAMP => Value::Timestamp(u64::from_le_bytes(fixed(bytes)?)),
        kind::INT64 => Value::Int64(i64::from_le_bytes(fixed(bytes)?)),
        kind::DECIMAL128 => Value::Decimal128(bytes.first_chunk().ok_or(TRUNCATED)?),
        kind::MIN_KEY => Value::MinKey,
        kind::MAX_KEY => Value::MaxKey,
        _ => return Err(Damaged("unknown element type")),
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Damaged> {
    bytes.first_chunk().copied().ok_or(TRUNCATED)
}

/// The text of a length-prefixed, zero-ended string.
fn text(bytes: &[u8]) -> Result<&[u8], Damaged> {
    match bytes.get(4..) {
        Some([text @ .., 0]) => Ok(text),
        _ => Err(Damaged("string has no end")),
    }
}

fn binary(bytes: &[u8]) -> Result<Value<'_>, Damaged> {
    let Some(&[_, _, _, _, subtype, ref payload @ ..]) = bytes.get(..) else {
        return Err(TRUNCATED);
    };
    if subtype != OLD_BINARY {
        return Ok(Value::Binary { subtype, bytes: payload });
    }
    let (inner, rest) = payload.split_first_chunk::<4>().ok_or(TRUNCATED)?;
    if u32::from_le_bytes(*inner) as usize != rest.len() {
        return Err(Damaged("binary lengths differ"));
    }
    Ok(Value::Binary { subtype, bytes: rest })
}

/// Splits the value of a regular expression into pattern and options.
pub(crate) fn regex_parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), Damaged> {
    let (pattern, rest) = split_cstring(bytes)?;
    Ok((pattern, split_cstring(rest)?.0))
}

/// Splits a DB pointer into namespace and id.
pub(crate) fn db_pointer_parts(bytes: &[u8]) -> Result<(&[u8], &[u8; 12]), Damaged> {
    let (namespace, id) = bytes.split_last_chunk::<12>().ok_or(TRUNCATED)?;
    Ok((text(namespace)?, id))
}

/// Splits code with scope into the code and the scope document.
pub(crate) fn code_parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), Damaged> {
    let rest = bytes.get(4..).ok_or(TRUNCATED)?;
    let (code, scope) = rest.split_at_checked(4 + length(rest)?).ok_or(TRUNCATED)?;
    Ok((text(code)?, scope))
}

/// The name of a kind in messages.
pub(crate) fn type_name(kind: u8) -> &'static str {
    match kind {
        kind::DOUBLE => "DOUBLE",
        kind::STRING => "STRING",
        kind::DOCUMENT => "DOCUMENT",
        kind::ARRAY => "ARRAY",
        kind::BINARY => "BINARY",
        kind::UNDEFINED => "UNDEFINED",
        kind::OBJECT_ID => "OBJECT_ID",
        kind::BOOLEAN => "BOOLEAN",
        kind::DATE_TIME => "DATE_TIME",
        kind::NULL => "NULL",
        kind::REGEX => "REGULAR_EXPRESSION",
        kind::DB_POINTER => "DB_POINTER",
        kind::CODE => "JAVASCRIPT",
        kind::SYMBOL => "SYMBOL",
        kind::CODE_WITH_SCOPE => "JAVASCRIPT_WITH_SCOPE",
        kind::INT32 => "INT32",
        kind::TIMESTAMP => "TIMESTAMP",
        kind::INT64 => "INT64",
        kind::DECIMAL128 => "DECIMAL128",
        kind::MIN_KEY => "MIN_KEY",
        _ => "MAX_KEY",
    }
}
