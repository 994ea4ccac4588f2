//! The nine values that describe a collation.

use crate::Error;
use crate::raw::{self, Value, kind};
use crate::write::Writer;

/// Which case comes first where only case differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaseFirst {
    Off,
    Upper,
    Lower,
}

/// What becomes of spaces and punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alternate {
    NonIgnorable,
    /// They count on level 4 only.
    Shifted,
}

/// What is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaxVariable {
    /// Spaces and punctuation.
    Punct,
    /// Spaces.
    Space,
}

/// A collation as a client describes it. Two are the same collation if all nine values are equal,
/// the locale as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollationSpec {
    locale: String,
    /// 1 base letters, 2 and accents, 3 and case, 4 and what is shifted, 5 and code points.
    pub(super) strength: u8,
    pub(super) case_level: bool,
    pub(super) case_first: CaseFirst,
    pub(super) numeric_ordering: bool,
    pub(super) alternate: Alternate,
    /// Accents decide from the end of the word.
    pub(super) backwards: bool,
    /// Kept and shown, without effect: texts always compare as if normalised.
    normalization: bool,
    pub(super) max_variable: MaxVariable,
}

const CASE_FIRST: [(&str, CaseFirst); 3] =
    [("upper", CaseFirst::Upper), ("lower", CaseFirst::Lower), ("off", CaseFirst::Off)];

const ALTERNATE: [(&str, Alternate); 2] =
    [("non-ignorable", Alternate::NonIgnorable), ("shifted", Alternate::Shifted)];

const MAX_VARIABLE: [(&str, MaxVariable); 2] =
    [("punct", MaxVariable::Punct), ("space", MaxVariable::Space)];

impl CollationSpec {
    /// Reads the BSON document of a spec. A key that stands twice has its last value.
    ///
    /// # Errors
    /// [`Error::CollationField`], [`Error::CollationSpec`], [`Error::CollationLocaleMissing`],
    /// [`Error::CollationLocale`], [`Error::CollationStrength`] and [`Error::CollationChoice`] say
    /// what is wrong with the spec; [`Error::Bson`] if `doc` is damaged.
    pub fn parse(doc: &[u8]) -> Result<CollationSpec, Error> {
        let mut spec = CollationSpec {
            locale: String::new(),
            strength: 3,
            case_level: false,
            case_first: CaseFirst::Off,
            numeric_ordering: false,
            alternate: Alternate::NonIgnorable,
            backwards: false,
            normalization: false,
            max_variable: MaxVariable::Punct,
        };
        let mut elements = raw::elements(doc)?;
        while let Some(element) = elements.next()? {
            spec.set(element.name, element.value()?)?;
        }
        if spec.locale.trim().is_empty() {
            return Err(Error::CollationLocaleMissing);
        }
        super::locale::find(&spec.locale)?;
        Ok(spec)
    }

    /// The locale as the client wrote it.
    pub fn locale(&self) -> &str {
        &self.locale
    }

    /// All nine values as a BSON document, always in the same order: equal specs have equal bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the locale is longer than a document may be.
    pub fn to_bson(&self) -> Result<Vec<u8>, Error> {
        let mut writer = Writer::default();
        let start = writer.begin();
        text(&mut writer, "locale", &self.locale)?;
        writer.element(kind::INT32, b"strength", &i32::from(self.strength).to_le_bytes());
        writer.element(kind::BOOLEAN, b"case_level", &[u8::from(self.case_level)]);
        text(&mut writer, "case_first", name_of(&CASE_FIRST, self.case_first))?;
        writer.element(kind::BOOLEAN, b"numeric_ordering", &[u8::from(self.numeric_ordering)]);
        text(&mut writer, "alternate", name_of(&ALTERNATE, self.alternate))?;
        writer.element(kind::BOOLEAN, b"backwards", &[u8::from(self.backwards)]);
        writer.element(kind::BOOLEAN, b"normalization", &[u8::from(self.normalization)]);
        text(&mut writer, "max_variable", name_of(&MAX_VARIABLE, self.max_variable))?;
        writer.end(start)?;
        Ok(writer.out)
    }

    fn set(&mut self, key: &[u8], value: Value<'_>) -> Result<(), Error> {
        match key {
            b"locale" => self.locale = string(value)?.to_owned(),
            b"strength" => self.strength = strength(value)?,
            b"case_level" => self.case_level = boolean(value)?,
            b"case_first" => self.case_first = choice("case_first", &CASE_FIRST, value)?,
            b"numeric_ordering" => self.numeric_ordering = boolean(value)?,
            b"alternate" => self.alternate = choice("alternate", &ALTERNATE, value)?,
            b"backwards" => self.backwards = boolean(value)?,
            b"normalization" => self.normalization = boolean(value)?,
            b"max_variable" => self.max_variable = choice("max_variable", &MAX_VARIABLE, value)?,
            _ => return Err(Error::CollationField(String::from_utf8_lossy(key).into_owned())),
        }
        Ok(())
    }
}

fn text(writer: &mut Writer, name: &str, text: &str) -> Result<(), Error> {
    writer.element(kind::STRING, name.as_bytes(), &[]);
    writer.text(text.as_bytes())
}

fn string(value: Value<'_>) -> Result<&str, Error> {
    match value {
        Value::String(text) => std::str::from_utf8(text).map_err(|_| Error::CollationSpec),
        _ => Err(Error::CollationSpec),
    }
}

fn boolean(value: Value<'_>) -> Result<bool, Error> {
    match value {
        Value::Boolean(flag) => Ok(flag),
        _ => Err(Error::CollationSpec),
    }
}

fn strength(value: Value<'_>) -> Result<u8, Error> {
    let number = match value {
        Value::Int32(number) => i64::from(number),
        Value::Int64(number) => number,
        _ => return Err(Error::CollationSpec),
    };
    match u8::try_from(number) {
        Ok(strength @ 1..=5) => Ok(strength),
        _ => Err(Error::CollationStrength(number)),
    }
}

fn choice<T: Copy>(
    key: &'static str,
    choices: &'static [(&'static str, T)],
    value: Value<'_>,
) -> Result<T, Error> {
    let text = string(value)?;
    match choices.iter().find(|(name, _)| *name == text) {
        Some((_, choice)) => Ok(*choice),
        None => Err(Error::CollationChoice {
            key,
            choices: choices.iter().map(|(name, _)| *name).collect(),
            got: text.to_owned(),
        }),
    }
}

fn name_of<T: PartialEq>(choices: &[(&'static str, T)], choice: T) -> &'static str {
    choices.iter().find(|(_, other)| *other == choice).map_or("", |(name, _)| name)
}
