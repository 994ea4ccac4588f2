//! JSON text to BSON, written as it is read.
//!
//! Lenient: unquoted and single-quoted keys, single-quoted strings, trailing commas, shell
//! constructors, regular expression literals. Of two equal keys the first gives the place and the
//! last the value. Text after the closing brace is not looked at.

use std::collections::HashMap;
use std::ops::Range;

use super::lexer::{Lexer, Literal};
use crate::decimal::Decimal;
use crate::raw::kind;
use crate::write::Writer;
use crate::{Error, MAX_DEPTH, MAX_DOCUMENT_BYTES};

/// Converts one JSON object to BSON. A top-level `_id` that is a string of 24 hex digits becomes an
/// ObjectId.
///
/// # Errors
/// [`Error::Json`] with the position, [`Error::TooDeep`], [`Error::TooLarge`].
pub fn json_to_bson(text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut reader = Reader {
        lexer: Lexer::new(text),
        writer: Writer::with_capacity(text.len().min(MAX_DOCUMENT_BYTES) + 64),
        fields: Vec::new(),
    };
    reader.lexer.expect(b'{')?;
    let start = reader.lexer.at;
    if reader.extended(0)?.is_some() {
        reader.lexer.at = start;
        return reader.lexer.error("expected a document but found a single value");
    }
    reader.document(1)?;
    reader.check_size()?;
    Ok(reader.writer.out)
}

/// Where an element stands in the output.
#[derive(Debug, Clone)]
struct Field {
    element: Range<usize>,
    name: Range<usize>,
}

/// The text being read and the document being written.
pub(super) struct Reader<'a> {
    pub(super) lexer: Lexer<'a>,
    pub(super) writer: Writer,
    /// Elements of all documents that are open, innermost last.
    fields: Vec<Field>,
}

impl Reader<'_> {
    /// The rest of a document whose brace has been read.
    pub(super) fn document(&mut self, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        let start = self.writer.begin();
        let outer_fields = self.fields.len();
        while !self.lexer.accept(b'}') {
            let at = self.writer.out.len();
            self.writer.out.push(0);
            self.lexer.key(&mut self.writer.out)?;
            let name = at + 1..self.writer.out.len();
            self.writer.out.push(0);
            self.lexer.expect(b':')?;
            let kind = self.value(depth)?;
            self.writer.patch_kind(at, kind);
            if depth == 1 && kind == kind::STRING {
                self.coerce_id(at);
            }
            self.fields.push(Field { element: at..self.writer.out.len(), name });
            self.check_size()?;
            if !self.lexer.accept(b',') {
                self.close()?;
                break;
            }
        }
        self.drop_duplicates(outer_fields);
        self.writer.end(start)
    }

    /// The closing brace where a comma would have been possible.
    fn close(&mut self) -> Result<(), Error> {
        if self.lexer.accept(b'}') { Ok(()) } else { self.lexer.unexpected(", or }") }
    }

    fn check_size(&self) -> Result<(), Error> {
        if self.writer.out.len() > MAX_DOCUMENT_BYTES { Err(Error::TooLarge) } else { Ok(()) }
    }

    /// Turns the string element at `at` into an ObjectId if it is an `_id` that reads like one.
    fn coerce_id(&mut self, at: usize) {
        let element = self.writer.out.get(at..).unwrap_or_default();
        let text =
            element.strip_prefix(b"\x02_id\0\x19\0\0\0").and_then(|rest| rest.strip_suffix(b"\0"));
        if let Some(id) = text.and_then(parse_hex::<12>) {
            self.writer.out.truncate(at);
            self.writer.element(kind::OBJECT_ID, b"_id", &id);
        }
    }

    /// Removes all but the last of equally named elements among `fields[first..]`, the innermost
    /// document's, and forgets these fields.
    fn drop_duplicates(&mut self, first: usize) {
        let fields = self.fields.get(first..).unwrap_or_default();
        if let Some(kept) = without_duplicates(fields, &self.writer.out) {
            let body = fields.first().map_or(0, |field| field.element.start);
            self.writer.out.truncate(body);
            self.writer.out.extend_from_slice(&kept);
        }
        self.fields.truncate(first);
    }

    /// The rest of an array whose bracket has been read.
    fn array(&mut self, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        let start = self.writer.begin();
        let mut position = 0_u32;
        while !self.lexer.accept(b']') {
            let at = self.writer.out.len();
            self.writer.out.push(0);
            self.writer.out.extend_from_slice(position.to_string().as_bytes());
            self.writer.out.push(0);
            let kind = self.value(depth)?;
            self.writer.patch_kind(at, kind);
            self.check_size()?;
            position += 1;
            if !self.lexer.accept(b',') {
                if !self.lexer.accept(b']') {
                    return self.lexer.unexpected(", or ]");
                }
                break;
            }
        }
        self.writer.end(start)
    }

    /// Writes one value that stands in a document of level `depth` and returns its kind.
    fn value(&mut self, depth: usize) -> Result<u8, Error> {
        match self.lexer.peek() {
            b'{' => {
                self.lexer.at += 1;
                if let Some(kind) = self.extended(depth)? {
                    return Ok(kind);
                }
                self.document(depth + 1)?;
                Ok(kind::DOCUMENT)
            }
            b'[' => {
                self.lexer.at += 1;
                self.array(depth + 1)?;
                Ok(kind::ARRAY)
            }
            b'"' | b'\'' => {
                let start = self.writer.begin();
                self.lexer.quoted(&mut self.writer.out)?;
                self.writer.out.push(0);
                self.writer.patch_length(start, self.writer.out.len() - start - 4)?;
                Ok(kind::STRING)
            }
            b'/' => {
                let (pattern, options) = self.lexer.regex()?;
                self.regex(pattern, options)
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.named_value(),
        }
    }

    fn number(&mut self) -> Result<u8, Error> {
        let start = self.lexer.at;
        if self.lexer.accept(b'-') && self.lexer.byte() == b'I' {
            return match self.lexer.word() {
                "Infinity" => Ok(self.double(f64::NEG_INFINITY)),
                _ => self.lexer.error("expected -Infinity"),
            };
        }
        self.lexer.at = start;
        match self.lexer.number()? {
            Literal::Integer(text) => match (text.parse::<i32>(), text.parse::<i64>()) {
                (Ok(number), _) => Ok(self.int32(number)),
                (_, Ok(number)) => Ok(self.int64(number)),
                _ => self.error_at(start, "integer does not fit 64 bits"),
            },
            Literal::Fraction(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(self.double(number)),
                _ => self.error_at(start, "number is out of range"),
            },
        }
    }

    /// An error at an earlier position.
    pub(super) fn error_at<T>(&self, position: usize, message: &'static str) -> Result<T, Error> {
        Err(Error::Json { position, message: message.into() })
    }

    pub(super) fn int32(&mut self, number: i32) -> u8 {
        self.writer.out.extend_from_slice(&number.to_le_bytes());
        kind::INT32
    }

    pub(super) fn int64(&mut self, number: i64) -> u8 {
        self.writer.out.extend_from_slice(&number.to_le_bytes());
        kind::INT64
    }

    pub(super) fn double(&mut self, number: f64) -> u8 {
        self.writer.out.extend_from_slice(&number.to_le_bytes());
        kind::DOUBLE
    }

    pub(super) fn decimal(&mut self, number: Decimal) -> u8 {
        self.writer.out.extend_from_slice(&number.to_bytes());
        kind::DECIMAL128
    }

    pub(super) fn date_time(&mut self, ms: i64) -> u8 {
        self.writer.out.extend_from_slice(&ms.to_le_bytes());
        kind::DATE_TIME
    }

    /// Writes a regular expression, its options in alphabetical order.
    pub(super) fn regex(&mut self, pattern: &str, options: &str) -> Result<u8, Error> {
        if pattern.contains('\0') || options.contains('\0') {
            return self.lexer.error("a regular expression may not contain U+0000");
        }
        let mut letters: Vec<char> = options.chars().collect();
        letters.sort_unstable();
        let sorted: String = letters.into_iter().collect();
        self.writer.out.extend_from_slice(pattern.as_bytes());
        self.writer.out.push(0);
        self.writer.out.extend_from_slice(sorted.as_bytes());
        self.writer.out.push(0);
        Ok(kind::REGEX)
    }

    /// Writes binary data; the old subtype repeats the length.
    pub(super) fn binary(&mut self, subtype: u8, bytes: &[u8]) -> Result<u8, Error> {
        let start = self.writer.begin();
        self.writer.out.push(subtype);
        if subtype == crate::raw::OLD_BINARY {
            let inner = self.writer.begin();
            self.writer.patch_length(inner, bytes.len())?;
        }
        self.writer.out.extend_from_slice(bytes);
        self.writer.patch_length(start, self.writer.out.len() - start - 5)?;
        Ok(kind::BINARY)
    }
}

/// Documents with more fields are searched for duplicates with a hash table.
const QUADRATIC_FIELDS: usize = 16;

/// The elements with the last value of each name at the place of the first; `None` if no name
/// repeats.
fn without_duplicates(fields: &[Field], out: &[u8]) -> Option<Vec<u8>> {
    let name = |field: &Field| out.get(field.name.clone()).unwrap_or_default();
    if fields.len() <= QUADRATIC_FIELDS {
        let mut later = fields.iter();
        let repeats = |field: &Field, later: &[Field]| later.iter().any(|l| name(l) == name(field));
        loop {
            let field = later.next()?;
            if repeats(field, later.as_slice()) {
                break;
            }
        }
    }
    let mut last: HashMap<_, _> = fields.iter().map(|field| (name(field), field)).collect();
    if last.len() == fields.len() {
        return None;
    }
    let mut kept = Vec::new();
    for field in fields {
        if let Some(winner) = last.remove(name(field)) {
            kept.extend_from_slice(out.get(winner.element.clone()).unwrap_or_default());
        }
    }
    Some(kept)
}

/// Reads exactly `2 × N` hex digits.
pub(super) fn parse_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |letter: u8| char::from(letter).to_digit(16);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = ((digit(high)? << 4) | digit(low)?) as u8;
    }
    Some(bytes)
}
