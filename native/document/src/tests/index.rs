//! Keys of indexes, case by case.

use std::sync::Arc;

use super::bson_of;
use super::collation::collator;
use crate::{Collator, Error, Field, FieldKind, Index, KeyRange, Keys};

fn single(path: &str, kind: FieldKind, is_strict: bool) -> Index {
    Index::single("i", Field::new(path, kind, false), None, is_strict)
}

/// An index on a, b and the array c.
fn compound(is_strict: bool) -> Index {
    let fields = vec![
        Field::new("a", FieldKind::String, false),
        Field::new("b", FieldKind::Int32, false),
        Field::new("c", FieldKind::Int32, true),
    ];
    Index::compound("abc", fields, None, is_strict)
}

fn try_keys(index: &Index, doc: &str) -> Result<Keys, Error> {
    let mut keys = Keys::new();
    index.keys(&bson_of(doc), &mut keys).map(|()| keys)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The keys in hexadecimal digits, and which of the flags are set.
fn shown(index: &Index, doc: &str) -> String {
    let keys = try_keys(index, doc).unwrap_or_else(|error| panic!("{doc}: {error}"));
    let mut words: Vec<String> = keys.iter().map(hex).collect();
    assert_eq!((keys.len(), keys.is_empty()), (words.len(), words.is_empty()));
    words.extend(keys.has_array().then(|| "array".to_owned()));
    words.extend(keys.has_skipped().then(|| "skipped".to_owned()));
    words.extend(keys.is_empty_array().then(|| "empty".to_owned()));
    words.join(" ")
}

fn refused(index: &Index, doc: &str) -> String {
    try_keys(index, doc).unwrap_err().to_string()
}

/// The result of an index whose texts are `kind`.
fn check(kind: &str, rows: &[(&str, &str)]) {
    let index = single("a", FieldKind::from_name(kind).unwrap(), true);
    for (value, expected) in rows {
        assert_eq!(shown(&index, &format!("{{a: {value}}}")), *expected, "{kind} {value}");
    }
}

/// These bytes are stored: another encoding is another format of the database.
#[test]
fn the_encoding_of_every_kind_is_fixed() {
    let numbers = [("null", "05"), ("-1", "107fffffffffffffff"), ("7", "108000000000000007")];
    check("INT32", &numbers);
    check("INT64", &numbers);
    check("INT64", &[("NumberLong('-9223372036854775808')", "100000000000000000")]);
    check(
        "DOUBLE",
        &[
            ("-Infinity", "10000fffffffffffff"),
            ("-1.5", "104007ffffffffffff"),
            ("-0.0", "108000000000000000"),
            ("0", "108000000000000000"),
            ("1", "10bff0000000000000"),
            ("NaN", "10ffffffffffffffff"),
        ],
    );
    check("STRING", &[("''", "100000"), ("'aé'", "1061c3a90000"), ("'a\\u0000'", "106100ff0000")]);
    check("BOOLEAN", &[("false", "1000"), ("true", "1001")]);
    check("DATE_TIME", &[("{$date: '1970-01-01T00:00:00.001Z'}", "108000000000000001")]);
    check("TIMESTAMP", &[("{$timestamp: {t: 1, i: 2}}", "100000000100000002")]);
    check("BINARY", &[("{$binary: {base64: 'AAH/', subType: '80'}}", "1000ff01ff0000")]);
    let id = "0123456789abcdef01234567";
    check("OBJECT_ID", &[(&format!("{{$oid: '{id}'}}"), &format!("10{id}"))]);
}

#[test]
fn kinds_have_the_names_that_are_printed() {
    for name in ["STRING", "INT32", "INT64", "DOUBLE", "BOOLEAN", "DATE_TIME", "BINARY"] {
        assert_eq!(FieldKind::from_name(name).map(FieldKind::name), Some(name));
    }
    assert_eq!(FieldKind::from_name("DECIMAL128"), None);
    assert_eq!(FieldKind::from_name("int32"), None);
}

#[test]
fn missing_and_null_have_the_null_key() {
    let index = single("a.b", FieldKind::Int32, true);
    for doc in ["{}", "{a: 1}", "{a: {}}", "{a: {b: null}}", "{a: []}", "{a: [{}, 1]}"] {
        assert_eq!(shown(&index, doc), "05", "{doc}");
    }
}

#[test]
fn arrays_have_a_key_for_every_distinct_element() {
    let index = single("a", FieldKind::Int32, true);
    let key = |number: u8| format!("10800000000000000{number}");
    let two = format!("{} {} array", key(1), key(2));
    assert_eq!(shown(&index, "{a: [2, 1, 2]}"), two);
    assert_eq!(shown(&index, "{a: [2, null, null]}"), format!("05 {} array", key(2)));
    assert_eq!(shown(&index, "{a: []}"), "06 empty");
    assert_eq!(shown(&index, "{a: [null]}"), "05");
    let deep = single("a.b", FieldKind::Int32, true);
    assert_eq!(shown(&deep, "{a: [{b: 2}, {c: 1}, {b: [1, 2]}]}"), two);
    assert_eq!(shown(&deep, "{a: [{b: []}]}"), "06 empty");
    assert_eq!(shown(&deep, "{a: {b: 1}}"), key(1));
    assert_eq!(shown(&single("a.1", FieldKind::Int32, true), "{a: [7, 1]}"), key(1));
}

#[test]
fn a_strict_index_refuses_other_types() {
    let text = |expected: &str, path: &str, found: &str| {
        format!(
            "INDEXTYPE_MISMATCH Index type mismatch: index 'i' expects '{expected}', but \
             selector '{path}' matched a value of type '{found}'"
        )
    };
    for (kind, value, found) in [
        ("INT32", "'x'", "STRING"),
        ("INT32", "NumberLong(1)", "INT64"),
        ("INT32", "1.5", "DOUBLE"),
        ("INT64", "1.5", "DOUBLE"),
        ("DOUBLE", "NumberLong(1)", "INT64"),
        ("DOUBLE", "{$numberDecimal: '1'}", "DECIMAL128"),
        ("STRING", "{}", "DOCUMENT"),
        ("STRING", "['a', ['b']]", "ARRAY"),
        ("STRING", "['a', {}]", "DOCUMENT"),
        ("DATE_TIME", "{$timestamp: {t: 1, i: 2}}", "TIMESTAMP"),
        ("STRING", "/a/", "REGULAR_EXPRESSION"),
    ] {
        let index = single("a", FieldKind::from_name(kind).unwrap(), true);
        assert_eq!(refused(&index, &format!("{{a: {value}}}")), text(kind, "a", found));
    }
}

#[test]
fn other_types_have_no_key_unless_strict() {
    let index = single("a", FieldKind::Int32, false);
    assert_eq!(shown(&index, "{a: 'x'}"), "skipped");
    assert_eq!(shown(&index, "{a: ['x', 1]}"), "108000000000000001 skipped");
    assert_eq!(shown(&index, "{a: ['x', []]}"), "skipped");
    assert_eq!(shown(&compound(false), "{a: 'x', b: 'y'}"), "skipped");
    assert_eq!(shown(&compound(false), "{a: 'x', b: 'y', c: [1]}"), "skipped");
    assert_eq!(shown(&compound(false), "{c: [1, 'x']}"), "0505108000000000000001 skipped");
}

#[test]
fn compound_keys_join_the_fields() {
    let index = compound(true);
    let one = "108000000000000001";
    assert_eq!(shown(&index, "{}"), "050505");
    assert_eq!(shown(&index, "{a: 'x', b: 1}"), format!("10780000{one}05"));
    assert_eq!(
        shown(&index, "{a: 'x', b: 1, c: [null, 1, 1]}"),
        format!("10780000{one}05 10780000{one}{one} array"),
    );
    assert_eq!(shown(&index, "{c: []}"), "050506 empty");
}

#[test]
fn a_strict_compound_index_refuses_other_types() {
    for (doc, path, expected, found) in [
        ("{a: 1}", "a", "STRING", "INT32"),
        ("{b: NumberLong(1), c: 'x'}", "b", "INT32", "INT64"),
        ("{a: ['x']}", "a", "STRING", "ARRAY"),
        ("{b: []}", "b", "INT32", "ARRAY"),
        ("{c: [1, 'x']}", "c", "INT32", "STRING"),
        ("{c: [[1]]}", "c", "INT32", "ARRAY"),
    ] {
        assert_eq!(
            refused(&compound(true), doc),
            format!(
                "INDEXTYPE_MISMATCH Index type mismatch: compound index 'abc' field '{path}' \
                 expects '{expected}', but got '{found}'"
            ),
        );
    }
}

#[test]
fn keys_end_at_8_kib() {
    let index = single("a", FieldKind::String, false);
    let doc = |length: usize| format!("{{a: ['', '{}']}}", "x".repeat(length));
    assert_eq!(try_keys(&index, &doc(8189)).unwrap().len(), 2);
    assert_eq!(refused(&index, &doc(8190)), "KEY_TOO_LARGE Key length exceeds limit");
    let bound =
        |length| index.bound(&bson_of(&format!("{{a: '{}'}}", "x".repeat(length)))).unwrap();
    assert!(bound(8189).is_some() && bound(8190).is_none());
}

#[test]
fn collated_strings_that_are_equal_have_one_key() {
    let collator: Arc<Collator> = collator("{locale:'en',strength:1}");
    let fields = || Field::new("a", FieldKind::String, false);
    let index = Index::single("i", fields(), Some(Arc::clone(&collator)), true);
    assert_eq!(try_keys(&index, "{a: ['café', 'CAFE', 'cave']}").unwrap().len(), 2);
    assert_eq!(shown(&index, "{a: 'ab'}"), shown(&index, "{a: 'ÁB'}"));
    let numbers = Field::new("b", FieldKind::Int32, false);
    let both = Index::compound("ab", vec![fields(), numbers], Some(collator), true);
    assert_eq!(shown(&both, "{a: 'ab', b: 1}"), shown(&both, "{a: 'ÁB', b: 1}"));
}

#[test]
fn duplicates_are_told_by_their_values() {
    let duplicate = |index: &Index, doc: &str, position: usize| {
        let keys = try_keys(index, doc).unwrap();
        let key = keys.iter().nth(position).unwrap();
        index.duplicate(&bson_of(doc), key).unwrap().to_string()
    };
    for (kind, value, shown) in [
        ("STRING", "'a@x.io'", "a@x.io"),
        ("STRING", "'a\\r\\nb'", "a\\r\\nb"),
        ("STRING", "null", "null"),
        ("INT64", "-5", "-5"),
        ("DOUBLE", "1.0", "1.0"),
        ("BOOLEAN", "true", "true"),
        ("DATE_TIME", "{$date: '1970-01-01T00:00:00.001Z'}", "1"),
        ("TIMESTAMP", "{$timestamp: {t: 1, i: 2}}", "Timestamp(1, 2)"),
        ("BINARY", "{$binary: {base64: 'AAH/', subType: '80'}}", "0x0001ff"),
        ("OBJECT_ID", "{$oid: '0123456789abcdef01234567'}", "0123456789abcdef01234567"),
    ] {
        let index = single("a", FieldKind::from_name(kind).unwrap(), true);
        let expected = format!("DUPLICATEKEY Duplicate key: 'a' {shown}");
        assert_eq!(duplicate(&index, &format!("{{a: {value}}}"), 0), expected);
    }
    let index = single("a", FieldKind::Int32, true);
    assert_eq!(duplicate(&index, "{a: [3, 1, 2]}", 1), "DUPLICATEKEY Duplicate key: 'a' 2");
    let text = duplicate(&compound(true), "{a: 'A', b: 30}", 0);
    assert_eq!(text, "DUPLICATEKEY Duplicate key: 'abc' [A, 30, null]");
    let text = duplicate(&compound(true), "{b: 30, c: [4, 5]}", 1);
    assert_eq!(text, "DUPLICATEKEY Duplicate key: 'abc' [null, 30, 5]");
}

#[test]
fn operands_fit_if_the_field_can_hold_an_equal_value() {
    let bound = |kind: FieldKind, operand: &str| {
        let operands = bson_of(&format!("{{a: {operand}}}"));
        single("a", kind, true).bound(&operands).unwrap().map(|key| hex(&key))
    };
    let seven = Some("108000000000000007".to_owned());
    let decimal = "{$numberDecimal: '7.00'}";
    for operand in ["7", "7.0", "NumberLong(7)", decimal, "{$numberDecimal: '70E-1'}"] {
        assert_eq!(bound(FieldKind::Int32, operand), seven, "{operand}");
        assert_eq!(bound(FieldKind::Int64, operand), seven, "{operand}");
        assert_eq!(bound(FieldKind::Double, operand), Some("10c01c000000000000".into()));
    }
    for operand in ["7.5", "'7'", "true", "NaN", "{}", "[7]", "{$numberDecimal: '7.1'}"] {
        assert_eq!(bound(FieldKind::Int64, operand), None, "{operand}");
    }
    // Beyond 2^53 a double counts as its shortest decimal text, which is another integer.
    assert_eq!(bound(FieldKind::Int64, "1152921504606846976.0"), None);
    assert_eq!(bound(FieldKind::Double, "NumberLong('9007199254740993')"), None);
    assert_eq!(
        bound(FieldKind::Double, "{$numberDecimal: '0.1'}"),
        bound(FieldKind::Double, "0.1")
    );
    assert_eq!(bound(FieldKind::Int64, "{$numberDecimal: '1E+6000'}"), None);
    assert_eq!(bound(FieldKind::Int64, "{$numberDecimal: '1E-6000'}"), None);
    assert_eq!(bound(FieldKind::String, "null"), Some("05".into()));
    let too_many = single("a", FieldKind::Int32, true).bound(&bson_of("{a: 1, b: 2}"));
    assert_eq!(too_many, Ok(None));
}

#[test]
fn ranges_are_half_open() {
    let range = |conditions: &str| {
        let range = compound(true).range(&bson_of(conditions)).unwrap();
        range.map(|range| format!("{}..{}", hex(&range.begin), hex(&range.end)))
    };
    for (conditions, expected) in [
        ("{}", "..11"),
        ("{eq: []}", "..11"),
        ("{eq: [null]}", "05..06"),
        ("{eq: ['a']}", "10610000..10610001"),
        ("{eq: ['a', -1]}", "10610000107fffffffffffffff..1061000010 80"),
        ("{gt: 'a'}", "10610001..11"),
        ("{gte: 'a'}", "10610000..11"),
        ("{lt: 'a'}", "10..10610000"),
        ("{lte: 'a'}", "10..10610001"),
        ("{gt: 'b', lt: 'a'}", "10620001..10620001"),
        ("{eq: [null], gte: 1}", "05108000000000000001..0511"),
        ("{eq: [null], gt: 1, lte: 1}", "05108000000000000002..05108000000000000002"),
    ] {
        let expected = expected.replace(' ', "");
        assert_eq!(range(conditions), Some(expected), "{conditions}");
    }
    for conditions in ["{gt: 1}", "{eq: [1]}", "{gt: null}", "{eq: [null, 1, 1], gt: 1}"] {
        assert_eq!(range(conditions), None, "{conditions}");
    }
    let wrong = compound(true).range(&bson_of("{ne: 1}"));
    assert_eq!(wrong, Err(Error::Program("unknown condition of a range")));
}

#[test]
fn equalities_ascend_and_are_joined() {
    let shown = |equalities: &str| {
        let ranges = compound(true).equalities(&bson_of(equalities)).unwrap();
        let shown = |range: &KeyRange| format!("{}..{}", hex(&range.begin), hex(&range.end));
        ranges.iter().map(shown).collect::<Vec<_>>().join(" ")
    };
    for (equalities, expected) in [
        ("{}", ""),
        ("{x: ['b'], y: ['a'], z: ['b']}", "10610000..10610001 10620000..10620001"),
        ("{x: ['a'], y: ['a', -1], z: [1]}", "10610000..10610001"),
        ("{x: ['a', 2], y: ['a', 1]}", "10610000108000000000000001..10610000108000000000000003"),
        ("{x: ['a'], y: []}", "..11"),
        ("{x: [null], y: ['a']}", "05..06 10610000..10610001"),
    ] {
        assert_eq!(shown(equalities), expected, "{equalities}");
    }
    let wrong = compound(true).equalities(&bson_of("{x: 1}"));
    assert_eq!(wrong, Err(Error::Program("an equality is no array")));
}

#[test]
fn damaged_documents_are_an_error() {
    let doc = bson_of("{a: 1}");
    let mut keys = Keys::new();
    for end in 0..doc.len() {
        let index = single("b", FieldKind::Int32, true);
        assert!(matches!(index.keys(&doc[..end], &mut keys), Err(Error::Bson(_))));
        assert!(matches!(index.bound(&doc[..end]), Err(Error::Bson(_))));
        assert!(matches!(index.range(&doc[..end]), Err(Error::Bson(_))));
    }
}
