//! The order of results.

use std::cmp::Ordering;

use bson::{Bson, doc};
use proptest::prelude::*;

use super::collation::{collator, spec};
use super::strategy::value;
use super::{bson_of, for_all};
use crate::{Collator, Error, sort};

/// Positions of documents that hold `a` as given, in the order of `a`; `-` is no `a` at all.
fn sorted(values: &[&str], descending: bool, collator: Option<&Collator>) -> Vec<usize> {
    let doc = |value: &&str| match *value {
        "-" => bson_of("{}"),
        value => bson_of(&format!("{{a: {value}}}")),
    };
    let docs: Vec<Vec<u8>> = values.iter().map(doc).collect();
    let docs: Vec<&[u8]> = docs.iter().map(Vec::as_slice).collect();
    sort(&docs, "a", descending, collator).unwrap()
}

#[test]
fn brackets_are_in_order() {
    let values = [
        "{$minKey: 1}",
        "-",
        "NaN",
        "''",
        "{}",
        "[]",
        "{$binary: {base64: '', subType: '00'}}",
        "{$oid: '000000000000000000000000'}",
        "false",
        "true",
        "{$date: '1960-01-01T00:00:00Z'}",
        "{$timestamp: {t: 0, i: 0}}",
        "/a/",
        "{$maxKey: 1}",
    ];
    let ascending: Vec<usize> = (0..values.len()).collect();
    assert_eq!(sorted(&values, false, None), ascending);
    let mut reversed = values;
    reversed.reverse();
    assert_eq!(sorted(&reversed, true, None), ascending);
}

#[test]
fn values_of_a_bracket_are_in_order() {
    for values in [
        &["-1", "{$numberDecimal: '-0.5'}", "0.25", "NumberLong(1)", "Infinity", "NaN"][..],
        &["'B'", "'a'", "'aa'", "'b'"],
        &["{}", "{a: 1}", "{a: 1, b: 0}", "{a: 2}", "{b: 0}"],
        &["[]", "[1]", "[1, 0]", "[2]", "['a']", "[[]]"],
        &["{$binary: {base64: '', subType: '80'}}", "{$binary: {base64: 'AA==', subType: '00'}}"],
    ] {
        let ascending: Vec<usize> = (0..values.len()).collect();
        assert_eq!(sorted(values, false, None), ascending, "{values:?}");
        let descending: Vec<usize> = (0..values.len()).rev().collect();
        assert_eq!(sorted(values, true, None), descending, "{values:?}");
    }
}

#[test]
fn ties_keep_their_order_in_both_directions() {
    let values = ["2", "-", "1", "null", "2.0", "1", "NumberLong(2)"];
    assert_eq!(sorted(&values, false, None), [1, 3, 2, 5, 0, 4, 6]);
    assert_eq!(sorted(&values, true, None), [0, 4, 6, 2, 5, 1, 3]);
}

#[test]
fn strings_are_in_the_order_of_the_collator() {
    let collator = collator("{locale:'en',strength:1}");
    let values = ["'b'", "'É'", "'e'", "'a'", "['b']", "['á']", "{x: 'B'}", "{x: 'a'}"];
    assert_eq!(sorted(&values, false, Some(&collator)), [3, 0, 1, 2, 7, 6, 5, 4]);
    assert_eq!(sorted(&values, true, Some(&collator)), [4, 5, 6, 7, 1, 2, 0, 3]);
}

#[test]
fn paths_through_arrays_sort_by_the_collected_array() {
    let docs = ["{a: [{b: 2}, {b: 1}]}", "{a: [{b: 1}, {b: [3]}]}", "{a: {b: 9}}", "{a: [1]}"]
        .map(bson_of);
    let docs: Vec<&[u8]> = docs.iter().map(Vec::as_slice).collect();
    assert_eq!(sort(&docs, "a.b", false, None), Ok(vec![3, 2, 1, 0]));
    assert_eq!(sort(&[], "a", false, None), Ok(vec![]));
}

#[test]
fn damaged_documents_are_an_error() {
    let good = bson_of("{a: {b: 1}}");
    let mut bad = good.clone();
    bad[7] = 100;
    assert!(matches!(sort(&[&good, &bad], "a", false, None), Err(Error::Bson(_))));
    let mut text = bson_of("{a: {b: 'x'}}");
    let at = text.iter().position(|&byte| byte == b'x').unwrap();
    text[at] = 0xff;
    assert!(matches!(sort(&[&good, &text], "a", false, None), Err(Error::Bson(_))));
}

/// The order of two values by sorting both ways round.
fn order(left: &Bson, right: &Bson, collator: Option<&Collator>) -> Ordering {
    let doc = |value: &Bson| doc! { "a": value.clone() }.to_vec().unwrap();
    let (left, right) = (doc(left), doc(right));
    let is_first = |first: &[u8], second: &[u8]| {
        sort(&[first, second], "a", false, collator).unwrap() == [0, 1]
    };
    match (is_first(&left, &right), is_first(&right, &left)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => panic!("the order is not antisymmetric"),
    }
}

#[test]
fn the_order_is_total() {
    let values = (value(), value(), value());
    for_all(2500, (values, prop::option::of(spec())), |((a, b, c), spec)| {
        let collator = spec.as_deref().map(collator);
        let collator = collator.as_deref();
        let (ab, bc, ac) =
            (order(&a, &b, collator), order(&b, &c, collator), order(&a, &c, collator));
        prop_assert_eq!(order(&b, &a, collator), ab.reverse());
        prop_assert_eq!(order(&a, &a.clone(), collator), Ordering::Equal);
        if ab == bc || bc == Ordering::Equal {
            prop_assert_eq!(ac, ab);
        }
        if ab == Ordering::Equal {
            prop_assert_eq!(ac, bc);
        }
        Ok(())
    });
}

#[test]
fn descending_reverses_all_but_ties() {
    for_all(1500, prop::collection::vec(value(), 0..8), |values| {
        let docs: Vec<Vec<u8>> =
            values.iter().map(|value| doc! { "a": value.clone() }.to_vec().unwrap()).collect();
        let docs: Vec<&[u8]> = docs.iter().map(Vec::as_slice).collect();
        let ascending = sort(&docs, "a", false, None).unwrap();
        let mut expected = ascending.clone();
        // A stable sort by the reversed order, from the ascending one: whole ties move.
        let is_tie = |left: &usize, right: &usize| {
            order(&values[*left], &values[*right], None) == Ordering::Equal
        };
        expected = expected.chunk_by(is_tie).rev().flatten().copied().collect();
        prop_assert_eq!(sort(&docs, "a", true, None).unwrap(), expected);
        prop_assert!(ascending.chunk_by(is_tie).all(|tie| tie.is_sorted()));
        Ok(())
    });
}
