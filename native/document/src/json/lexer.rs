//! Tokens of lenient JSON text.

use std::borrow::Cow;

use crate::Error;

/// A position in the text and what can be read there.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    pub(super) at: usize,
    /// Said where the text ends too early.
    end_message: &'static str,
}

/// A number literal by its form.
pub(super) enum Literal<'a> {
    Integer(&'a str),
    Fraction(&'a str),
}

impl<'a> Literal<'a> {
    pub(super) fn text(&self) -> &'a str {
        match self {
            Literal::Integer(text) | Literal::Fraction(text) => text,
        }
    }
}

impl<'a> Lexer<'a> {
    /// Reads the longest part of `bytes` that is UTF-8; a document that ends within it is complete.
    pub(super) fn new(bytes: &'a [u8]) -> Lexer<'a> {
        let (text, end_message) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, "unexpected end of text"),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                (std::str::from_utf8(valid).unwrap_or_default(), "text is not UTF-8")
            }
        };
        Lexer { text, at: 0, end_message }
    }

    /// An error at the present position.
    pub(super) fn error<T>(&self, message: impl Into<Cow<'static, str>>) -> Result<T, Error> {
        Err(Error::Json { position: self.at, message: message.into() })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The byte at the present position, 0 at the end of the text.
    pub(super) fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// Skips white space and returns the byte after it, 0 at the end of the text.
    pub(super) fn peek(&mut self) -> u8 {
        while matches!(self.byte(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.byte()
    }

    /// Skips white space and `byte`, if that comes next.
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    /// Skips white space and `byte`, which must come next.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.accept(byte) { Ok(()) } else { self.unexpected(char::from(byte)) }
    }

    /// The error for a byte that fits nowhere, where `wanted` was expected.
    pub(super) fn unexpected<T>(&self, wanted: impl std::fmt::Display) -> Result<T, Error> {
        match self.rest().chars().next() {
            None => self.error(self.end_message),
            Some(found) => {
                self.error(format!("expected {wanted} but found {}", found.escape_default()))
            }
        }
    }

    /// A quoted string, unescaped, appended to `out`.
    pub(super) fn quoted(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let quote = self.peek();
        if quote != b'"' && quote != b'\'' {
            return self.unexpected("a string");
        }
        self.at += 1;
        loop {
            let rest = self.rest().as_bytes();
            let Some(plain) = rest.iter().position(|&byte| byte == quote || byte == b'\\') else {
                self.at = self.text.len();
                return self.error(self.end_message);
            };
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain + 1;
            if rest.get(plain) == Some(&quote) {
                return Ok(());
            }
            self.escape(out)?;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let letter = self.byte();
        self.at += 1;
        out.push(match letter {
            b'"' | b'\'' | b'\\' | b'/' => letter,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.code_point()?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => {
                self.at -= 1;
                return self.unexpected("an escape");
            }
        });
        Ok(())
    }

    /// The hex digits of `\u`, with those of the second half if it is a surrogate pair.
    fn code_point(&mut self) -> Result<char, Error> {
        let mut code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.error("half of a surrogate pair"),
        }
    }

    fn hex4(&mut self) -> Result<u32, Error> {
        let digits = self.rest().get(..4).unwrap_or_default();
        if digits.len() < 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return self.error("expected four hex digits");
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).or_else(|_| self.error("expected four hex digits"))
    }

    /// A quoted string as text.
    pub(super) fn string(&mut self) -> Result<String, Error> {
        let mut out = Vec::new();
        self.quoted(&mut out)?;
        // The text was UTF-8 and escapes write UTF-8.
        String::from_utf8(out).or_else(|_| self.error("text is not UTF-8"))
    }

    /// The longest word of letters, digits, `_` and `$` at the present position; may be empty.
    pub(super) fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let other = |letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '$'));
        let word = rest.get(..rest.find(other).unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    /// A key, appended to `out`: a string or a word that does not start with a digit.
    pub(super) fn key(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        match self.peek() {
            b'"' | b'\'' => self.quoted(out)?,
            b'0'..=b'9' => return self.unexpected("a key"),
            _ => match self.word() {
                "" => return self.unexpected("a key"),
                word => out.extend_from_slice(word.as_bytes()),
            },
        }
        if out.get(start..).is_some_and(|key| key.contains(&0)) {
            return self.error("a key may not contain U+0000");
        }
        Ok(())
    }

    /// Whether the next key starts with `$`.
    pub(super) fn dollar_follows(&mut self) -> bool {
        let quotes = usize::from(matches!(self.peek(), b'"' | b'\''));
        self.text.as_bytes().get(self.at + quotes) == Some(&b'$')
    }

    /// A number literal; the minus sign included.
    pub(super) fn number(&mut self) -> Result<Literal<'a>, Error> {
        let bytes = self.rest().as_bytes();
        let digits =
            |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let whole_at = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(whole_at);
        let mut end = whole_at + whole;
        let leading_zero = whole > 1 && bytes.get(whole_at) == Some(&b'0');
        let mut is_complete = whole > 0 && !leading_zero;
        let mut is_integer = true;
        if bytes.get(end) == Some(&b'.') {
            is_integer = false;
            let fraction = digits(end + 1);
            is_complete &= fraction > 0;
            end += 1 + fraction;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            is_integer = false;
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            is_complete &= exponent > 0;
            end += 1 + sign + exponent;
        }
        if !is_complete {
            return self.error("malformed number");
        }
        let literal = self.rest().get(..end).unwrap_or_default();
        self.at += end;
        Ok(if is_integer { Literal::Integer(literal) } else { Literal::Fraction(literal) })
    }

    /// A regular expression literal as (pattern, options); the pattern keeps its escapes.
    pub(super) fn regex(&mut self) -> Result<(&'a str, &'a str), Error> {
        self.expect(b'/')?;
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b'/' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let Some(end) = end else {
            self.at = self.text.len();
            return self.error(self.end_message);
        };
        self.at += end + 1;
        let options = self.rest();
        let other = |letter: char| !letter.is_ascii_alphabetic();
        let options = options.get(..options.find(other).unwrap_or(options.len()));
        let options = options.unwrap_or_default();
        self.at += options.len();
        Ok((rest.get(..end).unwrap_or_default(), options))
    }
}
