//! The one error type of the crate. Every variant prints as one line that is fit for a client,
//! because the server sends it after the `ERR ` prefix; none carries bytes of a stored document.

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
        }
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
