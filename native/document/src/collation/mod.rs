//! Collation: the order of strings in a language, by the Unicode collation algorithm with CLDR's
//! tailorings, as ICU has them. Everything that compares or indexes strings by a language goes
//! through [`Collator`].
//!
//! INVARIANT: `compare` orders two texts as their sort keys order bytewise, so an index agrees with
//! a filter. The library's own comparison breaks that in two corners, and there we compare keys:
//! - shifted punctuation: it skips the common prefix without a look at whether what follows is
//!   ignored because of it (`" \u{200d}"` against `" \u{200d}\u{301}"`)
//! - a case level with upper case first: keys, ICU's too, order long runs of one case differently

mod direction;
mod locale;
mod spec;

use std::cmp::Ordering;

use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, Strength};
use icu_collator::preferences::{CollationCaseFirst, CollationNumericOrdering};
use icu_collator::{CollatorBorrowed, CollatorPreferences};
use icu_provider::DataError;

use crate::Error;
pub use spec::CollationSpec;
use spec::{Alternate, CaseFirst, MaxVariable};

/// A prepared collation. Without state: shared between threads, compares any number of texts.
#[derive(Debug)]
pub struct Collator {
    spec: CollationSpec,
    inner: Inner,
    compares_keys: bool,
}

#[derive(Debug)]
enum Inner {
    /// Accents decide in the direction of the locale.
    Compiled(CollatorBorrowed<'static>),
    /// They decide in the other direction.
    Redirected(Box<icu_collator::Collator>),
}

impl Collator {
    /// Names the data and the code that make sort keys. A key that another version made is void.
    pub const VERSION: &'static str = "icu4x-2.4.0/cldr-49.0.0";

    /// Prepares `spec`.
    ///
    /// # Errors
    /// [`Error::CollationLocale`] if there is no such locale.
    pub fn new(spec: &CollationSpec) -> Result<Collator, Error> {
        let preferences = preferences(spec, &locale::find(spec.locale())?);
        let options = options(spec);
        let unknown = |_| Error::CollationLocale(spec.locale().to_owned());
        let inner = if is_backward(preferences).map_err(unknown)? == spec.backwards {
            let compiled = CollatorBorrowed::try_new(preferences, options);
            Inner::Compiled(compiled.map_err(unknown)?)
        } else {
            let redirected = direction::build(spec.backwards, preferences, options);
            Inner::Redirected(Box::new(redirected.map_err(unknown)?))
        };
        let compares_keys = spec.alternate == Alternate::Shifted
            || (spec.case_level && spec.case_first == CaseFirst::Upper);
        Ok(Collator { spec: spec.clone(), inner, compares_keys })
    }

    /// What the collator was made of.
    pub fn spec(&self) -> &CollationSpec {
        &self.spec
    }

    /// The order of two UTF-8 texts. What is not UTF-8 counts as U+FFFD.
    #[inline]
    pub fn compare(&self, left: &[u8], right: &[u8]) -> Ordering {
        if left == right {
            Ordering::Equal
        } else if self.compares_keys {
            self.key_of(left).cmp(&self.key_of(right))
        } else {
            match &self.inner {
                Inner::Compiled(collator) => collator.compare_utf8(left, right),
                Inner::Redirected(collator) => collator.as_borrowed().compare_utf8(left, right),
            }
        }
    }

    /// The sort key of a text, see [`Collator::sort_key`].
    pub(crate) fn key_of(&self, text: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        self.sort_key(text, &mut key);
        key
    }

    /// Appends the sort key of a UTF-8 text to `out`. Keys compare bytewise as
    /// [`Collator::compare`] compares the texts; they hold any byte and have no end mark.
    pub fn sort_key(&self, text: &[u8], out: &mut Vec<u8>) {
        let Ok(()) = match &self.inner {
            Inner::Compiled(collator) => collator.write_sort_key_utf8_to(text, out),
            Inner::Redirected(collator) => collator.as_borrowed().write_sort_key_utf8_to(text, out),
        };
    }
}

fn preferences(spec: &CollationSpec, locale: &icu_locale_core::Locale) -> CollatorPreferences {
    let mut preferences = CollatorPreferences::from(locale);
    // Every value is set: what a spec leaves out has the default of the contract, not the locale's.
    preferences.case_first = Some(match spec.case_first {
        CaseFirst::Off => CollationCaseFirst::False,
        CaseFirst::Upper => CollationCaseFirst::Upper,
        CaseFirst::Lower => CollationCaseFirst::Lower,
    });
    preferences.numeric_ordering = Some(match spec.numeric_ordering {
        true => CollationNumericOrdering::True,
        false => CollationNumericOrdering::False,
    });
    preferences
}

fn options(spec: &CollationSpec) -> CollatorOptions {
    let mut options = CollatorOptions::default();
    options.strength = Some(match spec.strength {
        1 => Strength::Primary,
        2 => Strength::Secondary,
        3 => Strength::Tertiary,
        4 => Strength::Quaternary,
        _ => Strength::Identical,
    });
    options.alternate_handling = Some(match spec.alternate {
        Alternate::NonIgnorable => AlternateHandling::NonIgnorable,
        Alternate::Shifted => AlternateHandling::Shifted,
    });
    options.max_variable = Some(match spec.max_variable {
        MaxVariable::Punct => icu_collator::options::MaxVariable::Punctuation,
        MaxVariable::Space => icu_collator::options::MaxVariable::Space,
    });
    options.case_level = Some(if spec.case_level { CaseLevel::On } else { CaseLevel::Off });
    options
}

/// Whether the accents of a locale decide from the end of the text.
fn is_backward(preferences: CollatorPreferences) -> Result<bool, DataError> {
    let mut options = CollatorOptions::default();
    options.strength = Some(Strength::Secondary);
    let collator = CollatorBorrowed::try_new(preferences, options)?;
    Ok(collator.compare("cot\u{e9}", "c\u{f4}te").is_gt())
}
