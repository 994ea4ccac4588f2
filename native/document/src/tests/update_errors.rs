//! Every mistake that an update can hold, with its text.

use super::bson_of;
use super::update::filter;
use crate::{Error, Update};

fn refused(update: &str) -> String {
    refused_where("{n:'true'}", update)
}

fn refused_where(program: &str, update: &str) -> String {
    match Update::compile(&bson_of(update), &filter(program)) {
        Err(error) => error.to_string(),
        Ok(update) => panic!("{update:?}"),
    }
}

#[test]
fn id_is_immutable() {
    for path in ["_id", "_id.x", "_id.$[]", "_id.0"] {
        assert_eq!(
            refused(&format!("{{$set: {{'{path}': 1}}}}")),
            "_id field is immutable and cannot be modified with $set"
        );
        for list in [format!("['{path}']"), format!("{{'{path}': 1}}")] {
            assert_eq!(
                refused(&format!("{{$unset: {list}}}")),
                "_id field is immutable and cannot be modified with $unset"
            );
        }
    }
    let other = "{$set: {'a._id': 1, _id2: 2}, $unset: ['b._id']}";
    assert!(Update::compile(&bson_of(other), &filter("{n:'true'}")).is_ok());
}

#[test]
fn parts_have_their_types() {
    for (update, message) in [
        ("{$set: {'': 1}}", "field is null/blank"),
        ("{$set: {'  ': 1}}", "field is null/blank"),
        ("{$unset: [' ']}", "field is null/blank"),
        ("{$unset: {'': 1}}", "field is null/blank"),
        ("{$unset: ['a', 5]}", "unset key must be a string, got: INT32"),
        ("{$unset: [null]}", "unset key must be a string, got: NULL"),
        ("{upsert: 1}", "upsert must be a boolean"),
        ("{upsert: null}", "upsert must be a boolean"),
        ("{$set: 5}", "$set must be a document"),
        ("{$set: [1]}", "$set must be a document"),
        ("{$unset: 'a'}", "$unset must be an array or a document"),
        ("{array_filters: {x: 1}}", "array_filters must be an array"),
    ] {
        assert_eq!(refused(update), message, "{update}");
    }
}

#[test]
fn array_filters_are_checked_even_if_unused() {
    const KEYS: &str = "Array filter document must have exactly one key (the identifier)";
    const OPERATORS: &str = "Array filter operator document must have exactly one operator";
    for (item, message) in [
        ("5", "array_filters element must be a document"),
        ("[{x: 1}]", "array_filters element must be a document"),
        ("{}", KEYS),
        ("{x: 1, y: 2}", KEYS),
        ("{x: {}}", OPERATORS),
        ("{x: {$gt: 1, $lt: 5}}", OPERATORS),
        ("{x: {$foo: 1}}", "Unsupported array filter operator: $foo"),
        ("{x: {y: 1}}", "Unsupported array filter operator: y"),
        ("{x: {$regex: 'a'}}", "Unsupported array filter operator: $regex"),
        ("{x: {$elemMatch: {}}}", "Unsupported array filter operator: $elemMatch"),
        ("{'': 1}", "arrayFilter identifier is null/blank"),
        ("{'.a': 1}", "arrayFilter identifier is null/blank"),
        ("{x: /a/}", "Unsupported array filter operand type: REGULAR_EXPRESSION"),
        ("{x: {$in: [MinKey]}}", "Unsupported array filter operand type: MIN_KEY"),
        ("{x: {$in: 5}}", "Array filter operator $in expects an array"),
        ("{x: {$all: null}}", "Array filter operator $all expects an array"),
        ("{x: {$size: -1}}", "Array filter operator $size expects a non-negative integer"),
        ("{x: {$size: 1.0}}", "Array filter operator $size expects a non-negative integer"),
        ("{x: {$exists: 1}}", "Array filter operator $exists expects a boolean"),
        ("{x: {$gt: null}}", "$gt operator does not support null values"),
        ("{x: {$in: [/a/z]}}", "BQL parse error: Unsupported $regex option: z"),
    ] {
        assert_eq!(refused(&format!("{{array_filters: [{item}]}}")), message, "{item}");
    }
}

#[test]
fn positional_operators_stand_where_they_may() {
    for (path, message) in [
        ("a.$x", "Invalid positional operator '$x' in path: a.$x"),
        ("$x", "Invalid positional operator '$x' in path: $x"),
        ("a.$[", "Invalid positional operator '$[' in path: a.$["),
        ("a.$[1x].b", "Invalid positional operator '$[1x]' in path: a.$[1x].b"),
        ("a.$[x-y]", "Invalid positional operator '$[x-y]' in path: a.$[x-y]"),
        ("a.$[]x", "Invalid positional operator '$[]x' in path: a.$[]x"),
        ("a.$$", "Invalid positional operator '$$' in path: a.$$"),
        ("a.$.b.$", "Multiple positional operators not supported in path: a.$.b.$"),
        ("$.$", "Multiple positional operators not supported in path: $.$"),
        ("$", "Invalid positional operator path: $ - array field required before $"),
        ("$.a", "Invalid positional operator path: $.a - array field required before $"),
        ("$[].a", "Invalid positional operator path: $[].a - array field required before $"),
        ("a.$", "Positional operator $ requires array field 'a' in query"),
        ("a.b.$.c", "Positional operator $ requires array field 'a.b' in query"),
        ("a.$[].b.$", "Positional operator $ requires array field 'a.$[].b' in query"),
    ] {
        assert_eq!(refused(&format!("{{$set: {{'{path}': 1}}}}")), message);
        assert_eq!(refused(&format!("{{$unset: ['{path}']}}")), message);
    }
}

#[test]
fn upserts_have_no_matched_element() {
    const MESSAGE: &str = "Positional operator $ cannot be used with upsert=true";
    let on_a = "{n:'cmp',p:'a',o:'eq',v:1}";
    assert_eq!(refused_where(on_a, "{$set: {'a.$': 1}, upsert: true}"), MESSAGE);
    assert_eq!(refused_where(on_a, "{upsert: true, $unset: ['a.$.b']}"), MESSAGE);
    assert_eq!(refused("{$set: {'a.$': 1}, upsert: true}"), MESSAGE);
    let every = "{$set: {'a.$[]': 1}, upsert: true}";
    assert!(Update::compile(&bson_of(every), &filter(on_a)).is_ok());
}

#[test]
fn only_conditions_on_the_array_count() {
    for program in [
        "{n:'cmp',p:'ab',o:'eq',v:1}",
        "{n:'cmp',p:'b.a',o:'eq',v:1}",
        "{n:'size',p:'a',v:1}",
        "{n:'not',c:[{n:'cmp',p:'a',o:'eq',v:1}]}",
        "{n:'nor',c:[{n:'cmp',p:'a',o:'eq',v:1}]}",
        "{n:'and',c:[{n:'or',c:[{n:'true'}]},{n:'cmp',p:'b',o:'eq',v:1}]}",
        "{n:'elem',p:'b',c:[{n:'cmp',p:'a',o:'eq',v:1}]}",
    ] {
        assert_eq!(
            refused_where(program, "{$set: {'a.$': 1}}"),
            "Positional operator $ requires array field 'a' in query"
        );
    }
}

#[test]
fn a_missing_array_filter_is_a_mistake_once_a_document_matched() {
    let update = "{$set: {'a.$[x].b': 1, 'c.$[y]': 2}, array_filters: [{y: 1}]}";
    let update = Update::compile(&bson_of(update), &filter("{n:'true'}")).unwrap();
    for doc in ["{}", "{a: []}", "{a: [1]}"] {
        let error = update.apply(&bson_of(doc), &mut Vec::new()).unwrap_err();
        let message = "No array filter found for identifier 'x' in path 'a.$[x].b'";
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn malformed_updates_are_no_bson() {
    let good = bson_of("{$set: {a: 1}}");
    for bytes in [&[][..], &good[..good.len() - 1], b"\x05\0\0\0\x01"] {
        let result = Update::compile(bytes, &filter("{n:'true'}"));
        assert!(matches!(result, Err(Error::Bson(_))));
    }
}

#[test]
fn messages_stay_on_one_line() {
    let long = "x".repeat(100_000);
    let message = refused(&format!("{{$set: {{'a.$\\n\\r{long}': 1}}}}"));
    assert!(message.starts_with(r"Invalid positional operator '$\n\rxxx"), "{message:.80}");
    assert!(message.len() < 2000);
}
