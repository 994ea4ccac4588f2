//! Structural validation of a BSON document: after it, no reader of this crate meets damage.

use std::io::Write;

use crate::raw::{self, Damaged, Value};
use crate::{Error, MAX_DEPTH, MAX_DOCUMENT_BYTES};

/// Checks that `doc` is exactly one BSON document: lengths, types, ends, booleans 0 or 1, array
/// elements called "0", "1", … in order, text in UTF-8, the limits of depth and size.
///
/// # Errors
/// [`Error::Bson`], [`Error::TooDeep`], [`Error::TooLarge`].
pub fn validate(doc: &[u8]) -> Result<(), Error> {
    if doc.len() > MAX_DOCUMENT_BYTES {
        return Err(Error::TooLarge);
    }
    validate_elements(doc, false, 1)
}

fn validate_elements(doc: &[u8], is_array: bool, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep);
    }
    let mut elements = raw::elements(doc)?;
    let mut position = 0_u32;
    while let Some(element) = elements.next()? {
        if is_array && !is_position(element.name, position) {
            return Err(Error::Bson("array elements are not numbered in order"));
        }
        position += 1;
        check_text(element.name)?;
        validate_value(element.value()?, depth)?;
    }
    Ok(())
}

/// Checks one value that stands in a document of level `depth`.
pub(crate) fn validate_value(value: Value<'_>, depth: usize) -> Result<(), Error> {
    match value {
        Value::String(text) | Value::Code(text) | Value::Symbol(text) => check_text(text),
        Value::Document(doc) => validate_elements(doc, false, depth + 1),
        Value::Array(doc) => validate_elements(doc, true, depth + 1),
        Value::Regex(bytes) => {
            let (pattern, options) = raw::regex_parts(bytes)?;
            check_text(pattern)?;
            check_text(options)
        }
        Value::DbPointer(bytes) => check_text(raw::db_pointer_parts(bytes)?.0),
        Value::CodeWithScope(bytes) => {
            let (code, scope) = raw::code_parts(bytes)?;
            check_text(code)?;
            validate_elements(scope, false, depth + 1)
        }
        _ => Ok(()),
    }
}

fn check_text(text: &[u8]) -> Result<(), Error> {
    utf8(text).map(drop)
}

pub(crate) fn utf8(text: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(text).map_err(|_| NOT_UTF8.into())
}

pub(crate) const NOT_UTF8: Damaged = Damaged("text is not UTF-8");

fn is_position(name: &[u8], position: u32) -> bool {
    let mut digits = [0_u8; 10];
    let mut unused = digits.as_mut_slice();
    // Ten bytes hold every u32, so the write can't fail; if it did, the name would not match.
    if write!(unused, "{position}").is_err() {
        return false;
    }
    let length = 10 - unused.len();
    digits.get(..length) == Some(name)
}
