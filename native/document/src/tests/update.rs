//! The language's rules of `$set` and `$unset`, row by row.

use super::{bson_of, json_of};
use crate::{Error, Filter, MAX_DOCUMENT_BYTES, Update};

const ALL: &str = "{n:'true'}";

pub(super) fn filter(program: &str) -> Filter {
    Filter::parse(&bson_of(program)).unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn apply(program: &str, update: &str, doc: &str) -> Result<(bool, String), Error> {
    let doc = bson_of(doc);
    let update = Update::compile(&bson_of(update), &filter(program))?;
    let mut out = b"before".to_vec();
    let changed = update.apply(&doc, &mut out)?;
    let result = out.strip_prefix(b"before").unwrap();
    crate::validate(result)?;
    assert_eq!(changed, result != doc, "{update:?}");
    Ok((changed, json_of(result)))
}

/// Asserts the result of an update of all documents.
fn check(update: &str, doc: &str, expected: &str) {
    check_where(ALL, update, doc, expected);
}

/// Asserts the result of an update of the documents that pass `program`, as `doc` must.
fn check_where(program: &str, update: &str, doc: &str, expected: &str) {
    assert_eq!(filter(program).matches(&bson_of(doc)), Ok(true), "{program} on {doc}");
    let (_, result) = apply(program, update, doc).unwrap_or_else(|e| panic!("{update}: {e}"));
    assert_eq!(result, json_of(&bson_of(expected)), "{update} on {doc}");
}

fn unchanged(update: &str, doc: &str) {
    check(update, doc, doc);
}

fn refused_where(program: &str, update: &str, doc: &str) -> String {
    apply(program, update, doc).unwrap_err().to_string()
}

#[test]
fn samples_of_the_contract() {
    let doc = "{_id: '000000000000000000000001', s: [85, 90, 75]}";
    let with = |s: &str| doc.replace("[85, 90, 75]", s);
    check("{$set: {'s.$[h]': 100}, array_filters: [{h: {$gte: 85}}]}", doc, &with("[100,100,75]"));
    check("{$unset: ['s.$[l]'], array_filters: [{l: {$lt: 80}}]}", doc, &with("[85, 90]"));
    let from_88 = "{n:'cmp', p:'s', o:'gte', v:88}";
    check_where(from_88, "{$set: {'s.$': 0}}", doc, &with("[85, 0, 75]"));
    check("{$unset: ['s.0']}", doc, &with("[90, 75]"));
    unchanged("{$set: {'s.9': 1}}", doc);
}

#[test]
fn nothing_to_do_changes_nothing() {
    for update in ["{}", "{$set: {}}", "{$unset: []}", "{$inc: {a: 1}, other: 5}", "{upsert: true}"]
    {
        unchanged(update, "{a: 1}");
    }
    unchanged("{$set: {a: 1}}", "{a: 1}");
    unchanged("{$unset: ['b', 'b.c', 'a.c', 'a.0']}", "{a: 1}");
}

#[test]
fn keys_are_matched_in_any_case() {
    check("{$SET: {a: 1}, $UnSet: ['b'], Upsert: false}", "{b: 2}", "{a: 1}");
    let update = "{$set: {'a.$[x]': 0}, ARRAY_FILTERS: [{x: {$GT: 1}}]}";
    check(update, "{a: [1, 2]}", "{a: [1, 0]}");
    check("{$set: {a: 1}, $SET: {b: 2, a: 3}}", "{}", "{a: 3, b: 2}");
}

#[test]
fn unset_wins_over_set_and_comes_first() {
    check("{$set: {a: 1}, $unset: ['a']}", "{a: 5, b: 6}", "{b: 6}");
    check("{$set: {a: 1}, $unset: {a: 'any'}}", "{b: 6}", "{b: 6}");
    check("{$set: {'a.b': 1}, $unset: ['a']}", "{a: {c: 5}, b: 6}", "{b: 6, a: {b: 1}}");
    check("{$set: {'s.0': 9}, $unset: ['s.1']}", "{s: [1, 2, 3]}", "{s: [9, 3]}");
    check("{$set: {'s.1': 9}, $unset: ['s.0']}", "{s: [1, 2, 3]}", "{s: [2, 9]}");
    check("{$set: {z: 1, 'a.b': 1}, $unset: ['a']}", "{a: 5}", "{z: 1, a: {b: 1}}");
}

#[test]
fn a_set_field_keeps_its_place_and_a_new_one_is_last() {
    check("{$set: {d: 1, a: 2, c: 3}}", "{a: 1, b: 1, c: 1}", "{a: 2, b: 1, c: 3, d: 1}");
    check("{$set: {z: 1, y: 2, x: 3}}", "{b: 1}", "{b: 1, z: 1, y: 2, x: 3}");
    check("{$set: {'n.z': 1, m: 2, 'n.a': 3}}", "{}", "{n: {z: 1, a: 3}, m: 2}");
    check("{$set: {a: {c: 1}}}", "{a: {b: 1}, d: 1}", "{a: {c: 1}, d: 1}");
    check("{$set: {a: null}}", "{a: 1}", "{a: null}");
}

#[test]
fn entries_take_effect_in_their_order() {
    check("{$set: {'a.b': 1, a: {c: 2}}}", "{}", "{a: {c: 2}}");
    check("{$set: {a: {c: 2}, 'a.b': 1}}", "{}", "{a: {c: 2, b: 1}}");
    check("{$set: {'a.b': 1, b: 2, a: 3}}", "{}", "{a: 3, b: 2}");
    check("{$set: {'a.0': 1, 'a.b': 2}}", "{}", "{a: []}");
    check("{$set: {'a.b': 1, 'a.0': 2}}", "{}", "{a: {b: 1, '0': 2}}");
    check("{$set: {a: [1, 2], 'a.1': 3}}", "{}", "{a: [1, 3]}");
    check("{$set: {'a.$[]': 1, 'a.1': 2}}", "{a: [7, 8, 9]}", "{a: [1, 2, 1]}");
    check("{$set: {'a.1': 2, 'a.$[]': 1}}", "{a: [7, 8, 9]}", "{a: [1, 1, 1]}");
    let filter = "array_filters: [{x: {$gte: 8}}]";
    check(
        &format!("{{$set: {{'a.0': 9, 'a.$[x]': 1}}, {filter}}}"),
        "{a: [7, 8, 9]}",
        "{a: [1, 1, 1]}",
    );
    check(
        &format!("{{$set: {{'a.$[x]': 1, 'a.0': 9}}, {filter}}}"),
        "{a: [7, 8, 9]}",
        "{a: [9, 1, 1]}",
    );
}

#[test]
fn inner_documents_are_created_but_scalars_block() {
    check("{$set: {'a.b.c': 1}}", "{z: 1}", "{z: 1, a: {b: {c: 1}}}");
    check("{$set: {'a.b.c': 1}}", "{a: {x: 1}}", "{a: {x: 1, b: {c: 1}}}");
    for blocked in ["{a: 1}", "{a: null}", "{a: 'x'}", "{a: {b: 1}}", "{a: {b: null}}"] {
        unchanged("{$set: {'a.b.c': 1}}", blocked);
    }
}

#[test]
fn numbers_are_positions_in_arrays() {
    check("{$set: {'a.1': 9}}", "{a: [1, 2]}", "{a: [1, 9]}");
    check("{$set: {'a.1.b': 9}}", "{a: [1, {c: 2}]}", "{a: [1, {c: 2, b: 9}]}");
    check("{$set: {'a.1': 9}}", "{a: {'1': 2}}", "{a: {'1': 9}}");
    check("{$set: {'a.1': 9}}", "{a: {}}", "{a: {'1': 9}}");
    check("{$set: {'a.0': 9}}", "{}", "{a: []}");
    check("{$set: {'a.0.b': 9}}", "{}", "{a: []}");
    check("{$set: {'a.b.0': 9}}", "{}", "{a: {b: []}}");
    check("{$set: {'m.1.0': 9}}", "{m: [[1], [2, 3]]}", "{m: [[1], [9, 3]]}");
    unchanged("{$set: {'a.2': 9, 'a.99999999999999999999999': 9}}", "{a: [1, 2]}");
    unchanged("{$set: {'a.b': 9, 'a.-1': 9, 'a.+1': 9, 'a.': 9}}", "{a: [1, {b: 1}]}");
}

#[test]
fn unset_removes_what_is_reachable() {
    check("{$unset: ['a', 'c.d']}", "{a: 1, b: 2, c: {d: 3, e: 4}}", "{b: 2, c: {e: 4}}");
    check("{$unset: ['a.b']}", "{a: {b: 1}}", "{a: {}}");
    check("{$unset: ['a.1', 'b.0.c']}", "{a: [1, 2, 3], b: [{c: 1}]}", "{a: [1, 3], b: [{}]}");
    check("{$unset: ['a.0', 'a.0', 'a.1']}", "{a: [1, 2, 3]}", "{a: [2]}");
    check("{$unset: ['a.2', 'a.0']}", "{a: [1, 2, 3]}", "{a: [2]}");
    unchanged("{$unset: ['a.b', 'a.3', 'a.0.x', 'b.0', 'c.d']}", "{a: [1, {b: 2}], c: 5}");
    check("{$unset: ['a.0.b', 'a.1']}", "{a: [{b: 1}, 2]}", "{a: [{}]}");
}

#[test]
fn every_element_is_set_or_unset() {
    check("{$set: {'a.$[]': 0}}", "{a: [1, 'x', [2]]}", "{a: [0, 0, 0]}");
    check("{$unset: ['a.$[]']}", "{a: [1, 2], b: 1}", "{a: [], b: 1}");
    check("{$set: {'a.$[].b': 0}}", "{a: [{b: 1}, 5, {c: 1}]}", "{a: [{b: 0}, 5, {c: 1, b: 0}]}");
    check("{$set: {'a.$[].b.c': 0}}", "{a: [{}, {b: 1}]}", "{a: [{b: {c: 0}}, {b: 1}]}");
    check("{$unset: ['a.$[].b']}", "{a: [{b: 1}, 5, {c: 1}]}", "{a: [{}, 5, {c: 1}]}");
    check("{$set: {'m.$[].$[]': 0}}", "{m: [[1, 2], 3, [4]]}", "{m: [[0, 0], 3, [0]]}");
    check("{$set: {'m.$[].0': 0}}", "{m: [[1, 2], [], [4]]}", "{m: [[0, 2], [], [0]]}");
    for missing in ["{}", "{a: 1}", "{a: {b: 1}}", "{a: null}", "{a: []}"] {
        unchanged("{$set: {'a.$[]': 0, 'a.$[].b': 1}, $unset: ['a.$[].c']}", missing);
    }
    unchanged("{$set: {'x.y.$[].z': 1, 'x.0.$[]': 1}}", "{a: 1}");
}

#[test]
fn filtered_elements_are_set_or_removed() {
    let with = |change: &str, filter: &str| format!("{{{change}, array_filters: [{filter}]}}");
    let doc = "{a: [{k: 1, v: 5}, {k: 2, v: 6}, 7]}";
    check(
        &with("$set: {'a.$[e].v': 0}", "{'e.k': 2}"),
        doc,
        "{a: [{k: 1, v: 5}, {k: 2, v: 0}, 7]}",
    );
    check(&with("$set: {'a.$[e]': 0}", "{'e.k': {$gt: 1}}"), doc, "{a: [{k: 1, v: 5}, 0, 0]}");
    check(&with("$unset: ['a.$[e]']", "{'e.k': {$lte: 2}}"), doc, "{a: [7]}");
    check(
        &with("$unset: ['a.$[e].v']", "{'e.v': {$in: [5]}}"),
        doc,
        "{a: [{k: 1}, {k: 2, v: 6}, 7]}",
    );
    check(
        &with("$set: {'a.$[e].w': 1, 'a.$[f].w': 2}", "{'e.k': 1}, {'f.w': 1}"),
        doc,
        "{a: [{k: 1, v: 5, w: 2}, {k: 2, v: 6}, 7]}",
    );
    check(
        &with("$unset: ['a.$[x]', 'a.1', 'a.$[y]'], $set: {'a.0': 0}", "{x: 1}, {y: 5}"),
        "{a: [1, 2, 3, 4, 5, 6]}",
        "{a: [0, 4, 6]}",
    );
    check(
        &with("$set: {'m.$[r].$[e]': 0}", "{r: {$size: 2}}, {e: {$gt: 1}}"),
        "{m: [[1, 2], [3], [4, 5]]}",
        "{m: [[1, 0], [3], [0, 0]]}",
    );
    // Of several filters of one name the last counts; a filter may stay unused.
    check(&with("$set: {'a.$[e]': 0}", "{e: 1}, {e: 2}, {z: 3}"), "{a: [1, 2]}", "{a: [1, 0]}");
}

/// The elements that a filter selects, by the positions that it sets to "x".
fn selected(filter: &str, elements: &str) -> Vec<usize> {
    let update = format!("{{$set: {{'a.$[e]': 'x'}}, array_filters: [{filter}]}}");
    let (_, result) = apply(ALL, &update, &format!("{{a: {elements}}}")).unwrap();
    let result = bson::Document::from_reader(bson_of(&result).as_slice()).unwrap();
    let is_set = |(_, element): &(usize, &bson::Bson)| element.as_str() == Some("x");
    result.get_array("a").unwrap().iter().enumerate().filter(is_set).map(|(at, _)| at).collect()
}

#[test]
fn array_filters_test_as_filters_do() {
    let elements = "[1, 2.0, 'b', null, [2, 3], {p: 2}, {p: null}, {}, true]";
    for (filter, expected) in [
        ("{e: 2}", &[1, 4][..]),
        ("{e: {$eq: 2}}", &[1, 4]),
        ("{e: {$ne: 2}}", &[0, 3]),
        ("{e: {$gt: 1}}", &[1, 4]),
        ("{e: {$gte: 1}}", &[0, 1, 4]),
        ("{e: {$lt: 2}}", &[0]),
        ("{e: {$lte: 2}}", &[0, 1, 4]),
        ("{e: {$in: [1, 'b', null]}}", &[0, 2, 3]),
        ("{e: {$in: [/^b/]}}", &[2]),
        ("{e: {$nin: [1, 2, 'b']}}", &[3, 5, 6, 7, 8]),
        ("{e: {$all: [3, 2]}}", &[4]),
        ("{e: {$size: 2}}", &[4]),
        ("{e: {$exists: true}}", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("{e: {$exists: false}}", &[]),
        ("{e: null}", &[3]),
        ("{e: {$ne: null}}", &[0, 1, 2, 4, 5, 6, 7, 8]),
        ("{e: true}", &[8]),
        ("{e: {$eq: {p: 2}}}", &[]),
        // With a path: missing is false but for existence, scalars ignore the path.
        ("{'e.p': 2}", &[1, 4, 5]),
        ("{'e.p': {$ne: 5}}", &[0, 1, 3, 4, 5, 6]),
        ("{'e.p': {$nin: [2]}}", &[0, 2, 3, 6, 8]),
        ("{'e.p': null}", &[3, 6]),
        ("{'e.p': {$exists: false}}", &[7]),
        ("{'e.p': {$exists: true}}", &[0, 1, 2, 3, 4, 5, 6, 8]),
        ("{'e.p.q': {$ne: 1}}", &[1, 3, 4]),
    ] {
        assert_eq!(selected(filter, elements), expected, "{filter}");
    }
    assert_eq!(selected("{'e.p': {$gt: 1}}", "[{p: [0, 5]}, {p: []}, {p: [{q: 1}]}]"), [0]);
    assert_eq!(selected("{'e.p.q': 1}", "[{p: [{q: 1}]}, {p: {q: [2]}}, {p: [3]}]"), [0]);
}

#[test]
fn the_matched_element_is_set() {
    let bigger = "{n:'cmp', p:'a', o:'gt', v:1}";
    check_where(bigger, "{$set: {'a.$': 0}}", "{a: [1, 2, 3]}", "{a: [1, 0, 3]}");
    check_where(bigger, "{$unset: ['a.$']}", "{a: [1, 2, 3]}", "{a: [1, null, 3]}");
    let item = "{n:'elem', p:'a', c:[{n:'cmp',p:'k',o:'eq',v:2},{n:'cmp',p:'v',o:'gt',v:5}]}";
    let doc = "{a: [{k: 2, v: 1}, {k: 2, v: 6}]}";
    check_where(item, "{$set: {'a.$.v': 0}}", doc, "{a: [{k: 2, v: 1}, {k: 2, v: 0}]}");
    check_where(
        item,
        "{$set: {'a.$.w.x': 0}}",
        doc,
        "{a: [{k: 2, v: 1}, {k: 2, v: 6, w: {x: 0}}]}",
    );
    check_where(item, "{$unset: {'a.$.v': 1}}", doc, "{a: [{k: 2, v: 1}, {k: 2}]}");
    let nested = "{n:'cmp', p:'x.0.a', o:'eq', v:2}";
    check_where(nested, "{$set: {'x.0.a.$': 0}}", "{x: [{a: [1, 2]}]}", "{x: [{a: [1, 0]}]}");
    let both = "{n:'and', c:[{n:'cmp',p:'a',o:'eq',v:2},{n:'cmp',p:'b',o:'eq',v:3}]}";
    check_where(
        both,
        "{$set: {'a.$': 0, 'b.$': 0, c: 1}}",
        "{a: [1, 2], b: [3, 4]}",
        "{a: [1, 0], b: [0, 4], c: 1}",
    );
    let deep = "{n:'elem', p:'a', c:[{n:'elem',p:'b',c:[{n:'cmp',o:'eq',v:2}]}]}";
    check_where(
        deep,
        "{$set: {'a.$.b.$[]': 0}}",
        "{a: [{b: [1]}, {b: [1, 2]}]}",
        "{a: [{b: [1]}, {b: [0, 0]}]}",
    );
    // The position counts when its change is made; one that is no longer there changes nothing.
    check_where(bigger, "{$set: {'a.$': 0}, $unset: ['a.0']}", "{a: [1, 2, 3]}", "{a: [2, 0]}");
    check_where(bigger, "{$set: {'a.$': 0}, $unset: ['a.1']}", "{a: [1, 2]}", "{a: [1]}");
}

#[test]
fn a_document_without_the_matched_element_fails() {
    let or = "{n:'or', c:[{n:'cmp',p:'a',o:'eq',v:2},{n:'cmp',p:'b',o:'eq',v:1}]}";
    for (doc, message) in [
        ("{b: 1}", "Field 'a' is not an array or does not exist"),
        ("{b: 1, a: 2}", "Field 'a' is not an array or does not exist"),
        ("{b: 1, a: []}", "Array 'a' is empty - no element to update"),
        ("{b: 1, a: [1]}", "No array element in 'a' matches the query condition"),
    ] {
        assert_eq!(refused_where(or, "{$set: {'a.$': 0}}", doc), message);
        assert_eq!(refused_where(or, "{$unset: {'a.$': 0}}", doc), message);
    }
    let many = "{n:'cmp', p:'a.b', o:'eq', v:2}";
    assert_eq!(
        refused_where(many, "{$set: {'a.b.$': 0}}", "{a: [{b: [2]}]}"),
        "Field 'a.b' is not an array or does not exist"
    );
}

#[test]
fn a_change_is_one_of_bytes() {
    let result = apply(ALL, "{$set: {a: 1}}", "{a: NumberLong(1)}").unwrap();
    assert_eq!(result, (true, "{\"a\": 1}".to_owned()));
    assert!(apply(ALL, "{$set: {a: 1.0}}", "{a: 1}").unwrap().0);
    assert!(!apply(ALL, "{$set: {'a.$[]': 1}}", "{a: [1, 1]}").unwrap().0);
}

#[test]
fn written_paths_have_no_positional_segments() {
    let update = "{$set: {'a.$[].b': 1, 'c.0.d': 2, 'a.$.b': 3, e: 4, 'f.$[x]': 5},
        $unset: ['g.$[]', 'e.h', 'c.0.d'], array_filters: [{x: 1}]}";
    let update = Update::compile(&bson_of(update), &filter("{n:'cmp',p:'a',o:'eq',v:1}")).unwrap();
    assert_eq!(update.paths(), ["g", "e.h", "c.0.d", "a.b", "e", "f"]);
}

#[test]
fn results_are_bounded() {
    let big = "x".repeat(MAX_DOCUMENT_BYTES / 2);
    let set = |fields: &str| format!("{{$set: {{{fields}}}}}");
    let doc = format!("{{a: [1, 2], b: '{big}'}}");
    for fields in [format!("c: '{big}'"), format!("'a.$[]': '{big}'")] {
        assert_eq!(apply(ALL, &set(&fields), &doc), Err(Error::TooLarge));
    }
    let half = big.get(..MAX_DOCUMENT_BYTES / 2 - 100).unwrap();
    assert!(apply(ALL, &set(&format!("c: '{half}'")), &doc).unwrap().0);
    let wide = format!("{{a: [{}]}}", vec!["0"; 40_000].join(","));
    let text = "y".repeat(1000);
    assert_eq!(apply(ALL, &set(&format!("'a.$[]': '{text}'")), &wide), Err(Error::TooLarge));

    let nested = |levels: usize| format!("{}1{}", "{a: ".repeat(levels), "}".repeat(levels));
    let path = |steps: usize| vec!["a"; steps].join(".");
    for (steps, levels, fits) in
        [(200, 0, true), (201, 0, false), (100, 100, true), (101, 100, false)]
    {
        let update = set(&format!("'{}': {}", path(steps), nested(levels)));
        let result = apply(ALL, &update, "{}").map(|(changed, _)| changed);
        let expected = if fits { Ok(true) } else { Err(Error::TooDeep) };
        assert_eq!(result, expected, "{steps} steps to {levels} levels");
    }
}

#[test]
fn an_error_leaves_the_output_alone() {
    let update = Update::compile(&bson_of("{$set: {b: 1}}"), &filter(ALL)).unwrap();
    let mut out = b"before".to_vec();
    let mut damaged = bson_of("{a: 'text', b: 2}");
    damaged[7] = 0xff;
    assert!(matches!(update.apply(&damaged, &mut out), Err(Error::Bson(_))));
    assert_eq!(out, b"before");
}

#[test]
fn of_fields_with_one_name_the_first_is_set_and_all_are_removed() {
    let mut twice = bson_of("{a: 1, b: 2, c: 3}");
    let at = twice.iter().position(|&byte| byte == b'b').unwrap();
    twice[at] = b'a';
    let apply = |update: &str| {
        let update = Update::compile(&bson_of(update), &filter(ALL)).unwrap();
        let mut out = Vec::new();
        update.apply(&twice, &mut out).unwrap();
        bson::RawDocumentBuf::from_bytes(out)
            .unwrap()
            .iter()
            .map(|element| element.unwrap())
            .map(|(name, value)| format!("{name}{}", value.as_i32().unwrap()))
            .collect::<String>()
    };
    assert_eq!(apply("{$set: {a: 9}}"), "a9a2c3");
    assert_eq!(apply("{$unset: ['a']}"), "c3");
}

#[test]
fn many_paths_take_one_pass() {
    let fields: Vec<String> = (0..20_000).map(|at| format!("f{at}: 1, 'g.h{at}': 2")).collect();
    let update = format!("{{$set: {{{}}}}}", fields.join(","));
    let (changed, result) = apply(ALL, &update, "{f7: 0}").unwrap();
    assert!(changed);
    assert!(result.starts_with(r#"{"f7": 1, "f0": 1, "g": {"h0": 2, "h1": 2, "#), "{:.80}", result);
    assert!(!apply(ALL, &update, &result).unwrap().0);
}
