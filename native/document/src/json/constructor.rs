//! Values that start with a word: `true`, `null`, `ObjectId("…")`, `new Date(5)`.

use super::reader::{Reader, parse_hex};
use crate::Error;
use crate::raw::kind;

impl Reader<'_> {
    /// Writes the value whose word comes next and returns its kind.
    pub(super) fn named_value(&mut self) -> Result<u8, Error> {
        let at = self.lexer.at;
        let word = self.lexer.word();
        match word {
            "true" | "false" => {
                self.writer.out.push(u8::from(word == "true"));
                Ok(kind::BOOLEAN)
            }
            "null" => Ok(kind::NULL),
            "undefined" => Ok(kind::UNDEFINED),
            "NaN" => Ok(self.double(f64::NAN)),
            "Infinity" => Ok(self.double(f64::INFINITY)),
            "MinKey" | "MaxKey" => {
                if self.lexer.accept(b'(') {
                    self.lexer.expect(b')')?;
                }
                Ok(if word == "MinKey" { kind::MIN_KEY } else { kind::MAX_KEY })
            }
            "new" => {
                self.lexer.peek();
                let word = self.lexer.word();
                self.constructor(at, word)
            }
            "" => self.lexer.unexpected("a value"),
            _ => self.constructor(at, word),
        }
    }

    /// `name(arguments)`; the name, which starts at `at`, has been read.
    fn constructor(&mut self, at: usize, name: &str) -> Result<u8, Error> {
        if !NAMES.contains(&name) {
            return self.error_at(at, "unknown word");
        }
        self.lexer.expect(b'(')?;
        let kind = match name {
            "ObjectId" => self.object_id()?,
            "ISODate" | "Date" => self.date()?,
            "NumberInt" => self.number_argument(b"$numberInt")?,
            "NumberLong" => self.number_argument(b"$numberLong")?,
            "NumberDecimal" => self.number_argument(b"$numberDecimal")?,
            "UUID" => self.uuid()?,
            "Timestamp" => {
                let seconds = self.unsigned_argument()?;
                self.lexer.expect(b',')?;
                let ordinal = self.unsigned_argument()?;
                self.timestamp_of(seconds, ordinal)
            }
            "RegExp" => {
                let pattern = self.lexer.string()?;
                let options =
                    if self.lexer.accept(b',') { self.lexer.string()? } else { String::new() };
                self.regex(&pattern, &options)?
            }
            _ => self.bytes_arguments(name == "HexData")?,
        };
        self.lexer.expect(b')')?;
        Ok(kind)
    }

    fn number_argument(&mut self, key: &[u8]) -> Result<u8, Error> {
        self.lexer.peek();
        let at = self.lexer.at;
        let text = self.number_text()?;
        let number = self.number_of(key, &text);
        number.map_or_else(|| self.error_at(at, "not a number of this type"), Ok)
    }

    fn unsigned_argument(&mut self) -> Result<u32, Error> {
        self.lexer.peek();
        let at = self.lexer.at;
        let number = self.number_text()?.parse();
        number.or_else(|_| self.error_at(at, "expected an unsigned 32-bit number"))
    }

    /// Subtype, then the bytes as string in hex or Base64.
    fn bytes_arguments(&mut self, is_hex: bool) -> Result<u8, Error> {
        let subtype = self.unsigned_argument()?;
        self.lexer.expect(b',')?;
        self.lexer.peek();
        let at = self.lexer.at;
        let text = self.lexer.string()?;
        let Ok(subtype) = u8::try_from(subtype) else {
            return self.error_at(at, "subtype is above 255");
        };
        if !is_hex {
            return self.base64(at, subtype, &text);
        }
        let pairs = text.as_bytes().chunks(2).map(parse_hex::<1>);
        match pairs.collect::<Option<Vec<_>>>() {
            Some(bytes) => self.binary(subtype, bytes.as_flattened()),
            None => self.error_at(at, "expected pairs of hex digits"),
        }
    }
}

const NAMES: [&str; 11] = [
    "ObjectId",
    "ISODate",
    "Date",
    "NumberInt",
    "NumberLong",
    "NumberDecimal",
    "UUID",
    "Timestamp",
    "RegExp",
    "BinData",
    "HexData",
];
