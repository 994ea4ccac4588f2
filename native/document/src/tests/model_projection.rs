//! Projections against a naive one over value trees, written from the language's tables alone.

use bson::{Bson, Document, bson, doc};
use proptest::prelude::*;

use super::model::{Query, filter};
use super::model_update::satisfies;
use super::strategy::{document, value};
use super::{for_all, json_of};
use crate::{Filter, Projection};

/// What a specification says about one path.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    Listed,
    First(i32),
    Range(i32, i32),
    /// With the path of the array.
    Matched(String),
}

pub(super) type Entry = (String, Rule);

fn slice(array: &[Bson], rule: &Rule) -> Vec<Bson> {
    let length = array.len() as i64;
    let (from, to) = match *rule {
        Rule::First(count) if count >= 0 => (0, i64::from(count)),
        Rule::First(count) => (length + i64::from(count), length),
        Rule::Range(skip, limit) => {
            let from = if skip < 0 { (length + i64::from(skip)).max(0) } else { i64::from(skip) };
            (from, from + i64::from(limit))
        }
        _ => unreachable!("it is a slice"),
    };
    (0_i64..).zip(array).filter(|(at, _)| *at >= from && *at < to).map(|(_, e)| e.clone()).collect()
}

/// The entries below `name`, without it.
fn below(entries: &[Entry], name: &str) -> Vec<Entry> {
    let inner = |(path, rule): &Entry| {
        Some((path.strip_prefix(name)?.strip_prefix('.')?.to_owned(), rule.clone()))
    };
    entries.iter().filter_map(inner).collect()
}

fn include(doc: &Document, entries: &[Entry], query: &Query) -> Document {
    let mut result = Document::new();
    for (path, _) in entries {
        let name = path.split('.').next().unwrap();
        let Some(value) = doc.get(name) else { continue };
        let whole = entries.iter().find(|(path, _)| path == name);
        let projected = match (whole, value) {
            (Some((_, Rule::Matched(path))), Bson::Array(array)) => {
                Some(Bson::Array(matched(array, path, query)))
            }
            (Some((_, Rule::Matched(_))), _) => None,
            (Some((_, rule @ (Rule::First(_) | Rule::Range(..)))), Bson::Array(array)) => {
                Some(Bson::Array(slice(array, rule)))
            }
            (Some(_), value) => Some(value.clone()),
            (None, value) => include_inside(value, &below(entries, name), query),
        };
        if let Some(projected) = projected {
            result.insert(name, projected);
        }
    }
    result
}

fn include_inside(value: &Bson, entries: &[Entry], query: &Query) -> Option<Bson> {
    match value {
        Bson::Document(doc) => Some(include(doc, entries, query).into()),
        Bson::Array(array) => {
            let documents = array.iter().filter_map(Bson::as_document);
            Some(Bson::Array(documents.map(|doc| include(doc, entries, query).into()).collect()))
        }
        _ => None,
    }
}

fn matched(array: &[Bson], path: &str, query: &Query) -> Vec<Bson> {
    let fits = |(position, element): &(usize, &Bson)| {
        satisfies(query, path, element, *position).unwrap_or(true)
    };
    array.iter().enumerate().find(fits).map(|(_, element)| element.clone()).into_iter().collect()
}

fn exclude(doc: &Document, entries: &[Entry]) -> Document {
    let mut result = Document::new();
    for (name, value) in doc {
        let whole = entries.iter().find(|(path, _)| path == name);
        let value = match (whole, value) {
            (Some((_, Rule::Listed)), _) => continue,
            (Some((_, rule)), Bson::Array(array)) => Bson::Array(slice(array, rule)),
            (_, value) => exclude_inside(value, &below(entries, name)),
        };
        result.insert(name, value);
    }
    result
}

fn exclude_inside(value: &Bson, entries: &[Entry]) -> Bson {
    match value {
        Bson::Document(doc) => exclude(doc, entries).into(),
        Bson::Array(array) => {
            let each = |element: &Bson| match element {
                Bson::Document(doc) => exclude(doc, entries).into(),
                other => other.clone(),
            };
            Bson::Array(array.iter().map(each).collect())
        }
        other => other.clone(),
    }
}

/// Which of the entries that a random specification starts from go together: none on or below the
/// path of another if one of the two is a slice or positional, and those two kinds never meet.
fn compatible(entries: Vec<Entry>) -> Vec<Entry> {
    let is_plain = |rule: &Rule| matches!(rule, Rule::Listed);
    let is_matched = |rule: &Rule| matches!(rule, Rule::Matched(_));
    let overlaps = |left: &str, right: &str| {
        left == right
            || left.starts_with(&format!("{right}."))
            || right.starts_with(&format!("{left}."))
    };
    let mut kept: Vec<Entry> = Vec::new();
    for (path, rule) in entries {
        let collides = kept.iter().any(|(other, present)| {
            path == *other
                || (overlaps(&path, other) && !(is_plain(&rule) && is_plain(present)))
                || (is_matched(&rule) && !is_plain(present))
                || (is_matched(present) && !is_plain(&rule))
        });
        if !collides {
            kept.push((path, rule));
        }
    }
    kept
}

pub(super) fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let name = prop::sample::select(vec!["a", "a", "b", "c", "0", "é\""]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("."));
    let kind = prop_oneof![
        5 => Just(Rule::Listed),
        1 => (-3..4_i32).prop_map(Rule::First),
        1 => (-3..4_i32, 1..3_i32).prop_map(|(skip, limit)| Rule::Range(skip, limit)),
        1 => Just(Rule::Matched(String::new())),
    ];
    let entry = (path, kind).prop_map(|(path, rule)| match rule {
        Rule::Matched(_) => (path.clone(), Rule::Matched(path)),
        rule => (path, rule),
    });
    prop::collection::vec(entry, 0..10).prop_map(compatible)
}

pub(super) fn specification(entries: &[Entry], includes: bool, id: Option<bool>) -> Document {
    let mut spec = Document::new();
    for (path, rule) in entries {
        match rule {
            Rule::Listed => spec.insert(path, i32::from(includes)),
            Rule::First(count) => spec.insert(path, doc! { "$slice": count }),
            Rule::Range(skip, limit) => spec.insert(path, doc! { "$slice": [skip, limit] }),
            Rule::Matched(_) => spec.insert(format!("{path}.$"), 1.0),
        };
    }
    if let Some(id) = id {
        spec.insert("_id", bson!(i64::from(id)));
    }
    spec
}

fn project(
    doc: &Document,
    entries: &[Entry],
    (includes, id): (bool, Option<bool>),
    query: &Query,
) -> Document {
    let is_slice = |(_, rule): &Entry| matches!(rule, Rule::First(_) | Rule::Range(..));
    if entries.is_empty() && id.is_none() {
        return doc.clone();
    }
    let without_id = id == Some(false);
    let has_listed = entries.iter().any(|entry| !is_slice(entry));
    let is_inclusion = if has_listed { includes } else { entries.is_empty() && !without_id };
    let mut doc = doc.clone();
    let id = doc.remove("_id");
    let mut result = Document::new();
    if let (Some(id), false) = (id, without_id) {
        result.insert("_id", id);
    }
    result.extend(if is_inclusion {
        include(&doc, entries, query)
    } else {
        exclude(&doc, entries)
    });
    result
}

#[test]
fn projections_agree_with_the_naive_one() {
    let array = prop::collection::vec(value(), 0..5).prop_map(Bson::Array);
    let documents = (document(), array).prop_map(|(rest, array)| {
        let mut doc = doc! { "_id": 7, "a": array };
        doc.extend(rest.into_iter().filter(|(name, _)| name != "_id" && name != "a"));
        doc
    });
    let mode = (any::<bool>(), prop::option::weighted(0.3, any::<bool>()));
    for_all(2500, (entries(), mode, filter(), documents), |(mut entries, mode, query, doc)| {
        if !mode.0 {
            entries.retain(|(_, rule)| !matches!(rule, Rule::Matched(_)));
        }
        let spec = specification(&entries, mode.0, mode.1).to_vec().unwrap();
        let filter = Filter::parse(&query.program().to_vec().unwrap()).unwrap();
        let projection = Projection::compile(&spec, Some(&filter)).unwrap();
        let bytes = doc.to_vec().unwrap();
        let mut out = Vec::new();
        prop_assert_eq!(projection.apply(&bytes, &mut out), Ok(()));
        let expected = project(&doc, &entries, mode, &query).to_vec().unwrap();
        prop_assert_eq!(
            &out,
            &expected,
            "{} of {} gave {}",
            json_of(&spec),
            json_of(&bytes),
            json_of(&out)
        );
        Ok(())
    });
}
