//! The document that an upsert inserts.

use super::update::filter;
use super::{bson_of, json_of};
use crate::{Error, Update};

fn inserted(program: &str, update: &str) -> Result<String, Error> {
    let filter = filter(program);
    let update = Update::compile(&bson_of(update), &filter)?;
    assert!(update.is_upsert());
    let doc = update.upsert_document(&filter)?;
    crate::validate(&doc)?;
    Ok(json_of(&doc))
}

fn check(program: &str, update: &str, expected: &str) {
    let expected = json_of(&bson_of(expected));
    assert_eq!(inserted(program, update).as_deref(), Ok(&*expected), "{program} {update}");
}

fn eq(path: &str, value: &str) -> String {
    format!("{{n:'cmp', p:'{path}', o:'eq', v:{value}}}")
}

#[test]
fn only_upserts_insert() {
    for (update, expected) in [("{}", false), ("{upsert: false}", false), ("{upsert: true}", true)]
    {
        let update = Update::compile(&bson_of(update), &filter("{n:'true'}")).unwrap();
        assert_eq!(update.is_upsert(), expected);
    }
}

#[test]
fn equalities_and_set_make_the_document() {
    let program = format!(
        "{{n:'and', c:[{}, {{n:'cmp',p:'b',o:'gt',v:2}}, {{n:'and',c:[{}]}}, \
         {{n:'or',c:[{}]}}, {{n:'in',p:'e',v:[5]}}, {{n:'not',c:[{}]}}, \
         {{n:'elem',p:'g',c:[{}]}}]}}",
        eq("a", "1"),
        eq("c", "null"),
        eq("d", "4"),
        eq("f", "6"),
        eq("h", "7"),
    );
    check(&program, "{upsert: true}", "{a: 1, c: null}");
    check(&program, "{$set: {z: 9, a: 2}, upsert: true}", "{a: 2, c: null, z: 9}");
    check("{n:'true'}", "{$set: {b: 1, a: 2}, upsert: true}", "{b: 1, a: 2}");
    check(&eq("a", "BinData(5,'AQI=')"), "{upsert: true}", "{a: BinData(5,'AQI=')}");
    check(&eq("a", "[1, {b: 2}]"), "{upsert: true}", "{a: [1, {b: 2}]}");
}

#[test]
fn dotted_paths_become_documents() {
    check(
        &eq("a.b.c", "1"),
        "{$set: {'a.b.d': 2, 'e.0': 3}, upsert: true}",
        "{a: {b: {c: 1, d: 2}}, e: {'0': 3}}",
    );
    // What is set wins over what stands in its way.
    check(&eq("a", "1"), "{$set: {'a.b': 2}, upsert: true}", "{a: {b: 2}}");
    check(&eq("a.b", "1"), "{$set: {a: 2}, upsert: true}", "{a: 2}");
    check(&eq("a", "[1]"), "{$set: {'a.b': 2}, upsert: true}", "{a: {b: 2}}");
    check("{n:'true'}", "{$set: {a: [1, 2], 'a.1': 3}, upsert: true}", "{a: [1, 3]}");
    check("{n:'true'}", "{$set: {a: [1, 2], 'a.2': 3}, upsert: true}", "{a: {'2': 3}}");
    check("{n:'true'}", "{$set: {a: [1, 2], 'a.1.b': 3}, upsert: true}", "{a: [1, {b: 3}]}");
    let both = format!("{{n:'and', c:[{}, {}]}}", eq("a", "1"), eq("a.b", "2"));
    check(&both, "{upsert: true}", "{a: {b: 2}}");
    let reverse = format!("{{n:'and', c:[{}, {}]}}", eq("a.b", "2"), eq("a", "1"));
    check(&reverse, "{upsert: true}", "{a: 1}");
}

#[test]
fn unset_and_positional_paths_contribute_nothing() {
    check(&eq("a", "1"), "{$unset: ['a', 'b'], $set: {b: 2, c: 3}, upsert: true}", "{a: 1, c: 3}");
    let update = "{$set: {'a.$[]': 1, 'a.$[x].b': 2, 'a.$[y]': 3, c: 4},
        array_filters: [{x: 1}], upsert: true}";
    check("{n:'true'}", update, "{c: 4}");
}

#[test]
fn the_id_is_left_to_preparation() {
    let id = "ObjectId('00000000000000000000000a')";
    let update = Update::compile(&bson_of("{$set: {b: 1}, upsert: true}"), &filter("{n:'true'}"));
    let filter = filter(&format!("{{n:'and', c:[{}, {}]}}", eq("a", "1"), eq("_id", id)));
    let doc = update.unwrap().upsert_document(&filter).unwrap();
    let (doc, _) = crate::prepare_insert(&doc, &[9; 12]).unwrap();
    assert_eq!(json_of(&doc), r#"{"_id": "00000000000000000000000a", "a": 1, "b": 1}"#);
    let doc = inserted(&eq("_id", "5"), "{upsert: true}").unwrap();
    assert_eq!(crate::prepare_insert(&bson_of(&doc), &[9; 12]), Err(Error::IdType));
}

#[test]
fn what_no_document_can_hold_is_refused() {
    let deep = vec!["a"; 201].join(".");
    assert_eq!(inserted(&eq(&deep, "1"), "{upsert: true}"), Err(Error::TooDeep));
    let deep = vec!["a"; 200].join(".");
    assert!(inserted(&eq(&deep, "1"), "{upsert: true}").is_ok());
    assert_eq!(inserted(&eq(&deep, "[1]"), "{upsert: true}"), Err(Error::TooDeep));
    let big = "x".repeat(crate::MAX_DOCUMENT_BYTES / 2);
    let result =
        inserted(&eq("a", &format!("'{big}'")), &format!("{{$set: {{b: '{big}'}}, upsert: true}}"));
    assert_eq!(result, Err(Error::TooLarge));
    let zero = r#"{"n": "cmp", "p": "a\u0000b", "o": "eq", "v": 1}"#;
    assert!(matches!(inserted(zero, "{upsert: true}"), Err(Error::Bson(_))));
}
