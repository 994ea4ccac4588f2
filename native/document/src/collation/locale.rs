//! Locales that collations may name.

use icu_locale_core::Locale;

use crate::Error;

/// Languages for which ICU has a collation, if only to say that the root order is theirs; sorted.
const LANGUAGES: [&str; 117] = [
    "af", "am", "ar", "as", "az", "be", "bg", "blo", "bn", "bo", "br", "bs", "ca", "ceb", "chr",
    "cs", "cy", "da", "de", "dsb", "dz", "ee", "el", "en", "eo", "es", "et", "fa", "ff", "fi",
    "fil", "fo", "fr", "fy", "ga", "gl", "gu", "ha", "haw", "he", "hi", "hr", "hsb", "hu", "hy",
    "id", "ig", "is", "it", "ja", "ka", "kk", "kl", "km", "kn", "ko", "kok", "ku", "ky", "lb",
    "lij", "lkt", "ln", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "mt", "my", "nb", "ne",
    "nl", "nn", "no", "nso", "om", "or", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "se", "si",
    "sk", "sl", "smn", "sq", "sr", "st", "sv", "sw", "ta", "te", "th", "tk", "tn", "to", "tr",
    "ug", "uk", "ur", "uz", "vi", "wae", "wo", "xh", "yi", "yo", "zh", "zu",
];

/// Reads a locale such as `en`, `fr-CA`, `zh_Hant` or `de-u-co-phonebk`.
pub(super) fn find(name: &str) -> Result<Locale, Error> {
    let unknown = || Error::CollationLocale(name.to_owned());
    let locale = Locale::try_from_str(&name.replace('_', "-")).map_err(|_| unknown())?;
    match LANGUAGES.binary_search(&locale.id.language.as_str()) {
        Ok(_) => Ok(locale),
        Err(_) => Err(unknown()),
    }
}
