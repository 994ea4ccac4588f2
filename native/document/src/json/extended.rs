//! Values written as objects: `{"$oid": …}` and the like.

use super::reader::{Reader, parse_hex};
use super::{base64, date};
use crate::Error;
use crate::decimal::Decimal;
use crate::raw::kind;

impl Reader<'_> {
    /// Reads a value in object form, whose brace has been read, and returns its kind. `None`, and
    /// nothing is consumed, if the object is a document. `depth` is the level of the document
    /// around.
    pub(super) fn extended(&mut self, depth: usize) -> Result<Option<u8>, Error> {
        let start = self.lexer.at;
        if !self.lexer.dollar_follows() {
            return Ok(None);
        }
        let mut key = Vec::new();
        self.lexer.key(&mut key)?;
        if matches!(key.as_slice(), b"$regex" | b"$options") {
            let found = self.legacy_regex(&key);
            if found.is_none() {
                self.lexer.at = start;
            }
            return found.map(|(pattern, options)| self.regex(&pattern, &options)).transpose();
        }
        if !NAMES.contains(&key.as_slice()) {
            self.lexer.at = start;
            return Ok(None);
        }
        self.lexer.expect(b':')?;
        self.lexer.peek();
        let kind = self.extended_value(&key, depth)?;
        self.end_of_object()?;
        Ok(Some(kind))
    }

    fn extended_value(&mut self, key: &[u8], depth: usize) -> Result<u8, Error> {
        let at = self.lexer.at;
        match key {
            b"$oid" => self.object_id(),
            b"$numberInt" | b"$numberLong" | b"$numberDouble" | b"$numberDecimal" => {
                let text = self.number_text()?;
                let number = self.number_of(key, &text);
                number.map_or_else(|| self.error_at(at, "not a number of this type"), Ok)
            }
            b"$date" => self.date(),
            b"$timestamp" => self.timestamp(),
            b"$binary" => self.binary_object(),
            b"$uuid" => self.uuid(),
            b"$regularExpression" => self.regular_expression(),
            b"$symbol" => {
                let text = self.lexer.string()?;
                self.writer.text(text.as_bytes())?;
                Ok(kind::SYMBOL)
            }
            b"$code" => self.code(depth),
            b"$dbPointer" => self.db_pointer(),
            b"$undefined" => match self.lexer.word() {
                "true" => Ok(kind::UNDEFINED),
                _ => self.error_at(at, "expected true"),
            },
            _ => match self.number_text()?.as_str() {
                "1" if key == b"$minKey" => Ok(kind::MIN_KEY),
                "1" => Ok(kind::MAX_KEY),
                _ => self.error_at(at, "expected 1"),
            },
        }
    }

    fn end_of_object(&mut self) -> Result<(), Error> {
        self.lexer.accept(b',');
        self.lexer.expect(b'}')
    }

    /// The rest of an object that holds exactly `$regex` and `$options`, the first key being
    /// `first`.
    fn legacy_regex(&mut self, first: &[u8]) -> Option<(String, String)> {
        self.lexer.expect(b':').ok()?;
        let value = self.lexer.string().ok()?;
        self.lexer.expect(b',').ok()?;
        let mut second = Vec::new();
        self.lexer.key(&mut second).ok()?;
        self.lexer.expect(b':').ok()?;
        let other = self.lexer.string().ok()?;
        self.end_of_object().ok()?;
        match (first, second.as_slice()) {
            (b"$regex", b"$options") => Some((value, other)),
            (b"$options", b"$regex") => Some((other, value)),
            _ => None,
        }
    }

    /// Calls `member` for each key of the object that follows; it reads the value.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.lexer.expect(b'{')?;
        while !self.lexer.accept(b'}') {
            let mut key = Vec::new();
            self.lexer.key(&mut key)?;
            self.lexer.expect(b':')?;
            self.lexer.peek();
            member(self, &String::from_utf8_lossy(&key))?;
            if !self.lexer.accept(b',') {
                return self.lexer.expect(b'}');
            }
        }
        Ok(())
    }

    /// A number as string or as literal.
    pub(super) fn number_text(&mut self) -> Result<String, Error> {
        match self.lexer.peek() {
            b'"' | b'\'' => self.lexer.string(),
            _ => self.lexer.number().map(|literal| literal.text().to_owned()),
        }
    }

    /// Writes the number `text` as the type that `key` names.
    pub(super) fn number_of(&mut self, key: &[u8], text: &str) -> Option<u8> {
        Some(match key {
            b"$numberInt" => self.int32(text.parse().ok()?),
            b"$numberLong" => self.int64(text.parse().ok()?),
            b"$numberDecimal" => self.decimal(Decimal::parse(text)?),
            _ => self.double(match text {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => text.parse().ok().filter(|number: &f64| number.is_finite())?,
            }),
        })
    }

    pub(super) fn object_id(&mut self) -> Result<u8, Error> {
        self.lexer.peek();
        let at = self.lexer.at;
        match parse_hex::<12>(self.lexer.string()?.as_bytes()) {
            Some(id) => self.writer.out.extend_from_slice(&id),
            None => return self.error_at(at, "an ObjectId has 24 hex digits"),
        }
        Ok(kind::OBJECT_ID)
    }

    pub(super) fn date(&mut self) -> Result<u8, Error> {
        let byte = self.lexer.peek();
        let at = self.lexer.at;
        let mut ms = None;
        match byte {
            b'{' => self.members(|reader, key| {
                let text = reader.number_text()?;
                ms = text.parse().ok().filter(|_| key == "$numberLong");
                Ok(())
            })?,
            b'"' | b'\'' => ms = date::parse(&self.lexer.string()?),
            _ => ms = self.number_text()?.parse().ok(),
        }
        match ms {
            Some(ms) => Ok(self.date_time(ms)),
            None => self.error_at(at, "not a date"),
        }
    }

    fn timestamp(&mut self) -> Result<u8, Error> {
        let at = self.lexer.at;
        let (mut seconds, mut ordinal) = (None, None);
        self.members(|reader, key| {
            let number = reader.number_text()?.parse::<u32>().ok();
            match key {
                "t" => seconds = number,
                "i" => ordinal = number,
                _ => return reader.lexer.error("expected t or i"),
            }
            Ok(())
        })?;
        let (Some(seconds), Some(ordinal)) = (seconds, ordinal) else {
            return self.error_at(at, "a timestamp has t and i, both unsigned 32 bits");
        };
        Ok(self.timestamp_of(seconds, ordinal))
    }

    pub(super) fn timestamp_of(&mut self, seconds: u32, ordinal: u32) -> u8 {
        self.writer.out.extend_from_slice(&ordinal.to_le_bytes());
        self.writer.out.extend_from_slice(&seconds.to_le_bytes());
        kind::TIMESTAMP
    }

    /// `{"base64": …, "subType": …}`, or the older `"…", "$type": …`.
    fn binary_object(&mut self) -> Result<u8, Error> {
        let at = self.lexer.at;
        let (mut text, mut subtype) = (None, None);
        if self.lexer.peek() == b'{' {
            self.members(|reader, key| {
                match key {
                    "base64" => text = Some(reader.lexer.string()?),
                    "subType" => subtype = Some(reader.lexer.string()?),
                    _ => return reader.lexer.error("expected base64 or subType"),
                }
                Ok(())
            })?;
        } else {
            text = Some(self.lexer.string()?);
            self.lexer.expect(b',')?;
            let mut key = Vec::new();
            self.lexer.key(&mut key)?;
            if key != b"$type" {
                return self.lexer.error("expected $type");
            }
            self.lexer.expect(b':')?;
            subtype = Some(self.lexer.string()?);
        }
        let subtype =
            subtype.filter(|digits| (1..=2).contains(&digits.len()) && !digits.starts_with('+'));
        let subtype = subtype.and_then(|digits| u8::from_str_radix(&digits, 16).ok());
        match (text, subtype) {
            (Some(text), Some(subtype)) => self.base64(at, subtype, &text),
            _ => self.error_at(at, "binary has base64 and a subType of two hex digits"),
        }
    }

    pub(super) fn base64(&mut self, at: usize, subtype: u8, text: &str) -> Result<u8, Error> {
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
        match base64::decode(text.as_bytes(), &mut bytes) {
            Some(()) => self.binary(subtype, &bytes),
            None => self.error_at(at, "not Base64"),
        }
    }

    pub(super) fn uuid(&mut self) -> Result<u8, Error> {
        self.lexer.peek();
        let at = self.lexer.at;
        let text = self.lexer.string()?;
        let dashes = [8, 13, 18, 23].iter().all(|&dash| text.as_bytes().get(dash) == Some(&b'-'));
        match parse_hex::<16>(text.replace('-', "").as_bytes()) {
            Some(bytes) if dashes && text.len() == 36 => self.binary(UUID_SUBTYPE, &bytes),
            _ => self.error_at(at, "not a UUID"),
        }
    }

    fn regular_expression(&mut self) -> Result<u8, Error> {
        let at = self.lexer.at;
        let (mut pattern, mut options) = (None, String::new());
        self.members(|reader, key| {
            match key {
                "pattern" => pattern = Some(reader.lexer.string()?),
                "options" => options = reader.lexer.string()?,
                _ => return reader.lexer.error("expected pattern or options"),
            }
            Ok(())
        })?;
        match pattern {
            Some(pattern) => self.regex(&pattern, &options),
            None => self.error_at(at, "a regular expression has a pattern"),
        }
    }

    /// Code, with a scope if `$scope` follows.
    fn code(&mut self, depth: usize) -> Result<u8, Error> {
        let start = self.writer.begin();
        let code = self.lexer.string()?;
        let before = self.lexer.at;
        let mut key = Vec::new();
        if self.lexer.accept(b',') && self.lexer.dollar_follows() {
            self.lexer.key(&mut key)?;
        }
        if key != b"$scope" {
            self.lexer.at = before;
            self.writer.out.truncate(start);
            self.writer.text(code.as_bytes())?;
            return Ok(kind::CODE);
        }
        self.writer.text(code.as_bytes())?;
        self.lexer.expect(b':')?;
        self.lexer.expect(b'{')?;
        // The scope is a level of its own, but never the top one.
        self.document(depth.max(1) + 1)?;
        self.writer.patch_length(start, self.writer.out.len() - start)?;
        Ok(kind::CODE_WITH_SCOPE)
    }

    fn db_pointer(&mut self) -> Result<u8, Error> {
        let at = self.lexer.at;
        let (mut namespace, mut id) = (None, None);
        self.members(|reader, key| {
            match key {
                "$ref" => namespace = Some(reader.lexer.string()?),
                "$id" => reader.members(|reader, key| {
                    id = parse_hex::<12>(reader.lexer.string()?.as_bytes())
                        .filter(|_| key == "$oid");
                    Ok(())
                })?,
                _ => return reader.lexer.error("expected $ref or $id"),
            }
            Ok(())
        })?;
        let (Some(namespace), Some(id)) = (namespace, id) else {
            return self.error_at(at, "a DB pointer has $ref and $id");
        };
        self.writer.text(namespace.as_bytes())?;
        self.writer.out.extend_from_slice(&id);
        Ok(kind::DB_POINTER)
    }
}

const UUID_SUBTYPE: u8 = 4;

/// Keys that make an object a single value, if they come first.
const NAMES: [&[u8]; 16] = [
    b"$oid",
    b"$numberInt",
    b"$numberLong",
    b"$numberDouble",
    b"$numberDecimal",
    b"$date",
    b"$timestamp",
    b"$binary",
    b"$uuid",
    b"$regularExpression",
    b"$symbol",
    b"$code",
    b"$dbPointer",
    b"$undefined",
    b"$minKey",
    b"$maxKey",
];
