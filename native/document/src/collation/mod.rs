//! Collation: the order of strings in a language, by the Unicode collation algorithm with CLDR's
//! tailorings, as ICU has them. Everything that compares or indexes strings by a language goes
//! through [`Collator`].
//!
//! INVARIANT: `compare` orders two texts as their sort keys order bytewise, so an index agrees with
//! a filter. The library's own comparison breaks that in two corners, and there we compare keys:
//! - shifted punctuation: it skips the common prefix without a look at whether what follows is
//!   ignored because of it (`" \u{200d}"` against `" \u{200d}\u{301}"`)
//! - a case level with upper case first: keys, ICU's too, order long runs of one case differently

mod locale;
mod spec;

use std::cmp::Ordering;

use icu_collator::CollatorBorrowed;
use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, Strength};
use icu_collator::preferences::{CollationCaseFirst, CollationNumericOrdering};

use crate::Error;
pub use spec::CollationSpec;
use spec::{Alternate, CaseFirst, MaxVariable};

/// A prepared collation. Without state: shared between threads, compares any number of texts.
#[derive(Debug)]
pub struct Collator {
    spec: CollationSpec,
    inner: CollatorBorrowed<'static>,
    compares_keys: bool,
}

impl Collator {
    /// Names the data and the code that make sort keys. A key that another version made is void.
    pub const VERSION: &'static str = "icu4x-2.4.0/cldr-49.0.0";

    /// Prepares `spec`.
    ///
    /// # Errors
    /// [`Error::CollationLocale`] if there is no such locale; [`Error::CollationSpec`] if the spec
    /// asks for accents compared from the end and the language does not do so.
    pub fn new(spec: &CollationSpec) -> Result<Collator, Error> {
        let inner = build(spec, &locale::find(spec.locale())?)?;
        let inner = match (spec.backwards, is_backward(&inner)) {
            (true, true) | (false, false) => inner,
            (true, false) => return Err(Error::CollationSpec),
            // The region is what turns the direction: the language alone has the same order.
            (false, true) => build(spec, &locale::without_region(spec.locale())?)?,
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
            self.inner.compare_utf8(left, right)
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
        let Ok(()) = self.inner.write_sort_key_utf8_to(text, out);
    }
}

fn build(
    spec: &CollationSpec,
    locale: &icu_locale_core::Locale,
) -> Result<CollatorBorrowed<'static>, Error> {
    let mut preferences = icu_collator::CollatorPreferences::from(locale);
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
    CollatorBorrowed::try_new(preferences, options)
        .map_err(|_| Error::CollationLocale(spec.locale().to_owned()))
}

/// Whether accents decide from the end of the word.
fn is_backward(collator: &CollatorBorrowed<'static>) -> bool {
    collator.compare("cot\u{e9}", "c\u{f4}te").is_gt()
}
