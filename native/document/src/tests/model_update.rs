//! Updates and the matched element against naive ones over value trees, written from the language's
//! tables alone: one change after the other, on an owned tree.

use bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::model::{Query, equal, filter, meets, regex, scalar};
use super::strategy::{comparable, document, value};
use super::{for_all, json_of};
use crate::{Error, Filter, Update};

/// Whether `element` satisfies the conditions of `query` on the array at `array`, whose element
/// `position` it is; `None` if there are none.
pub(super) fn satisfies(
    query: &Query,
    array: &str,
    element: &Bson,
    position: usize,
) -> Option<bool> {
    let inner = |queries: &[Query]| -> Vec<bool> {
        queries.iter().filter_map(|query| satisfies(query, array, element, position)).collect()
    };
    match query {
        Query::And(queries) => {
            let results = inner(queries);
            (!results.is_empty()).then(|| results.iter().all(|&result| result))
        }
        Query::Or(queries) => {
            let results = inner(queries);
            (!results.is_empty()).then(|| results.contains(&true))
        }
        Query::True | Query::Nor(_) | Query::Not(_) | Query::Size(..) => None,
        Query::Compare(path, ..)
        | Query::List(path, ..)
        | Query::Exists(path, _)
        | Query::Regex(path, _)
        | Query::Element(path, _) => {
            if path == array {
                return Some(is_hit(query, element));
            }
            let rest = path.strip_prefix(array)?.strip_prefix('.')?;
            let (first, below) = rest.split_once('.').map_or((rest, ""), |_| {
                let end = rest.find('.').unwrap();
                (&rest[..end], &rest[end..])
            });
            if let Ok(index) = first.parse::<usize>() {
                let query = with_path(query, format!("e{below}"), false);
                return Some(
                    index == position && query.passes(&doc! { "e": element.clone() }.into()),
                );
            }
            let query = with_path(query, format!("e.{rest}"), true);
            Some(query.passes(&doc! { "e": [element.clone()] }.into()))
        }
    }
}

/// Whether the element itself meets a condition on the array.
fn is_hit(query: &Query, element: &Bson) -> bool {
    match query {
        Query::Compare(_, "eq", Bson::Null) => *element == Bson::Null,
        Query::Compare(_, "ne", Bson::Null) => *element != Bson::Null,
        Query::Compare(_, "ne", operand) => equal(element, operand) != Some(true),
        Query::Compare(_, operator, operand) => scalar(element, operator, operand),
        Query::List(_, kind, values) => {
            values.iter().any(|listed| meets(element, listed)) == (*kind != "nin")
        }
        Query::Exists(_, expected) => *expected,
        Query::Regex(_, pattern) => meets(element, &regex(pattern)),
        Query::Element(_, inner) => inner.iter().all(|query| query.passes(element)),
        _ => unreachable!("it has a path"),
    }
}

/// The condition at another path. Where the path goes through the array nulls count as values.
fn with_path(query: &Query, path: String, through_array: bool) -> Query {
    match query {
        Query::Compare(_, operator @ ("eq" | "ne"), Bson::Null) if through_array => {
            let kind = if *operator == "eq" { "in" } else { "nin" };
            Query::List(path, kind, vec![Bson::Null])
        }
        Query::Compare(_, operator, operand) => Query::Compare(path, operator, operand.clone()),
        Query::List(_, kind, values) => {
            let kind = if *kind == "all" { "in" } else { *kind };
            Query::List(path, kind, values.clone())
        }
        Query::Exists(_, expected) => Query::Exists(path, *expected),
        Query::Regex(_, pattern) => Query::Regex(path, pattern),
        Query::Element(_, inner) => Query::Element(path, inner.clone()),
        other => other.clone(),
    }
}

#[test]
fn matched_elements_agree_with_the_naive_finder() {
    let elements = prop::collection::vec(value(), 0..5);
    for_all(1500, (filter(), elements), |(query, elements)| {
        let compiled = Filter::parse(&query.program().to_vec().unwrap()).unwrap();
        let conditions = compiled.conditions_on("a").unwrap();
        let has_any = satisfies(&query, "a", &Bson::Null, 0).is_some();
        prop_assert_eq!(conditions.is_some(), has_any);
        if let Some(conditions) = conditions {
            let fits = |(position, element): (usize, &Bson)| {
                satisfies(&query, "a", element, position) == Some(true)
            };
            let expected = elements.iter().enumerate().position(fits);
            let doc = doc! { "a": elements }.to_vec().unwrap();
            let array = &doc[7..doc.len() - 1];
            prop_assert_eq!(conditions.first(array), Ok(expected), "{}", json_of(&doc));
        }
        Ok(())
    });
}

/// A test in `array_filters`, by the path in the element.
#[derive(Debug, Clone)]
pub(super) struct Item {
    path: &'static str,
    operator: &'static str,
    operand: Bson,
}

impl Item {
    fn passes(&self, element: &Bson) -> bool {
        let path = if matches!(element, Bson::Document(_)) { self.path } else { "" };
        let exists = Query::Exists(path.into(), true).passes(element);
        let path = path.to_owned();
        let listed = || self.operand.as_array().unwrap().clone();
        let query = match self.operator {
            "exists" => return exists == self.operand.as_bool().unwrap(),
            "size" => Query::Size(path, self.operand.as_i32().unwrap()),
            kind @ ("in" | "nin" | "all") => Query::List(path, kind, listed()),
            operator => Query::Compare(path, operator, self.operand.clone()),
        };
        exists && query.passes(element)
    }

    fn document(&self, name: &str) -> Document {
        let key = if self.path.is_empty() { name.into() } else { format!("{name}.{}", self.path) };
        let operator = format!("${}", self.operator);
        doc! { key: { operator: self.operand.clone() } }
    }
}

pub(super) fn item() -> impl Strategy<Value = Item> {
    let path = prop::sample::select(vec!["", "", "a", "b", "a.b", "b.0"]);
    let operator = prop::sample::select(vec!["eq", "ne", "gt", "gte", "lt", "lte"]);
    let list = prop::collection::vec(comparable(), 0..3).prop_map(Bson::Array);
    let kind = prop::sample::select(vec!["in", "nin", "all"]);
    let test = prop_oneof![
        4 => (operator, comparable()),
        2 => (kind, list),
        1 => (Just("size"), (0..3_i32).prop_map(Bson::Int32)),
        1 => (Just("exists"), any::<bool>().prop_map(Bson::Boolean)),
    ];
    (path, test).prop_map(|(path, (operator, operand))| {
        let is_order = matches!(operator, "gt" | "gte" | "lt" | "lte");
        let operator = if operand == Bson::Null && is_order { "eq" } else { operator };
        Item { path, operator, operand }
    })
}

/// One path and the new value, if it is set.
pub(super) type Change = (String, Option<Bson>);

struct Naive<'a> {
    x: &'a Item,
    y: &'a Item,
    matched: Option<usize>,
    is_insert: bool,
}

impl Naive<'_> {
    fn update(&self, doc: &Document, changes: &[Change]) -> Document {
        let mut doc = Bson::Document(doc.clone());
        let is_removed = |path: &str| changes.iter().any(|(p, new)| p == path && new.is_none());
        let mut removed: Vec<&str> = Vec::new();
        for (path, _) in changes.iter().filter(|(_, new)| new.is_none()) {
            if !removed.contains(&path.as_str()) {
                removed.push(path);
                self.change(&mut doc, &path.split('.').collect::<Vec<_>>(), None);
            }
        }
        for (path, new) in changes.iter().filter(|(path, _)| !is_removed(path)) {
            self.change(&mut doc, &path.split('.').collect::<Vec<_>>(), new.as_ref());
        }
        doc.as_document().unwrap().clone()
    }

    fn change(&self, value: &mut Bson, path: &[&str], new: Option<&Bson>) {
        match value {
            Bson::Document(doc) => self.change_document(doc, path, new),
            Bson::Array(array) => self.change_array(array, path, new),
            _ => {}
        }
    }

    fn change_document(&self, doc: &mut Document, path: &[&str], new: Option<&Bson>) {
        let (name, rest) = path.split_first().unwrap();
        if name.starts_with('$') {
            return;
        }
        match (rest.first(), new) {
            (None, None) => drop(doc.remove(name)),
            (None, Some(new)) => drop(doc.insert(*name, new.clone())),
            (Some(next), _) => {
                let is_positional = rest.iter().any(|name| name.starts_with('$'));
                let index = next.parse::<usize>().ok();
                let blocks = match doc.get(name) {
                    None => new.is_some() && !is_positional,
                    Some(present) => self.gives_way(present, next),
                };
                if blocks {
                    let is_array = index.is_some() && !self.is_insert;
                    let new = if is_array { Bson::Array(vec![]) } else { doc! {}.into() };
                    doc.insert(*name, new);
                }
                if let Some(inner) = doc.get_mut(name) {
                    self.change(inner, rest, new);
                }
            }
        }
    }

    /// Whether a value stands in the way of a path in a document to insert.
    fn gives_way(&self, value: &Bson, next: &str) -> bool {
        self.is_insert
            && match value {
                Bson::Document(_) => false,
                Bson::Array(array) => next.parse().map_or(true, |at: usize| at >= array.len()),
                _ => true,
            }
    }

    fn change_array(&self, array: &mut Vec<Bson>, path: &[&str], new: Option<&Bson>) {
        let (step, rest) = path.split_first().unwrap();
        let is_target = |position: usize, element: &Bson| match *step {
            "$" => Some(position) == self.matched,
            "$[]" => true,
            "$[x]" => self.x.passes(element),
            "$[y]" => self.y.passes(element),
            name => name.parse() == Ok(position),
        };
        let targets: Vec<usize> =
            (0..array.len()).filter(|&at| is_target(at, &array[at])).collect();
        for &at in targets.iter().rev() {
            match (rest.is_empty(), new) {
                (true, None) if *step == "$" => array[at] = Bson::Null,
                (true, None) => drop(array.remove(at)),
                (true, Some(new)) => array[at] = new.clone(),
                (false, _) => {
                    if self.gives_way(&array[at], rest[0]) {
                        array[at] = doc! {}.into();
                    }
                    self.change(&mut array[at], rest, new);
                }
            }
        }
    }
}

pub(super) fn changes(steps: &'static [&'static str]) -> impl Strategy<Value = Vec<Change>> {
    let names = prop::sample::select(vec!["a", "a", "a", "b", "c"]);
    let step = prop::sample::select(steps);
    let path = (names, prop::collection::vec(step, 0..4)).prop_map(|(first, rest)| {
        let mut path = first.to_owned();
        for step in rest {
            path.push('.');
            path.push_str(step);
        }
        path
    });
    let small = prop_oneof![comparable(), value()];
    prop::collection::vec((path, prop::option::weighted(0.6, small)), 0..6)
}

pub(super) fn update_of(changes: &[Change], x: &Item, y: &Item, is_upsert: bool) -> Document {
    let mut set = Document::new();
    let mut unset = Vec::new();
    for (path, new) in changes {
        match new {
            Some(new) => drop(set.insert(path, new.clone())),
            None => unset.push(path.clone()),
        }
    }
    let filters = vec![x.document("x"), y.document("y")];
    doc! { "$set": set, "$unset": unset, "array_filters": filters, "upsert": is_upsert }
}

/// As a map of paths has them: a path that comes again keeps its place and takes the new value.
pub(super) fn merged(changes: Vec<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::new();
    for (path, new) in changes {
        match merged.iter_mut().find(|(p, old)| *p == path && old.is_some() == new.is_some()) {
            Some(slot) => slot.1 = new,
            None => merged.push((path, new)),
        }
    }
    merged
}

/// Documents whose arrays hold arrays and documents.
pub(super) fn nested() -> impl Strategy<Value = Document> {
    let inner = prop_oneof![
        3 => document().prop_map(Bson::Document),
        2 => prop::collection::vec(comparable(), 0..4).prop_map(Bson::Array),
        2 => comparable(),
    ];
    let array = prop::collection::vec(inner, 0..5).prop_map(Bson::Array);
    (array, document()).prop_map(|(array, rest)| {
        let mut doc = doc! { "b": 1, "a": array };
        doc.extend(rest.into_iter().filter(|(name, _)| name != "a"));
        doc
    })
}

#[test]
fn updates_agree_with_the_naive_ones() {
    let steps = &["a", "b", "0", "1", "$[]", "$[]", "$[x]", "$[x]", "$[y]"];
    let documents = prop_oneof![nested(), document()];
    for_all(2500, (changes(steps), item(), item(), documents), |(changes, x, y, doc)| {
        let changes = merged(changes);
        let update = update_of(&changes, &x, &y, false).to_vec().unwrap();
        let all = Filter::parse(&doc! { "n": "true" }.to_vec().unwrap()).unwrap();
        let compiled = Update::compile(&update, &all).unwrap();
        let naive = Naive { x: &x, y: &y, matched: None, is_insert: false };
        let expected = naive.update(&doc, &changes).to_vec().unwrap();
        let before = doc.to_vec().unwrap();
        let mut out = Vec::new();
        prop_assert_eq!(compiled.apply(&before, &mut out), Ok(expected != before));
        prop_assert_eq!(&out, &expected, "{} became {}", json_of(&before), json_of(&out));
        Ok(())
    });
}

#[test]
fn updates_of_the_matched_element_agree_with_the_naive_ones() {
    for_all(
        6000,
        (changes(&["a", "0"]), filter(), item(), nested()),
        |(mut changes, query, x, doc)| {
            // The matched element of `a` stands in for the first step after it.
            for (path, _) in &mut changes {
                if let Some(rest) = path.strip_prefix("a.") {
                    *path = format!("a.${}", rest.trim_start_matches(|c| c != '.'));
                }
            }
            let changes = merged(changes);
            let filter = Filter::parse(&query.program().to_vec().unwrap()).unwrap();
            let update = update_of(&changes, &x, &x, false).to_vec().unwrap();
            let compiled = Update::compile(&update, &filter);
            let array = doc.get_array("a").unwrap();
            let mut matched = None;
            if changes.iter().any(|(path, _)| path.starts_with("a.$")) {
                if satisfies(&query, "a", &Bson::Null, 0).is_none() {
                    prop_assert!(matches!(compiled, Err(Error::Update(_))));
                    return Ok(());
                }
                matched = array
                    .iter()
                    .enumerate()
                    .position(|(at, element)| satisfies(&query, "a", element, at) == Some(true));
                if matched.is_none() {
                    let result = compiled.unwrap().apply(&doc.to_vec().unwrap(), &mut Vec::new());
                    prop_assert!(matches!(result, Err(Error::Update(_))));
                    return Ok(());
                }
            }
            let naive = Naive { x: &x, y: &x, matched, is_insert: false };
            let expected = naive.update(&doc, &changes).to_vec().unwrap();
            let mut out = Vec::new();
            compiled.unwrap().apply(&doc.to_vec().unwrap(), &mut out).unwrap();
            prop_assert_eq!(&out, &expected, "{}", json_of(&out));
            Ok(())
        },
    );
}

/// What a filter wants to be equal.
fn equalities(query: &Query, found: &mut Vec<Change>) {
    match query {
        Query::Compare(path, "eq", operand) => found.push((path.clone(), Some(operand.clone()))),
        Query::And(inner) => inner.iter().for_each(|query| equalities(query, found)),
        _ => {}
    }
}

#[test]
fn upserts_agree_with_the_naive_ones() {
    let steps = &["a", "b", "0", "1", "$[]"];
    for_all(1500, (changes(steps), filter(), item()), |(changes, query, x)| {
        let changes = merged(changes);
        let filter = Filter::parse(&query.program().to_vec().unwrap()).unwrap();
        let update = update_of(&changes, &x, &x, true).to_vec().unwrap();
        let compiled = Update::compile(&update, &filter).unwrap();
        let is_removed = |path: &str| changes.iter().any(|(p, new)| p == path && new.is_none());
        let mut all = Vec::new();
        equalities(&query, &mut all);
        all.extend(
            changes
                .iter()
                .filter(|(path, new)| new.is_some() && !path.contains('$') && !is_removed(path))
                .cloned(),
        );
        let naive = Naive { x: &x, y: &x, matched: None, is_insert: true };
        let expected = naive.update(&doc! {}, &all).to_vec().unwrap();
        let inserted = compiled.upsert_document(&filter).unwrap();
        prop_assert_eq!(&inserted, &expected, "{}", json_of(&inserted));
        Ok(())
    });
}
