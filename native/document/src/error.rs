//! The one error type of the crate. Every variant prints as one line that is fit for a client: the
//! server sends it after the `ERR ` prefix, or as it is if it begins with a prefix of its own. Only
//! [`Error::DuplicateKey`] carries a value of a document.

use std::borrow::Cow;
use std::fmt;

/// Why a document, a JSON text or a filter program was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The JSON text is malformed or holds a value that BSON can't.
    Json {
        /// Byte offset in the text, from 0.
        position: usize,
        /// What is wrong there.
        message: Cow<'static, str>,
    },
    /// The bytes are not a BSON document.
    Bson(&'static str),
    /// Documents or arrays are nested deeper than [`crate::MAX_DEPTH`].
    TooDeep,
    /// The encoded document is larger than [`crate::MAX_DOCUMENT_BYTES`].
    TooLarge,
    /// A document to insert has an `_id` that is no ObjectId.
    IdType,
    /// The filter program does not follow the grammar of [`crate::Filter::parse`]. The planner
    /// wrote it, so this is a defect and no mistake of a client.
    Program(&'static str),
    /// A comparison operand has a BSON type that filters can't compare.
    UnsupportedType(&'static str),
    /// A regular expression has an option other than `i`, `m`, `s` and `u`.
    RegexOption(char),
    /// A regular expression does not compile.
    RegexPattern(String),
    /// A projection is malformed; says how.
    Projection(String),
    /// An update is malformed or does not fit a document; says how.
    Update(String),
    /// A collation has a key that is none of the nine.
    CollationField(String),
    /// A collation has a value of a wrong type, or values that do not go together.
    CollationSpec,
    /// A collation names no locale.
    CollationLocaleMissing,
    /// A collation names a locale that there is no collation for.
    CollationLocale(String),
    /// The strength of a collation is none of 1 to 5.
    CollationStrength(i64),
    /// A value of a collation is none of those to choose from.
    CollationChoice {
        /// The key of the value.
        key: &'static str,
        /// What is allowed.
        choices: Vec<&'static str>,
        /// What was given.
        got: String,
    },
    /// A document has a value at the path of a strict index that is not of the declared type.
    IndexType(Box<IndexMismatch>),
    /// A document has the key of another one in a unique index.
    DuplicateKey {
        /// The path of a single-field index, the name of a compound one.
        name: String,
        /// The value, or the values in brackets.
        value: String,
    },
    /// An index key is longer than [`crate::MAX_INDEX_KEY_BYTES`].
    KeyTooLarge,
}

/// Details of [`Error::IndexType`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMismatch {
    /// Whether the index is a compound one.
    pub is_compound: bool,
    /// Name of the index.
    pub index: String,
    /// Path of the field.
    pub path: String,
    /// Name of the declared type.
    pub expected: &'static str,
    /// Name of the type that was found.
    pub found: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Json { position, message } => {
                write!(f, "invalid JSON at position {position}: {message}")
            }
            Error::Bson(message) => write!(f, "invalid BSON: {message}"),
            Error::TooDeep => write!(f, "document is nested deeper than {}", crate::MAX_DEPTH),
            Error::TooLarge => {
                write!(f, "document is larger than {} bytes", crate::MAX_DOCUMENT_BYTES)
            }
            Error::IdType => f.write_str("_id field must be of type ObjectId"),
            Error::Program(message) => write!(f, "invalid filter program: {message}"),
            Error::UnsupportedType(name) => {
                write!(f, "BQL parse error: Unsupported value type: {name}")
            }
            Error::RegexOption(option) => {
                write!(f, "BQL parse error: Unsupported $regex option: {}", option.escape_default())
            }
            Error::RegexPattern(message) => {
                write!(f, "BQL parse error: Invalid $regex pattern: {message}")
            }
            Error::Projection(message) | Error::Update(message) => f.write_str(message),
            Error::CollationField(key) => {
                write!(f, "Unknown collation field: {}", OneLine(key))
            }
            Error::CollationSpec => f.write_str("Invalid collation specification"),
            Error::CollationLocaleMissing => f.write_str("Collation 'locale' is required"),
            Error::CollationLocale(name) => {
                write!(f, "Invalid collation locale: {}", OneLine(name))
            }
            Error::CollationStrength(number) => {
                write!(f, "Collation 'strength' must be between 1 and 5, got: {number}")
            }
            Error::CollationChoice { key, choices, got } => {
                let choices = choices.join("', '");
                write!(f, "Collation '{key}' must be one of '{choices}', got: {}", OneLine(got))
            }
            Error::IndexType(mismatch) => mismatch.fmt(f),
            Error::DuplicateKey { name, value } => {
                write!(f, "DUPLICATEKEY Duplicate key: '{}' {}", OneLine(name), OneLine(value))
            }
            Error::KeyTooLarge => f.write_str("KEY_TOO_LARGE Key length exceeds limit"),
        }
    }
}

impl fmt::Display for IndexMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IndexMismatch { is_compound, index, path, expected, found } = self;
        let (index, path) = (OneLine(index), OneLine(path));
        f.write_str("INDEXTYPE_MISMATCH Index type mismatch: ")?;
        if *is_compound {
            write!(
                f,
                "compound index '{index}' field '{path}' expects '{expected}', but got '{found}'"
            )
        } else {
            write!(
                f,
                "index '{index}' expects '{expected}', but selector '{path}' matched a value of \
                 type '{found}'"
            )
        }
    }
}

/// Text of a client, with its control characters escaped.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Most characters of a client's text that a message repeats.
const SHOWN_CHARACTERS: usize = 400;

/// The name or path `text` as messages show it: on one line, and cut where it is very long.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(SHOWN_CHARACTERS));
    for (position, character) in text.chars().enumerate() {
        if position == SHOWN_CHARACTERS {
            line.push('…');
            break;
        }
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}
