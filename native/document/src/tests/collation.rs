//! Collations: specs, the order of texts, filters.

use std::cmp::Ordering;
use std::sync::Arc;

use bson::{Bson, Document};
use proptest::prelude::*;

use super::model::{Query, filter};
use super::strategy::document;
use super::{bson_of, for_all, json_of};
use crate::{CollationSpec, Collator, Error, Filter};

/// The collator of a spec that must be good, in lenient JSON.
pub(super) fn collator(spec: &str) -> Arc<Collator> {
    let spec = CollationSpec::parse(&bson_of(spec)).unwrap();
    Arc::new(Collator::new(&spec).unwrap())
}

fn refused(spec: &str) -> String {
    match CollationSpec::parse(&bson_of(spec)) {
        Err(error) => error.to_string(),
        Ok(spec) => Collator::new(&spec).unwrap_err().to_string(),
    }
}

#[test]
fn specs_say_what_is_wrong_with_them() {
    let invalid = "Invalid collation specification";
    for (spec, error) in [
        ("{locale:'en',color:1}", "Unknown collation field: color"),
        ("{locale:'en','a\\nb':1}", "Unknown collation field: a\\nb"),
        ("{strength:1}", "Collation 'locale' is required"),
        ("{locale:' '}", "Collation 'locale' is required"),
        ("{locale:'xx'}", "Invalid collation locale: xx"),
        ("{locale:'not a locale'}", "Invalid collation locale: not a locale"),
        ("{locale:'en',strength:0}", "Collation 'strength' must be between 1 and 5, got: 0"),
        ("{locale:'en',strength:6}", "Collation 'strength' must be between 1 and 5, got: 6"),
        (
            "{locale:'en',strength:-9000000000}",
            "Collation 'strength' must be between 1 and 5, got: -9000000000",
        ),
        (
            "{locale:'en',case_first:'Upper'}",
            "Collation 'case_first' must be one of 'upper', 'lower', 'off', got: Upper",
        ),
        (
            "{locale:'en',alternate:'x'}",
            "Collation 'alternate' must be one of 'non-ignorable', 'shifted', got: x",
        ),
        (
            "{locale:'en',max_variable:'symbol'}",
            "Collation 'max_variable' must be one of 'punct', 'space', got: symbol",
        ),
        ("{locale:1}", invalid),
        ("{locale:'en',strength:'1'}", invalid),
        ("{locale:'en',strength:1.0}", invalid),
        ("{locale:'en',case_level:1}", invalid),
        ("{locale:'en',case_first:null}", invalid),
        ("{locale:'en',numeric_ordering:'true'}", invalid),
        ("{locale:'en',normalization:0}", invalid),
        ("{locale:'en',backwards:1}", invalid),
    ] {
        assert_eq!(refused(spec), error, "{spec}");
    }
}

#[test]
fn specs_are_equal_if_all_nine_values_are() {
    let parse = |spec: &str| CollationSpec::parse(&bson_of(spec)).unwrap();
    let default = parse("{locale:'fr-CA'}");
    let shown = "{\"locale\": \"fr-CA\", \"strength\": 3, \"case_level\": false, \
                 \"case_first\": \"off\", \"numeric_ordering\": false, \
                 \"alternate\": \"non-ignorable\", \"backwards\": false, \
                 \"normalization\": false, \"max_variable\": \"punct\"}";
    assert_eq!(json_of(&default.to_bson().unwrap()), shown);
    assert_eq!(default, parse(shown));
    assert_eq!(default, parse("{max_variable:'punct',strength:3,locale:'fr-CA'}"));
    for other in [
        "locale:'fr_CA'",
        "strength:4",
        "case_level:true",
        "case_first:'lower'",
        "numeric_ordering:true",
        "alternate:'shifted'",
        "backwards:true",
        "normalization:true",
        "max_variable:'space'",
    ] {
        let other = parse(&format!("{{locale:'fr-CA',{other}}}"));
        assert_ne!(default, other);
        assert_ne!(default.to_bson(), other.to_bson());
        assert_eq!(parse(&json_of(&other.to_bson().unwrap())), other);
    }
}

#[test]
fn every_language_has_a_collator() {
    for locale in ["en-GB", "en_US", "zh-TW", "zh_Hant", "sr-Latn", "de-AT", "no", "fil", "yi"] {
        assert!(collator(&format!("{{locale:'{locale}'}}")).compare(b"a", b"b").is_lt());
    }
}

/// Orders of ICU 78 (CLDR 48), as the `Intl.Collator` of a browser shows them.
#[rustfmt::skip]
const ORDERS: [(&str, &str); 20] = [
    (
        "{locale:'en'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < \
         cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'en',strength:1}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple=Apple < č < chico < cielo < cote=coté=côte=côté=Cote < cz < d < \
         é=e\u{301} < i=I=İ < ı < ll < lm < ñandú < nube < ocho < öl=ol=Öl < ß=ss=SS < \
         x < z\u{30c}=ž < Zebra=zebra < Ω=ω < ёж=еж < Москва=москва < あ=ア < アー < 日本",
    ),
    (
        "{locale:'en',strength:2}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple=Apple < č < chico < cielo < cote=Cote < coté < côte < côté < cz < \
         d < é=e\u{301} < i=I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl=Öl < \
         ss=SS < ß < x < z\u{30c}=ž < Zebra=zebra < Ω=ω < еж < ёж < Москва=москва < あ=ア < \
         アー < 日本",
    ),
    (
        "{locale:'en',strength:1,case_level:true}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote=coté=côte=côté < Cote < cz < \
         d < é=e\u{301} < i < I=İ < ı < ll < lm < ñandú < nube < ocho < öl=ol < Öl < \
         ß=ss < SS < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < ёж=еж < москва < Москва < \
         あ=ア < アー < 日本",
    ),
    (
        "{locale:'en',numeric_ordering:true}",
        "_x < 😀 < $1 < 1 < 2 < 10 < a b < a-b < a.b < a1 < a2 < a10 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < \
         cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'en',case_first:'upper'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < Apple < apple < č < chico < cielo < Cote < cote < coté < côte < côté < \
         cz < d < é=e\u{301} < I < i < İ < ı < ll < lm < ñandú < nube < ocho < ol < Öl < \
         öl < SS < ss < ß < x < z\u{30c}=ž < Zebra < zebra < Ω < ω < еж < ёж < Москва < \
         москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'en',alternate:'shifted'}",
        "😀 < $1 < 1 < 10 < 2 < a1 < a10 < a2 < a-b=ab=a b=a.b < ångström < äpfel < \
         apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < cz < d < \
         é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < Öl < ss < \
         SS < ß < _x=x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < Москва < \
         あ < ア < アー < 日本",
    ),
    (
        "{locale:'tr'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < \
         cz < d < é=e\u{301} < ı < I < i < İ < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'tr',strength:1}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple=Apple < č < chico < cielo < cote=coté=côte=côté=Cote < cz < d < \
         é=e\u{301} < ı=I < i=İ < ll < lm < ñandú < nube < ocho < ol < öl=Öl < ß=ss=SS < \
         x < z\u{30c}=ž < Zebra=zebra < Ω=ω < ёж=еж < Москва=москва < あ=ア < アー < 日本",
    ),
    (
        "{locale:'fr-CA',backwards:true}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < côte < coté < côté < \
         cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'fr'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < \
         cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'fr-CA'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < \
         cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'de-u-co-phonebk'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < äpfel < \
         ångström < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < \
         côté < cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < \
         öl < Öl < ol < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < \
         москва < Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'es'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < \
         cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < nube < ñandú < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'es-u-co-trad'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < cielo < cote < Cote < coté < côte < côté < cz < \
         chico < d < é=e\u{301} < i < I < İ < ı < lm < ll < nube < ñandú < ocho < ol < \
         öl < Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < ω < Ω < еж < ёж < \
         москва < Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'sv'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < apple < \
         Apple < č < chico < cielo < cote < Cote < coté < cz < côte < côté < d < \
         é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < ss < SS < ß < \
         x < z\u{30c}=ž < zebra < Zebra < ångström < äpfel < öl < Öl < ω < Ω < еж < ёж < \
         москва < Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'cs'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < cielo < cote < Cote < coté < côte < côté < cz < č < d < \
         é=e\u{301} < chico < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < zebra < Zebra < z\u{30c}=ž < ω < Ω < еж < ёж < москва < \
         Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'da'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < apple < \
         Apple < č < chico < cielo < cote < Cote < coté < côte < côté < cz < d < \
         é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < ss < SS < ß < \
         x < z\u{30c}=ž < zebra < Zebra < äpfel < öl < Öl < ångström < ω < Ω < еж < ёж < \
         москва < Москва < あ < ア < アー < 日本",
    ),
    (
        "{locale:'ja'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < a b < a-b < a.b < a1 < a10 < a2 < ab < ångström < \
         äpfel < apple < Apple < č < chico < cielo < cote < Cote < coté < côte < côté < \
         cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < ñandú < nube < ocho < ol < öl < \
         Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < Zebra < あ=ア < アー < 日本 < ω < Ω < еж < \
         ёж < москва < Москва",
    ),
    (
        "{locale:'ru'}",
        "_x < 😀 < $1 < 1 < 10 < 2 < еж < ёж < москва < Москва < a b < a-b < a.b < a1 < \
         a10 < a2 < ab < ångström < äpfel < apple < Apple < č < chico < cielo < cote < \
         Cote < coté < côte < côté < cz < d < é=e\u{301} < i < I < İ < ı < ll < lm < \
         ñandú < nube < ocho < ol < öl < Öl < ss < SS < ß < x < z\u{30c}=ž < zebra < \
         Zebra < ω < Ω < あ < ア < アー < 日本",
    ),
];

/// Asserts the order of all pairs of a chain such as `a=b < c`, of texts and of sort keys.
fn check_chain(collator: &Collator, chain: &str) {
    let texts: Vec<(usize, &str)> = chain
        .split(" < ")
        .enumerate()
        .flat_map(|(place, texts)| texts.split('=').map(move |text| (place, text)))
        .collect();
    for (left_place, left) in &texts {
        for (right_place, right) in &texts {
            let expected = left_place.cmp(right_place);
            let found = orders(collator, left, right);
            assert_eq!(found, (expected, expected), "{left} {right} {:?}", collator.spec());
        }
    }
}

/// The order by comparison and by sort keys.
fn orders(collator: &Collator, left: &str, right: &str) -> (Ordering, Ordering) {
    let (mut left_key, mut right_key) = (Vec::new(), Vec::new());
    collator.sort_key(left.as_bytes(), &mut left_key);
    collator.sort_key(right.as_bytes(), &mut right_key);
    (collator.compare(left.as_bytes(), right.as_bytes()), left_key.cmp(&right_key))
}

#[test]
fn texts_are_in_the_order_of_icu() {
    for (spec, chain) in ORDERS {
        check_chain(&collator(spec), chain);
    }
}

#[test]
fn the_options_do_what_they_say() {
    for (spec, chain) in [
        ("{locale:'en',strength:2}", "cafe=Cafe=CAFE < café=Café"),
        ("{locale:'en',strength:1}", "cafe=Cafe=café=CAFÉ"),
        ("{locale:'tr',strength:1}", "Istanbul=ISTANBUL < istanbul=İstanbul=İSTANBUL"),
        ("{locale:'en',strength:4,alternate:'shifted'}", "a b < a-b < ab < aB"),
        ("{locale:'en',strength:3,alternate:'shifted',max_variable:'space'}", "a-b < a b=ab"),
        ("{locale:'en',strength:4}", "a\u{1}b=ab=a\u{ad}b"),
        ("{locale:'en',strength:5}", "a\u{1}b < ab < a\u{ad}b"),
        ("{locale:'ja',strength:4}", "あ < ア=ｱ"),
        ("{locale:'ja',strength:5}", "あ < ア < ｱ"),
        ("{locale:'en',strength:1,case_level:true,case_first:'upper'}", "A < a=á"),
        ("{locale:'fr-CA'}", "cote < coté < côte < côté"),
        ("{locale:'fr-CA',backwards:true}", "cote < côte < coté < côté"),
        ("{locale:'en',backwards:true}", "cote < Cote < côte < CÔTE < coté < côté"),
        ("{locale:'en',strength:2,backwards:true}", "cote=Cote < côte=CÔTE < coté < côté"),
        ("{locale:'en',strength:1,backwards:true}", "cote=côte=coté=côté"),
        ("{locale:'es',backwards:true}", "na < ná < nà < nan < nàn < nañ < ña < ñá < ñà"),
        ("{locale:'sv',backwards:true}", "cote < Cote < coté < côte < CÔTE < côté"),
        ("{locale:'en',numeric_ordering:true}", "a-3 < a1.5 < a1.25 < a02=a2 < a10 < a100"),
    ] {
        check_chain(&collator(spec), chain);
    }
}

#[test]
fn damaged_text_counts_as_replacement_characters() {
    let collator = collator("{locale:'en',strength:5}");
    assert_eq!(collator.compare(b"a\xffb", "a\u{fffd}b".as_bytes()), Ordering::Equal);
    let (mut damaged, mut replaced) = (Vec::new(), Vec::new());
    collator.sort_key(b"a\xffb", &mut damaged);
    collator.sort_key("a\u{fffd}b".as_bytes(), &mut replaced);
    assert_eq!(damaged, replaced);
}

/// Stored keys are void once these change: set a new version then, so that indexes are rebuilt.
#[test]
fn the_version_stands_for_the_bytes_of_the_keys() {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));
    for package in ["icu_collator", "icu_collator_data", "icu_normalizer", "icu_normalizer_data"] {
        let entry = format!("name = \"{package}\"\nversion = \"2.4.0\"\n");
        assert!(lock.contains(&entry), "{package} has changed");
    }
    assert_eq!(Collator::VERSION, "icu4x-2.4.0/cldr-49.0.0");
    let mut key = Vec::new();
    collator("{locale:'en',strength:5}").sort_key("Zoë 7!".as_bytes(), &mut key);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "5d47330420075a0143960701dc0a01018ba096d4c12dc76852");
}

/// Any spec that is good.
pub(super) fn spec() -> impl Strategy<Value = String> {
    let locale = prop::sample::select(vec![
        "en",
        "tr",
        "fr",
        "fr-CA",
        "es",
        "da",
        "cs",
        "hu",
        "ja",
        "zh",
        "ko",
        "th",
        "lt",
        "vi",
        "ar",
        "de-u-co-phonebk",
    ]);
    let case_first = prop::sample::select(vec!["off", "upper", "lower"]);
    let shifted = prop::sample::select(vec![
        "non-ignorable',max_variable:'punct",
        "shifted',max_variable:'punct",
        "shifted',max_variable:'space",
    ]);
    let flags = any::<[bool; 3]>();
    (locale, 1..=5, case_first, shifted, flags).prop_map(
        |(locale, strength, case_first, shifted, [case_level, numeric, backwards])| {
            format!(
                "{{locale:'{locale}',strength:{strength},case_level:{case_level},\
                 case_first:'{case_first}',numeric_ordering:{numeric},backwards:{backwards},\
                 alternate:'{shifted}'}}"
            )
        },
    )
}

/// Texts that are equal in some respect, with characters that are ignored or combine.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[aAáÁbBåæhHcC0-3 ]{0,5}",
        3 => "[aAeéßsS \u{3000}_.,\u{301}\u{308}\u{323}\u{1}\u{ad}\u{200d}\u{0}iİıI]{0,6}",
        1 => "[あアァー日本中한각กเแำа-яА-Я\u{fffe}\u{10ffff}😀ﬀ½]{0,5}",
        1 => "\\PC{0,6}",
    ]
}

#[test]
fn comparison_and_sort_keys_agree() {
    let near = (text(), text(), text(), text()).prop_map(|(head, left, right, tail)| {
        [head.clone() + &left + &tail, head + &right + &tail]
    });
    for_all(3000, (spec(), near), |(spec, [left, right])| {
        let collator = collator(&spec);
        let (compared, keys) = orders(&collator, &left, &right);
        prop_assert_eq!(compared, keys);
        prop_assert_eq!(collator.compare(right.as_bytes(), left.as_bytes()), compared.reverse());
        Ok(())
    });
}

/// The library's own comparison says otherwise in both.
#[test]
fn comparison_agrees_where_the_library_does_not() {
    let shifted = collator("{locale:'en',strength:2,alternate:'shifted'}");
    let found = orders(&shifted, "_\u{1}\u{300}a", "_\u{1}a");
    assert_eq!(found, (Ordering::Equal, Ordering::Equal));
    let cased = collator("{locale:'en',case_level:true,case_first:'upper'}");
    let (compared, keys) = orders(&cased, "aaaaaaaaaaaaaaAa", "aaaaaAaaaaaaaaaa");
    assert_eq!(compared, keys);
}

/// Strings as the hexadecimal digits of their sort keys: their bytes are in the collation's order.
fn with_keys(value: &Bson, collator: &Collator) -> Bson {
    match value {
        Bson::String(text) => {
            let mut key = Vec::new();
            collator.sort_key(text.as_bytes(), &mut key);
            Bson::String(key.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        Bson::Array(array) => array.iter().map(|value| with_keys(value, collator)).collect(),
        Bson::Document(doc) => {
            let fields = doc.iter().map(|(name, value)| (name.clone(), with_keys(value, collator)));
            Bson::Document(fields.collect())
        }
        other => other.clone(),
    }
}

/// The program with sort keys as operands, or with the collator in every node that may have one;
/// `None` if there is a regular expression in it, which reads the text itself.
fn collated(program: &Document, collator: Option<&Collator>) -> Option<Document> {
    let mut out = Document::new();
    let kind = program.get_str("n").unwrap();
    for (name, value) in program {
        let value = match (name.as_str(), value, collator) {
            ("c", Bson::Array(nodes), _) => {
                let node = |node: &Bson| collated(node.as_document()?, collator).map(Bson::from);
                Bson::Array(nodes.iter().map(node).collect::<Option<_>>()?)
            }
            ("v", Bson::RegularExpression(_), _) => return None,
            ("v", Bson::Array(listed), _)
                if listed.iter().any(|value| matches!(value, Bson::RegularExpression(_))) =>
            {
                return None;
            }
            ("v", value, Some(collator)) => with_keys(value, collator),
            _ => value.clone(),
        };
        out.insert(name, value);
    }
    if collator.is_none() && ["cmp", "in", "nin", "all"].contains(&kind) {
        out.insert("k", 1);
    }
    Some(out)
}

#[test]
fn collated_filters_are_filters_of_sort_keys() {
    let other = collator("{locale:'en'}");
    for_all(1500, (filter(), document(), spec()), |(query, doc, spec)| {
        let query: Query = query;
        let collator = collator(&spec);
        let Some(program) = collated(&query.program(), None) else { return Ok(()) };
        let keys = collated(&query.program(), Some(&collator)).unwrap();
        let mapped = with_keys(&Bson::Document(doc.clone()), &collator);
        let mapped = mapped.as_document().unwrap().to_vec().unwrap();
        let expected = Filter::parse(&keys.to_vec().unwrap()).unwrap().matches(&mapped);
        let collators = [Arc::clone(&other), collator];
        let filter = Filter::parse_collated(&program.to_vec().unwrap(), &collators).unwrap();
        prop_assert_eq!(filter.matches(&doc.to_vec().unwrap()), expected);
        Ok(())
    });
}

#[test]
fn filters_compare_strings_by_the_collator_of_their_node() {
    let collators = [collator("{locale:'en',strength:1}"), collator("{locale:'tr',strength:1}")];
    let passes = |program: &str, value: &str| {
        let filter = Filter::parse_collated(&bson_of(program), &collators).unwrap();
        filter.matches(&bson_of(&format!("{{a: {value}}}"))).unwrap()
    };
    for (test, passing, failing) in [
        ("n:'cmp',o:'eq',v:'CAFE'", "'café'", "'cave'"),
        ("n:'cmp',o:'ne',v:'CAFE'", "'cave'", "['x','café']"),
        ("n:'cmp',o:'gt',v:'B'", "'Ç'", "'b'"),
        ("n:'cmp',o:'lte',v:'B'", "['z','b']", "['c','z']"),
        ("n:'cmp',o:'eq',v:['A','b']", "[['á','B']]", "[['a','c']]"),
        ("n:'in',v:['CAFE','x']", "['café']", "'cave'"),
        ("n:'nin',v:['CAFE','x']", "'cave'", "'café'"),
        ("n:'all',v:['A','B']", "['b','á']", "['b']"),
    ] {
        let program = format!("{{{test},p:'a',k:0}}");
        assert!(passes(&program, passing), "{test} {passing}");
        assert!(!passes(&program, failing), "{test} {failing}");
    }
    let name = |position: u8| format!("{{n:'cmp',p:'a',o:'eq',v:'I',k:{position}}}");
    assert!(passes(&name(0), "'i'") && !passes(&name(1), "'i'") && passes(&name(1), "'ı'"));
    assert!(passes("{n:'elem',p:'a',c:[{n:'cmp',o:'eq',v:'A',k:0}]}", "['á']"));
}

#[test]
fn programs_with_a_wrong_collator_are_refused() {
    let collators = [collator("{locale:'en'}")];
    for (program, message) in [
        ("{n:'cmp',p:'a',o:'eq',v:1,k:1}", "k is out of range"),
        ("{n:'cmp',p:'a',o:'eq',v:1,k:-1}", "k is out of range"),
        ("{n:'cmp',p:'a',o:'eq',v:1,k:'0'}", "unknown field of a node"),
        ("{n:'regex',p:'a',v:/a/,k:0}", "only comparisons have k"),
        ("{n:'and',c:[],k:0}", "only comparisons have k"),
    ] {
        let refused = Filter::parse_collated(&bson_of(program), &collators).unwrap_err();
        assert_eq!(refused, Error::Program(message), "{program}");
    }
}
