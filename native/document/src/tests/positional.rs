//! Which element of an array a filter means.

use super::bson_of;
use super::update::filter;

/// The position for the conditions on `a`, "all" without any, "none" without such an element.
fn position(program: &str, array: &str) -> String {
    let filter = filter(program);
    let Some(conditions) = filter.conditions_on("a").unwrap() else { return "all".into() };
    let doc = bson_of(&format!("{{a: {array}}}"));
    let array = &doc[7..doc.len() - 1];
    conditions.first(array).unwrap().map_or("none".into(), |position| position.to_string())
}

fn check(program: &str, cases: &[(&str, &str)]) {
    for (array, expected) in cases {
        assert_eq!(position(program, array), *expected, "{program} on {array}");
    }
}

fn cmp(path: &str, operator: &str, operand: &str) -> String {
    format!("{{n:'cmp', p:'{path}', o:'{operator}', v:{operand}}}")
}

#[test]
fn comparisons_test_the_element() {
    check(&cmp("a", "eq", "2"), &[("[1, 2.0, 2]", "1"), ("['2', [2]]", "none"), ("[]", "none")]);
    check(&cmp("a", "gt", "1"), &[("[1, [9], 'x', 2]", "3")]);
    check(&cmp("a", "lte", "1"), &[("[2, null, 1]", "2")]);
    check(
        &cmp("a", "ne", "1"),
        &[("[1, 2]", "1"), ("['x', 2]", "0"), ("[1, null]", "1"), ("[1]", "none")],
    );
    check(&cmp("a", "eq", "['x']"), &[("['x', ['x']]", "1")]);
    check(&cmp("a", "eq", "null"), &[("[1, null]", "1"), ("[1]", "none")]);
    check(&cmp("a", "ne", "null"), &[("[null, 1]", "1"), ("[null]", "none")]);
    check(&cmp("b", "eq", "1"), &[("[1]", "all")]);
    check("{n:'true'}", &[("[1]", "all")]);
}

#[test]
fn lists_test_the_element() {
    check("{n:'in',p:'a',v:[3,/^x/]}", &[("[1, 'xy', 3]", "1"), ("[[3]]", "none")]);
    check("{n:'nin',p:'a',v:[3,null]}", &[("[3, null, 1]", "2")]);
    check("{n:'all',p:'a',v:[3,1]}", &[("[0, 1, 3]", "1")]);
    check("{n:'all',p:'a',v:[]}", &[("[0, 1]", "none")]);
    check("{n:'exists',p:'a',v:true}", &[("[null]", "0")]);
    check("{n:'exists',p:'a',v:false}", &[("[null]", "none")]);
    check("{n:'regex',p:'a',v:/b/}", &[("['a', 1, 'ab']", "2")]);
}

#[test]
fn paths_lead_into_the_element() {
    check(&cmp("a.b", "eq", "2"), &[("[2, {b: 1}, {b: [1, 2]}]", "2"), ("[{c: 2}]", "none")]);
    check(&cmp("a.b.c", "gt", "2"), &[("[{b: [{c: 1}]}, {b: [{c: 3}]}]", "1")]);
    check(&cmp("a.b", "ne", "2"), &[("[{b: 2}, {b: 'x'}]", "1"), ("[{b: [1, 2]}, {}]", "1")]);
    check(&cmp("a.b", "eq", "null"), &[("[{b: 1}, {b: null}]", "1"), ("[{b: 1}, {}]", "1")]);
    check(&cmp("a.b", "ne", "null"), &[("[{b: null}, {}, {b: 1}]", "2")]);
    check("{n:'exists',p:'a.b',v:false}", &[("[{b: 1}, {c: 1}]", "1"), ("[{b: 1}, 5]", "1")]);
    check("{n:'regex',p:'a.b',v:/x/}", &[("[{b: 'y'}, {b: 'xx'}]", "1")]);
}

#[test]
fn positions_in_a_path_are_that_element() {
    check(&cmp("a.1", "eq", "2"), &[("[2, 2]", "1"), ("[2, 3]", "none")]);
    check(&cmp("a.1.b", "eq", "2"), &[("[{b: 2}, {b: 2}]", "1"), ("[{b: 2}]", "none")]);
    check(&cmp("a.0.1", "eq", "2"), &[("[[1, 2]]", "0"), ("[[2, 1]]", "none")]);
    check(&cmp("a.99999999999999999999", "ne", "2"), &[("[1]", "none")]);
}

#[test]
fn all_conditions_hold_for_one_element() {
    let both = |inner: &[String]| format!("{{n:'and', c:[{}]}}", inner.join(","));
    let range = both(&[cmp("a", "gt", "1"), cmp("b", "eq", "9"), cmp("a", "lt", "5")]);
    check(&range, &[("[1, 9, 3]", "2"), ("[0, 9]", "none")]);
    let nested = both(&[both(&[cmp("a.x", "eq", "1")]), cmp("a.y", "eq", "2")]);
    check(&nested, &[("[{x: 1}, {y: 2}, {x: 1, y: 2}]", "2")]);
    let with_others = both(&[
        "{n:'size',p:'a',v:9}".into(),
        format!("{{n:'not',c:[{}]}}", cmp("a", "eq", "1")),
        cmp("a", "eq", "1"),
    ]);
    check(&with_others, &[("[2, 1]", "1")]);
}

#[test]
fn one_branch_of_or_holds() {
    let either = |inner: &[String]| format!("{{n:'or', c:[{}]}}", inner.join(","));
    let program = either(&[cmp("a", "gt", "5"), cmp("b", "eq", "1"), cmp("a", "lt", "0")]);
    check(&program, &[("[1, -1, 9]", "1"), ("[1, 9, -1]", "1"), ("[1]", "none")]);
    check(&either(&[cmp("b", "eq", "1"), "{n:'true'}".into()]), &[("[1]", "all")]);
}

#[test]
fn element_matches_mean_the_outermost_array() {
    let program = format!(
        "{{n:'elem', p:'a', c:[{}, {{n:'not',c:[{}]}}, {{n:'elem',p:'t',c:[{}]}}]}}",
        cmp("x", "gt", "1"),
        cmp("y", "eq", "1"),
        "{n:'cmp',o:'eq',v:7}",
    );
    let array = "[{x: 2, t: [1]}, {x: 2, y: 1, t: [7]}, {x: 2, t: [1, 7]}]";
    check(&program, &[(array, "2"), ("[5, {x: 2}]", "none")]);
    check("{n:'elem',p:'a',c:[{n:'cmp',o:'gte',v:2}]}", &[("[1, [3], 2]", "1")]);
    check("{n:'elem',p:'a',c:[]}", &[("[null]", "0")]);
    check("{n:'elem',p:'a.t',c:[{n:'size',v:1}]}", &[("[{t: [1]}, {t: [[1]]}]", "1")]);
}
