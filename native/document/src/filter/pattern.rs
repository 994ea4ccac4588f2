//! Regular expressions: a substring search in linear time.

use regex::bytes::{Regex, RegexBuilder};

use super::re2;
use crate::Error;
use crate::raw::{self, Value};
use crate::validate::NOT_UTF8;

/// A compiled regular expression.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// Compiles the BSON value of a regular expression: pattern and options.
    pub(super) fn new(bytes: &[u8]) -> Result<Pattern, Error> {
        let (pattern, options) = raw::regex_parts(bytes)?;
        let pattern = std::str::from_utf8(pattern).map_err(|_| NOT_UTF8)?;
        let options = std::str::from_utf8(options).map_err(|_| NOT_UTF8)?;
        if let Some(unknown) = options.chars().find(|option| !"imsu".contains(*option)) {
            return Err(Error::RegexOption(unknown));
        }
        let translated = re2::translate(pattern)?;
        let regex = RegexBuilder::new(&translated)
            .octal(true)
            .case_insensitive(options.contains('i'))
            .multi_line(options.contains('m'))
            .dot_matches_new_line(options.contains('s'))
            .build()
            .map_err(|error| Error::RegexPattern(one_line(&error)))?;
        Ok(Pattern { regex })
    }

    /// Whether `value` is a string and the pattern is found in it.
    pub(super) fn is_in(&self, value: Value<'_>) -> bool {
        matches!(value, Value::String(text) if self.regex.is_match(text))
    }
}

/// The message of a compile error without the picture of the pattern.
fn one_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "too large".to_owned(),
        _ => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}
