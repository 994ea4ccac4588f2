//! Random documents. Few names and few values, so that paths hit and values meet.

use bson::{Binary, Bson, DateTime, Document, Timestamp, oid::ObjectId};
use proptest::prelude::*;

pub(super) fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "0", "1", "_id", "é\""]).prop_map(str::to_owned)
}

/// Numbers of all types around a few points where conversions go wrong.
fn number() -> impl Strategy<Value = Bson> {
    let doubles = [
        0.0,
        -0.0,
        1.0,
        1.5,
        0.1,
        -1e300,
        5e-324,
        9_007_199_254_740_992.0,
        9.3e18,
        1_152_921_504_606_846_976.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let longs = [
        0,
        1,
        -1,
        i64::MAX,
        i64::MIN,
        9_007_199_254_740_993,
        1_152_921_504_606_846_976,
        1_152_921_504_606_847_000,
        1 << 31,
    ];
    let decimals = [
        "0",
        "-0E+3",
        "1.00",
        "0.1",
        "1.5",
        "-1E+300",
        "1E+6000",
        "NaN",
        "Infinity",
        "-Infinity",
        "9007199254740993",
        "1152921504606847000",
        "5E-324",
    ];
    prop_oneof![
        (-2..3_i32).prop_map(Bson::Int32),
        prop::sample::select(longs.to_vec()).prop_map(Bson::Int64),
        prop::sample::select(doubles.to_vec()).prop_map(Bson::Double),
        prop::sample::select(decimals.to_vec())
            .prop_map(|text| Bson::Decimal128(text.parse().unwrap())),
        any::<i64>().prop_map(Bson::Int64),
        any::<f64>().prop_map(Bson::Double),
    ]
}

/// Values that a filter can compare, nothing nested.
pub(super) fn comparable() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => number(),
        2 => "[ab]{0,2}|é\n|\\PC{0,8}".prop_map(Bson::String),
        1 => Just(Bson::Null),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => prop_oneof![-2..3_i64, any::<i64>()]
            .prop_map(|ms| Bson::DateTime(DateTime::from_millis(ms))),
        1 => (0..3_u32, 0..2_u32)
            .prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        1 => (prop::sample::select(vec![0_u8, 2, 4, 128]), prop::collection::vec(0..2_u8, 0..4))
            .prop_map(|(subtype, bytes)| Bson::Binary(Binary { subtype: subtype.into(), bytes })),
        1 => (0..2_u8).prop_map(|byte| Bson::ObjectId(ObjectId::from_bytes([byte; 12]))),
    ]
}

fn uncommon() -> impl Strategy<Value = Bson> {
    prop_oneof![
        Just(Bson::Undefined),
        Just(Bson::MinKey),
        Just(Bson::MaxKey),
        Just(Bson::Symbol("a".into())),
        Just(Bson::JavaScriptCode("a".into())),
        Just(Bson::RegularExpression(bson::Regex {
            pattern: "a/\"".to_owned().try_into().unwrap(),
            options: "im".to_owned().try_into().unwrap(),
        })),
        Just(Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
            code: "a".into(),
            scope: bson::doc! { "a": 1 },
        })),
    ]
}

/// Any value, nested up to four levels.
pub(super) fn value() -> impl Strategy<Value = Bson> {
    prop_oneof![12 => comparable(), 1 => uncommon()].prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::vec((name(), inner), 0..4)
                .prop_map(|fields| Bson::Document(from_fields(fields))),
        ]
    })
}

/// Any document.
pub(super) fn document() -> impl Strategy<Value = Document> {
    prop::collection::vec((name(), value()), 0..5).prop_map(from_fields)
}

pub(super) fn from_fields(fields: Vec<(String, Bson)>) -> Document {
    fields.into_iter().collect()
}
