//! The language's rules of projections, row by row, and every mistake with its text.

use super::update::filter;
use super::{bson_of, json_of};
use crate::{Error, Projection};

const ID: &str = "000000000000000000000001";

/// The projection of `doc`, which gets an `_id`, by `program` or without a filter.
fn project(spec: &str, program: Option<&str>, doc: &str) -> Result<String, Error> {
    let filter = program.map(filter);
    let projection = Projection::compile(&bson_of(spec), filter.as_ref())?;
    let mut out = b"before".to_vec();
    let doc = bson_of(&doc.replacen('{', &format!("{{_id: '{ID}', "), 1));
    projection.apply(&doc, &mut out)?;
    let result = out.strip_prefix(b"before").unwrap();
    crate::validate(result)?;
    Ok(json_of(result))
}

/// Asserts a projection; `expected` is without the `_id`, which must come first.
fn check(spec: &str, doc: &str, expected: &str) {
    let expected = expected.replacen('{', &format!("{{_id: '{ID}', "), 1);
    check_without_id(spec, doc, &expected);
}

fn check_without_id(spec: &str, doc: &str, expected: &str) {
    let result = project(spec, None, doc).unwrap_or_else(|error| panic!("{spec}: {error}"));
    assert_eq!(result, json_of(&bson_of(expected)), "{spec} on {doc}");
}

fn refused(spec: &str) -> String {
    let filter = filter("{n:'true'}");
    Projection::compile(&bson_of(spec), Some(&filter)).unwrap_err().to_string()
}

#[test]
fn an_empty_specification_keeps_all() {
    check("{}", "{a: 1, b: [{c: 2}]}", "{a: 1, b: [{c: 2}]}");
}

#[test]
fn inclusion_follows_the_specification() {
    let doc = "{a: 1, b: {c: 2, d: 3, e: 4}, f: 5}";
    check("{f: 1, a: 1, z: 1}", doc, "{f: 5, a: 1}");
    check("{'b.e': 1, f: 1, 'b.c': 1}", doc, "{b: {e: 4, c: 2}, f: 5}");
    check("{a: 1, _id: 1}", doc, "{a: 1}");
    check_without_id("{a: 1, _id: 0}", doc, "{a: 1}");
    check("{_id: 1}", doc, "{}");
    for one in ["2", "-1", "0.5", "NumberLong(7)", "NumberDecimal('0.1')", "NaN"] {
        check(&format!("{{a: {one}}}"), doc, "{a: 1}");
    }
    check("{'a.x': 1, 'b.x': 1, 'b.c.x': 1, 'z.x': 1}", doc, "{b: {}}");
    check("{'b.c': 1, b: 1}", doc, "{b: {c: 2, d: 3, e: 4}}");
    check("{b: 1, 'b.c': 1}", doc, "{b: {c: 2, d: 3, e: 4}}");
    check("{'_id.x': 1, a: 1}", doc, "{a: 1}");
}

#[test]
fn exclusion_follows_the_document() {
    let doc = "{a: 1, b: {c: 2, d: 3}, e: 5}";
    check("{e: 0, z: 0}", doc, "{a: 1, b: {c: 2, d: 3}}");
    check("{'b.c': 0, a: 0.0}", doc, "{b: {d: 3}, e: 5}");
    check("{'b.c': 0, 'b.d': 0}", doc, "{a: 1, b: {}, e: 5}");
    check("{'b.c': 0, b: 0}", doc, "{a: 1, e: 5}");
    check("{'a.x': 0, 'b.c.x': 0}", doc, doc);
    check_without_id("{_id: 0}", doc, doc);
    check_without_id("{_id: 0, a: NumberDecimal('-0.00')}", doc, "{b: {c: 2, d: 3}, e: 5}");
    check("{_id: 1, a: 0}", doc, "{b: {c: 2, d: 3}, e: 5}");
}

#[test]
fn both_go_through_arrays() {
    let doc = "{a: [{b: 1, c: 2}, 5, {c: 3}, [{b: 4}], {b: [{d: 6, e: 7}]}]}";
    check("{'a.b': 1}", doc, "{a: [{b: 1}, {}, {b: [{d: 6, e: 7}]}]}");
    check("{'a.b.d': 1}", doc, "{a: [{}, {}, {b: [{d: 6}]}]}");
    check("{'a.c': 1, 'a.b': 1}", "{a: [{b: 1, c: 2}]}", "{a: [{c: 2, b: 1}]}");
    check("{'a.b': 0}", doc, "{a: [{c: 2}, 5, {c: 3}, [{b: 4}], {}]}");
    check("{'a.b.d': 0}", doc, "{a: [{b: 1, c: 2}, 5, {c: 3}, [{b: 4}], {b: [{e: 7}]}]}");
    check("{'a.0': 1}", doc, "{a: [{}, {}, {}]}");
    check("{'a.0': 0}", doc, doc);
    check("{'a.b': 1}", "{a: []}", "{a: []}");
}

#[test]
fn slices_take_a_range() {
    let slice = |operand: &str, expected: &str| {
        let expected = format!("{{a: {expected}, b: 1}}");
        check(&format!("{{a: {{$slice: {operand}}}}}"), "{a: [1, 2, 3, 4], b: 1}", &expected);
    };
    for (operand, expected) in [
        ("2", "[1, 2]"),
        ("0", "[]"),
        ("9", "[1, 2, 3, 4]"),
        ("-1", "[4]"),
        ("-9", "[1, 2, 3, 4]"),
        ("NumberLong(3)", "[1, 2, 3]"),
        ("2147483647", "[1, 2, 3, 4]"),
        ("-2147483648", "[1, 2, 3, 4]"),
        ("[1, 2]", "[2, 3]"),
        ("[0, 1]", "[1]"),
        ("[3, 9]", "[4]"),
        ("[4, 1]", "[]"),
        ("[99, 1]", "[]"),
        ("[-3, 2]", "[2, 3]"),
        ("[-1, 2]", "[4]"),
        ("[-9, 2]", "[1, 2]"),
        ("[2147483647, 2147483647]", "[]"),
        ("[-2147483648, 2147483647]", "[1, 2, 3, 4]"),
    ] {
        slice(operand, expected);
    }
}

#[test]
fn slices_have_no_mode_of_their_own() {
    let doc = "{a: [1, 2, 3], b: 4, c: {d: [5, 6], e: 7}, f: [{g: [8, 9], h: 1}, 2]}";
    check("{a: {$slice: 1}, b: 1}", doc, "{a: [1], b: 4}");
    check("{b: 1, a: {$slice: 1}}", doc, "{b: 4, a: [1]}");
    check("{'c.d': {$slice: -1}, b: 1}", doc, "{c: {d: [6]}, b: 4}");
    check("{'f.g': {$slice: 1}, b: 1}", doc, "{f: [{g: [8]}], b: 4}");
    check("{'f.g': {$slice: 1}, 'f.h': 1}", doc, "{f: [{g: [8], h: 1}]}");
    check(
        "{a: {$slice: 1}, 'c.d': {$slice: 1}, b: 0, 'f.h': 0}",
        doc,
        "{a: [1], c: {d: [5], e: 7}, f: [{g: [8, 9]}, 2]}",
    );
    check("{'f.g': {$slice: -1}, a: 0, c: 0}", doc, "{b: 4, f: [{g: [9], h: 1}, 2]}");
    check("{b: {$slice: 1}, c: {$slice: 1}, z: {$slice: 1}}", doc, doc);
    check("{b: {$slice: 1}, z: {$slice: 1}, 'a.x': 1}", doc, "{b: 4, a: []}");
    check("{_id: 1, a: {$slice: 1}, c: 0, f: 0}", doc, "{a: [1], b: 4}");
    check_without_id("{_id: 0, 'c.d': {$slice: 1}, a: 0, f: 0}", doc, "{b: 4, c: {d: [5], e: 7}}");
}

#[test]
fn the_matched_element_stands_alone() {
    let positional = |spec: &str, program: &str, doc: &str| {
        let result = project(spec, Some(program), doc).unwrap();
        result.replacen(&format!("\"_id\": \"{ID}\""), "", 1).replacen("{, ", "{", 1)
    };
    let big = "{n:'cmp', p:'a', o:'gt', v:1}";
    let doc = "{a: [1, 2, 3], b: 4}";
    for (spec, program, doc, expected) in [
        ("{'a.$': 1}", big, doc, r#"{"a": [2]}"#),
        ("{b: 1, 'a.$': 1}", big, doc, r#"{"b": 4, "a": [2]}"#),
        ("{'a.$': 1}", big, "{a: [1]}", r#"{"a": []}"#),
        ("{'a.$': 1}", big, "{a: []}", r#"{"a": []}"#),
        ("{'a.$': 1}", big, "{a: 5}", "{}"),
        ("{'a.$': 1}", big, "{b: 5}", "{}"),
        ("{'a.$': 1}", "{n:'true'}", doc, r#"{"a": [1]}"#),
        ("{'a.$': 1}", "{n:'true'}", "{a: []}", r#"{"a": []}"#),
        ("{'a.$': 1}", "{n:'cmp',p:'b',o:'eq',v:4}", doc, r#"{"a": [1]}"#),
        ("{'a.$': 1}", "{n:'size',p:'a',v:3}", doc, r#"{"a": [1]}"#),
        (
            "{'a.$': 1}",
            "{n:'cmp',p:'a.k',o:'eq',v:2}",
            "{a: [{k: 1}, {k: 2, l: 3}]}",
            r#"{"a": [{"k": 2, "l": 3}]}"#,
        ),
        (
            "{'x.a.$': 1}",
            "{n:'cmp',p:'x.a',o:'eq',v:2}",
            "{x: {a: [1, 2], b: 1}}",
            r#"{"x": {"a": [2]}}"#,
        ),
        (
            "{'x.a.$': 1}",
            "{n:'cmp',p:'x.a',o:'eq',v:2}",
            "{x: [{a: [1, 2]}, {a: [3]}, {a: 2}, 5]}",
            r#"{"x": [{"a": [2]}, {"a": []}, {}]}"#,
        ),
    ] {
        assert_eq!(positional(spec, program, doc), expected, "{spec} {program} {doc}");
    }
}

const MISTAKES: &[(&str, &str)] = &[
    ("{a: 1, b: 0}", "Cannot mix inclusion and exclusion in projection spec (except _id: 0)"),
    (
        "{'a.$.b': 1}",
        "The positional operator $ can only appear at the end of the field path: a.$.b",
    ),
    (
        "{'a.$.$': 1}",
        "The positional operator $ can only appear at the end of the field path: a.$.$",
    ),
    ("{'$': 1}", "The positional operator $ can only appear at the end of the field path: $"),
    ("{'a.$': 1, 'b.$': 1}", "Only one positional $ operator is allowed in the projection spec"),
    ("{'a.$': 0}", "The positional operator $ can only be used with inclusion: a.$"),
    ("{f: {}}", "Unsupported projection operator for field 'f': only $slice is supported"),
    (
        "{f: {$elemMatch: {}}}",
        "Unsupported projection operator for field 'f': only $slice is supported",
    ),
    (
        "{f: {$slice: 1, x: 1}}",
        "Unsupported projection operator for field 'f': only $slice is supported",
    ),
    ("{f: true}", "Projection value for field 'f' must be a number"),
    ("{f: 'x'}", "Projection value for field 'f' must be a number"),
    ("{_id: null}", "Projection value for field '_id' must be a number"),
    ("{f: [1]}", "Projection value for field 'f' must be a number"),
    ("{f: {$slice: 'x'}}", "$slice on 'f' must be a number or [skip, limit]"),
    ("{f: {$slice: 1.0}}", "$slice on 'f' must be a number or [skip, limit]"),
    ("{f: {$slice: []}}", "$slice on 'f' must be a number or [skip, limit]"),
    ("{f: {$slice: [1]}}", "$slice on 'f' must be a number or [skip, limit]"),
    ("{f: {$slice: [1, 2, 3]}}", "$slice on 'f' must be a number or [skip, limit]"),
    ("{f: {$slice: [1.0, 2]}}", "$slice on 'f' must be an integer, not DOUBLE"),
    ("{f: {$slice: [1, 'x']}}", "$slice on 'f' must be an integer, not STRING"),
    ("{f: {$slice: [null, 1]}}", "$slice on 'f' must be an integer, not NULL"),
    (
        "{f: {$slice: 2147483648}}",
        "$slice on 'f' is out of the supported integer range: 2147483648",
    ),
    (
        "{f: {$slice: [NumberLong(-2147483649), 1]}}",
        "$slice on 'f' is out of the supported integer range: -2147483649",
    ),
    ("{f: {$slice: [1, 0]}}", "$slice limit must be positive: f"),
    ("{f: {$slice: [1, -1]}}", "$slice limit must be positive: f"),
    (
        "{'a.$': 1, b: {$slice: 1}}",
        "$slice cannot be combined with the positional $ operator in the same projection spec",
    ),
    (
        "{'a.$': {$slice: 1}}",
        "$slice cannot be combined with the positional $ operator in the same projection spec",
    ),
    ("{a: {$slice: 1}, 'a.b': 1}", "$slice on 'a' collides with projecting field 'a.b'"),
    ("{'a.b': 1, a: {$slice: 1}}", "$slice on 'a' collides with projecting field 'a.b'"),
    ("{'a.b': {$slice: 1}, a: 0}", "$slice on 'a.b' collides with projecting field 'a'"),
    ("{a: 0, 'a.b': {$slice: 1}}", "$slice on 'a.b' collides with projecting field 'a'"),
    ("{a: {$slice: 1}, 'a.b': {$slice: 1}}", "$slice on 'a' collides with $slice on 'a.b'"),
    ("{'a.b': {$slice: 1}, a: {$slice: 1}}", "$slice on 'a.b' collides with $slice on 'a'"),
    (
        "{'a.$': 1, 'a.b': 1}",
        "The positional operator $ on 'a' collides with projecting field 'a.b'",
    ),
    ("{a: 1, 'a.$': 1}", "The positional operator $ on 'a' collides with projecting field 'a'"),
];

#[test]
fn mistakes_are_found_without_a_document() {
    for (spec, message) in MISTAKES {
        assert_eq!(refused(spec), *message, "{spec}");
    }
    let without_filter = Projection::compile(&bson_of("{'a.$': 1}"), None).unwrap_err();
    assert_eq!(
        without_filter.to_string(),
        "The positional $ operator requires a parsed query to determine the matching array element"
    );
    let names = ["a.b", "ab", "b"];
    for other in names {
        let spec = format!("{{'a.c': {{$slice: 1}}, '{other}': 1}}");
        assert!(Projection::compile(&bson_of(&spec), None).is_ok(), "{spec}");
    }
    assert_eq!(
        refused(&format!("{{'{}': 1}}", vec!["a"; 201].join("."))),
        Error::TooDeep.to_string()
    );
}

#[test]
fn an_error_leaves_the_output_alone() {
    let mut damaged = bson_of("{a: 'text', b: 2}");
    damaged[7] = 0xff;
    for spec in ["{b: 1}", "{b: 0}"] {
        let projection = Projection::compile(&bson_of(spec), None).unwrap();
        let mut out = b"before".to_vec();
        assert!(matches!(projection.apply(&damaged, &mut out), Err(Error::Bson(_))));
        assert_eq!(out, b"before");
    }
}

#[test]
fn many_fields_take_one_pass() {
    let fields = |value: &str| {
        let list: Vec<String> = (0..20_000).rev().map(|at| format!("f{at}: {value}")).collect();
        format!("{{{}}}", list.join(","))
    };
    let doc: Vec<String> = (0..20_000).map(|at| format!("f{at}: {at}")).collect();
    let doc = format!("{{{}, z: 1}}", doc.join(","));
    let included = project(&fields("1"), None, &doc).unwrap();
    assert!(included.starts_with(&format!(r#"{{"_id": "{ID}", "f19999": 19999, "#)));
    assert!(included.ends_with(r#""f0": 0}"#));
    assert_eq!(project(&fields("0"), None, &doc).unwrap(), format!(r#"{{"_id": "{ID}", "z": 1}}"#));
}
