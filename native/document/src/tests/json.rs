//! JSON in and out, form by form.

use bson::{Bson, DateTime, Timestamp, doc, oid::ObjectId};

use super::{bson_of, json_of};
use crate::{Error, json_to_bson};

const ID: &str = "0123456789abcdef01234567";

/// The value of `{"a": text}`, read by the independent decoder.
fn value_of(text: &str) -> Bson {
    let bytes = bson_of(&format!("{{\"a\": {text}}}"));
    crate::validate(&bytes).unwrap();
    bson::Document::from_reader(bytes.as_slice()).unwrap().remove("a").unwrap()
}

fn binary(subtype: u8, bytes: &[u8]) -> Bson {
    Bson::Binary(bson::Binary { subtype: subtype.into(), bytes: bytes.to_vec() })
}

fn regex(pattern: &str, options: &str) -> Bson {
    Bson::RegularExpression(bson::Regex {
        pattern: pattern.to_owned().try_into().unwrap(),
        options: options.to_owned().try_into().unwrap(),
    })
}

#[test]
fn number_literals_take_the_smallest_type() {
    for (text, value) in [
        ("5", Bson::Int32(5)),
        ("-0", Bson::Int32(0)),
        ("2147483647", Bson::Int32(i32::MAX)),
        ("-2147483648", Bson::Int32(i32::MIN)),
        ("2147483648", Bson::Int64(2_147_483_648)),
        ("-9223372036854775808", Bson::Int64(i64::MIN)),
        ("5.0", Bson::Double(5.0)),
        ("5e0", Bson::Double(5.0)),
        ("-1.5E-3", Bson::Double(-0.0015)),
        ("-Infinity", Bson::Double(f64::NEG_INFINITY)),
    ] {
        assert_eq!(value_of(text), value, "{text}");
    }
    for text in ["9223372036854775808", "01", "1.", ".5", "+1", "1e", "-", "1e999", "0x10"] {
        assert!(json_to_bson(format!("{{\"a\":{text}}}").as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn object_forms_become_their_types() {
    let id = ObjectId::parse_str(ID).unwrap();
    for (text, value) in [
        (r#"{"$numberInt": "-5"}"#, Bson::Int32(-5)),
        (r#"{"$numberLong": "5"}"#, Bson::Int64(5)),
        (r#"{"$numberDouble": "5"}"#, Bson::Double(5.0)),
        (r#"{"$numberDouble": "Infinity"}"#, Bson::Double(f64::INFINITY)),
        (r#"{"$numberDecimal": "1.50"}"#, Bson::Decimal128("1.50".parse().unwrap())),
        (r#"{"$oid": "0123456789ABCDEF01234567"}"#, Bson::ObjectId(id)),
        (r#"{"$date": "1970-01-01T00:00:01Z"}"#, Bson::DateTime(DateTime::from_millis(1000))),
        (r#"{"$date": 1000}"#, Bson::DateTime(DateTime::from_millis(1000))),
        (r#"{"$date": {"$numberLong": "-1"}}"#, Bson::DateTime(DateTime::from_millis(-1))),
        (
            r#"{"$timestamp": {"t": 4294967295, "i": 1}}"#,
            Bson::Timestamp(Timestamp { time: u32::MAX, increment: 1 }),
        ),
        (r#"{"$binary": {"base64": "Zm8=", "subType": "80"}}"#, binary(0x80, b"fo")),
        (r#"{"$binary": {"base64": "Zm8=", "subType": "02"}}"#, binary(2, b"fo")),
        (r#"{"$binary": "Zm8=", "$type": "0"}"#, binary(0, b"fo")),
        (
            r#"{"$uuid": "00112233-4455-6677-8899-aabbccddeeff"}"#,
            binary(4, b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
        ),
        (r#"{"$regularExpression": {"pattern": "x", "options": "si"}}"#, regex("x", "is")),
        (r#"{"$regex": "x", "$options": "i"}"#, regex("x", "i")),
        (r#"{"$options": "", "$regex": "x",}"#, regex("x", "")),
        (r#"{"$code": "f()"}"#, Bson::JavaScriptCode("f()".into())),
        (
            r#"{"$code": "f()", "$scope": {"x": 1}}"#,
            Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
                code: "f()".into(),
                scope: doc! { "x": 1 },
            }),
        ),
        (r#"{"$symbol": "s"}"#, Bson::Symbol("s".into())),
        (r#"{"$undefined": true}"#, Bson::Undefined),
        (r#"{"$minKey": 1}"#, Bson::MinKey),
        (r#"{"$maxKey": 1}"#, Bson::MaxKey),
    ] {
        assert_eq!(value_of(text), value, "{text}");
    }
    for text in [
        r#"{"$oid": "xyz"}"#,
        r#"{"$oid": "0123456789abcdef01234567", "b": 1}"#,
        r#"{"$numberInt": "2147483648"}"#,
        r#"{"$numberLong": "1.5"}"#,
        r#"{"$numberDecimal": "1234567890123456789012345678901234567"}"#,
        r#"{"$date": "yesterday"}"#,
        r#"{"$date": {"$numberInt": "1"}}"#,
        r#"{"$timestamp": {"t": 1}}"#,
        r#"{"$timestamp": {"t": -1, "i": 1}}"#,
        r#"{"$binary": {"base64": "?", "subType": "00"}}"#,
        r#"{"$binary": {"base64": ""}}"#,
        r#"{"$binary": {"base64": "", "subType": "+1"}}"#,
        r#"{"$uuid": "00112233445566778899aabbccddeeff"}"#,
        r#"{"$undefined": false}"#,
        r#"{"$minKey": 2}"#,
    ] {
        assert!(json_to_bson(format!("{{\"a\":{text}}}").as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn operators_stay_documents() {
    for (text, value) in [
        (r#"{"$gt": 1}"#, doc! { "$gt": 1 }),
        (r#"{"$regex": "x"}"#, doc! { "$regex": "x" }),
        (
            r#"{"$regex": "x", "$options": "i", "$ne": 1}"#,
            doc! { "$regex": "x", "$options": "i", "$ne": 1 },
        ),
        (r#"{"$options": "i"}"#, doc! { "$options": "i" }),
        (r#"{"b": 1, "$oid": "x"}"#, doc! { "b": 1, "$oid": "x" }),
    ] {
        assert_eq!(value_of(text), Bson::Document(value), "{text}");
    }
}

#[test]
fn lenient_forms_are_read() {
    let id = ObjectId::parse_str(ID).unwrap();
    let instant = Bson::DateTime(DateTime::from_millis(1000));
    for (text, value) in [
        ("'it\"s'", Bson::String("it\"s".into())),
        ("[1, 2,]", bson::bson!([1, 2])),
        ("{b: 1, 'c': 2, $d: 3, été_1: 4,}", bson::bson!({ "b": 1, "c": 2, "$d": 3, "été_1": 4 })),
        ("ObjectId('0123456789abcdef01234567')", Bson::ObjectId(id)),
        ("ISODate(\"1970-01-01T00:00:01Z\")", instant.clone()),
        ("new Date(1000)", instant),
        ("NumberLong(5)", Bson::Int64(5)),
        ("NumberLong( \"5\" )", Bson::Int64(5)),
        ("NumberInt(5)", Bson::Int32(5)),
        ("NumberDecimal('1.5')", Bson::Decimal128("1.5".parse().unwrap())),
        ("Timestamp(1, 2)", Bson::Timestamp(Timestamp { time: 1, increment: 2 })),
        ("BinData(0, 'Zm8=')", binary(0, b"fo")),
        ("HexData(5, '0aFF')", binary(5, b"\x0a\xff")),
        ("RegExp('x', 'i')", regex("x", "i")),
        (r"/a\/[b]/im", regex(r"a\/[b]", "im")),
        ("NaN", Bson::Double(f64::NAN)),
        ("undefined", Bson::Undefined),
        ("MinKey", Bson::MinKey),
        ("MaxKey()", Bson::MaxKey),
    ] {
        // Debug text, because NaN differs from itself.
        assert_eq!(format!("{:?}", value_of(text)), format!("{value:?}"), "{text}");
    }
}

#[test]
fn text_after_the_closing_brace_is_ignored() {
    assert_eq!(bson_of("{} }{\u{0}"), bson_of(" {\n}"));
    assert_eq!(json_to_bson(b"{\"a\": 1} \xff\xfe").unwrap(), bson_of("{\"a\": 1}"));
}

#[test]
fn of_equal_keys_the_last_value_wins() {
    assert_eq!(
        json_of(&bson_of("{a: 1, b: {c: 1, c: 2}, a: 'x'}")),
        r#"{"a": "x", "b": {"c": 2}}"#
    );
    let many: String = (0..100).map(|n| format!("k{}: {n},", n % 40)).collect();
    let merged: Vec<_> =
        (0..40).map(|n| format!("\"k{n}\": {}", if n < 20 { n + 80 } else { n + 40 })).collect();
    assert_eq!(json_of(&bson_of(&format!("{{{many}}}"))), format!("{{{}}}", merged.join(", ")));
}

#[test]
fn strings_are_unescaped() {
    assert_eq!(
        value_of(r#""\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00""#),
        Bson::String("\"\\/\u{8}\u{c}\n\r\tAé😀".into())
    );
    for text in [r#""\x41""#, r#""\u12""#, r#""\ud83d""#, r#""\ud83dA""#, r#""abc"#, "\"\\"] {
        assert!(json_to_bson(format!("{{\"a\":{text}}}").as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn errors_say_what_and_where() {
    for (text, message) in [
        ("", "invalid JSON at position 0: unexpected end of text"),
        ("[1]", "invalid JSON at position 0: expected { but found ["),
        ("{\"a\" 1}", "invalid JSON at position 5: expected : but found 1"),
        ("{\"a\": 1 \"b\": 2}", "invalid JSON at position 8: expected , or } but found \\\""),
        ("{\"a\": [1 2]}", "invalid JSON at position 9: expected , or ] but found 2"),
        ("{\"a\": 1", "invalid JSON at position 7: unexpected end of text"),
        ("{\"a\": foo}", "invalid JSON at position 6: unknown word"),
        ("{\"a\": }", "invalid JSON at position 6: expected a value but found }"),
        ("{,}", "invalid JSON at position 1: expected a key but found ,"),
        ("{\"a\\u0000\": 1}", "invalid JSON at position 10: a key may not contain U+0000"),
        (
            "{\"a\": 99999999999999999999}",
            "invalid JSON at position 6: integer does not fit 64 bits",
        ),
        (
            "{\"$oid\": \"0123456789abcdef01234567\"}",
            "invalid JSON at position 1: expected a document but found a single value",
        ),
    ] {
        assert_eq!(json_to_bson(text.as_bytes()).unwrap_err().to_string(), message, "{text}");
    }
    let damaged = json_to_bson(b"{\"a\": \"\xff\"}").unwrap_err();
    assert_eq!(damaged, Error::Json { position: 7, message: "text is not UTF-8".into() });
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("{a:", "}"), ("[", "]")] {
        let nested = |levels: usize| {
            format!("{{a:{}1{}}}", open.repeat(levels - 1), close.repeat(levels - 1))
        };
        let deepest = bson_of(&nested(crate::MAX_DEPTH));
        crate::validate(&deepest).unwrap();
        assert_eq!(bson_of(&json_of(&deepest)), deepest);
        assert_eq!(json_to_bson(nested(crate::MAX_DEPTH + 1).as_bytes()), Err(Error::TooDeep));
        assert!(json_to_bson(open.repeat(1 << 20).as_bytes()).is_err());
    }
}

#[test]
fn a_document_over_16_mib_is_refused() {
    let text = format!("{{\"a\": \"{}\"}}", "x".repeat(crate::MAX_DOCUMENT_BYTES - 13));
    assert_eq!(bson_of(&text).len(), crate::MAX_DOCUMENT_BYTES);
    assert_eq!(json_to_bson(text.replacen('x', "xy", 1).as_bytes()), Err(Error::TooLarge));
}

#[test]
fn a_top_level_id_of_24_hex_digits_becomes_an_object_id() {
    let text = format!("{{\"b\": \"{ID}\", \"_id\": \"{ID}\", \"c\": {{\"_id\": \"{ID}\"}}}}");
    let doc = bson::Document::from_reader(bson_of(&text).as_slice()).unwrap();
    assert_eq!(doc.get("_id"), Some(&Bson::ObjectId(ObjectId::parse_str(ID).unwrap())));
    assert_eq!(doc.get_str("b").unwrap(), ID);
    assert_eq!(doc.get_document("c").unwrap().get_str("_id").unwrap(), ID);
    // Printed bare, and so it comes back.
    assert_eq!(json_of(&bson_of(&text)), text);
    let other = bson_of("{\"_id\": \"0123456789abcdef0123456x\"}");
    assert_eq!(json_of(&other), "{\"_id\": \"0123456789abcdef0123456x\"}");
}

#[test]
fn prints_every_type_in_its_relaxed_form() {
    for text in [
        r#"{}"#,
        r#"{"a": [], "b": {}, "c": [1, {"d": null}]}"#,
        r#"{"a": true, "b": false, "c": -9223372036854775808, "d": 20.0, "e": 1e300}"#,
        r#"{"a": 0.1, "b": -0.0, "c": 5e-324, "d": 1.7976931348623157e308, "e": 100000.5}"#,
        r#"{"a": {"$numberDouble": "NaN"}, "b": {"$numberDouble": "-Infinity"}}"#,
        r#"{"a": {"$numberDecimal": "1.50"}, "b": {"$numberDecimal": "-Infinity"}}"#,
        r#"{"_id": 5, "a": {"_id": {"$oid": "0123456789abcdef01234567"}}}"#,
        r#"{"a": {"$date": "2026-06-01T10:00:00.12Z"}, "b": {"$date": "1970-01-01T00:00:00Z"}}"#,
        r#"{"a": {"$date": {"$numberLong": "-1"}}}"#,
        r#"{"a": {"$date": {"$numberLong": "253402300800000"}}}"#,
        r#"{"a": {"$timestamp": {"t": 1, "i": 4294967295}}}"#,
        r#"{"a": {"$binary": {"base64": "Zm8=", "subType": "02"}}}"#,
        r#"{"a": {"$regularExpression": {"pattern": "a\"b", "options": "i"}}}"#,
        r#"{"a": {"$code": "f()"}, "b": {"$code": "f()", "$scope": {"_id": 1}}}"#,
        r#"{"a": {"$symbol": "s"}, "b": {"$undefined": true}}"#,
        r#"{"a": {"$dbPointer": {"$ref": "n", "$id": {"$oid": "0123456789abcdef01234567"}}}}"#,
        r#"{"a": {"$minKey": 1}, "b": {"$maxKey": 1}}"#,
        r#"{"a\n\"": "\\ \u0001\b\f\r\t é 😀 /"}"#,
    ] {
        let bytes = bson_of(text);
        crate::validate(&bytes).unwrap();
        assert_eq!(json_of(&bytes), text);
    }
}

#[test]
fn output_is_left_alone_on_an_error() {
    let mut out = b"before".to_vec();
    let mut doc = bson_of("{\"a\": 1, \"b\": \"x\"}");
    let at = doc.len() - 3;
    doc[at] = 0xff;
    assert!(crate::bson_to_json(&doc, &mut out).is_err());
    assert_eq!(out, b"before");
}
