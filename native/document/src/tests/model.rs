//! Filters against a naive evaluator over value trees, written from the language's tables alone.

use std::cmp::Ordering;

use bson::{Bson, Document, bson, doc};
use proptest::prelude::*;

use super::strategy::{comparable, document, value};
use super::{for_all, json_of};
use crate::Filter;

/// A filter as the planner sees it.
#[derive(Debug, Clone)]
pub(super) enum Query {
    True,
    And(Vec<Query>),
    Or(Vec<Query>),
    Nor(Vec<Query>),
    Not(Box<Query>),
    Compare(String, &'static str, Bson),
    List(String, &'static str, Vec<Bson>),
    Size(String, i32),
    Exists(String, bool),
    Regex(String, &'static str),
    Element(String, Vec<Query>),
}

impl Query {
    /// The program that `Filter::parse` reads.
    pub(super) fn program(&self) -> Document {
        let mut program = self.program_at_path();
        // The tests of an element itself.
        if matches!(program.get_str("p"), Ok("")) {
            program.remove("p");
        }
        program
    }

    fn program_at_path(&self) -> Document {
        let nodes =
            |queries: &[Query]| -> Vec<Document> { queries.iter().map(Query::program).collect() };
        match self {
            Query::True => doc! { "n": "true" },
            Query::And(inner) => doc! { "n": "and", "c": nodes(inner) },
            Query::Or(inner) => doc! { "n": "or", "c": nodes(inner) },
            Query::Nor(inner) => doc! { "n": "nor", "c": nodes(inner) },
            Query::Not(inner) => doc! { "n": "not", "c": [inner.program()] },
            Query::Compare(path, operator, operand) => {
                doc! { "n": "cmp", "p": path, "o": *operator, "v": operand.clone() }
            }
            Query::List(path, kind, values) => doc! { "n": *kind, "p": path, "v": values.clone() },
            Query::Size(path, length) => doc! { "n": "size", "p": path, "v": *length },
            Query::Exists(path, expected) => doc! { "n": "exists", "p": path, "v": *expected },
            Query::Regex(path, pattern) => doc! { "n": "regex", "p": path, "v": regex(pattern) },
            Query::Element(path, inner) => doc! { "n": "elem", "p": path, "c": nodes(inner) },
        }
    }

    pub(super) fn passes(&self, scope: &Bson) -> bool {
        let all = |queries: &[Query]| queries.iter().all(|query| query.passes(scope));
        let any = |queries: &[Query]| queries.iter().any(|query| query.passes(scope));
        match self {
            Query::True => true,
            Query::And(inner) => all(inner),
            Query::Or(inner) => any(inner),
            Query::Nor(inner) => !any(inner),
            Query::Not(inner) => !inner.passes(scope),
            Query::Compare(path, operator, operand) => compare(at(scope, path), operator, operand),
            Query::List(path, kind, values) => list(at(scope, path), kind, values),
            Query::Size(path, length) => match at(scope, path) {
                Some(Bson::Array(array)) => array.len() == *length as usize,
                _ => false,
            },
            Query::Exists(path, expected) => at(scope, path).is_some() == *expected,
            Query::Regex(path, pattern) => match at(scope, path) {
                Some(Bson::Array(array)) => {
                    array.iter().any(|element| meets(element, &regex(pattern)))
                }
                Some(value) => meets(&value, &regex(pattern)),
                None => false,
            },
            Query::Element(path, inner) => match at(scope, path) {
                Some(Bson::Array(array)) => {
                    array.iter().any(|element| inner.iter().all(|query| query.passes(element)))
                }
                _ => false,
            },
        }
    }
}

pub(super) fn regex(pattern: &str) -> Bson {
    Bson::RegularExpression(bson::Regex {
        pattern: pattern.to_owned().try_into().unwrap(),
        options: String::new().try_into().unwrap(),
    })
}

/// The value at a path; inside an array element that is no document every path but "" is missing.
pub(super) fn at(scope: &Bson, path: &str) -> Option<Bson> {
    if path.is_empty() {
        return Some(scope.clone());
    }
    let names: Vec<&str> = path.split('.').collect();
    if matches!(scope, Bson::Document(_)) { resolve(scope, &names) } else { None }
}

fn resolve(value: &Bson, names: &[&str]) -> Option<Bson> {
    let Some((name, rest)) = names.split_first() else { return Some(value.clone()) };
    match value {
        Bson::Document(doc) => resolve(doc.get(name)?, rest),
        Bson::Array(array) => match name.parse::<usize>() {
            Ok(index) => resolve(array.get(index)?, rest),
            Err(_) => {
                let documents = array.iter().filter(|element| matches!(element, Bson::Document(_)));
                let hits: Vec<Bson> = documents.filter_map(|doc| resolve(doc, names)).collect();
                let flat = hits.iter().flat_map(|hit| match hit {
                    Bson::Array(inner) => inner.clone(),
                    single => vec![single.clone()],
                });
                if hits.is_empty() { None } else { Some(Bson::Array(flat.collect())) }
            }
        },
        _ => None,
    }
}

fn compare(value: Option<Bson>, operator: &str, operand: &Bson) -> bool {
    let nullish = matches!(value, None | Some(Bson::Null));
    if *operand == Bson::Null {
        return if operator == "eq" { nullish } else { !nullish };
    }
    let Some(value) = value.filter(|_| !nullish) else { return operator == "ne" };
    match &value {
        Bson::Array(array) if operator == "ne" => !array.iter().any(|e| scalar(e, "eq", operand)),
        Bson::Array(array) => array.iter().any(|element| scalar(element, operator, operand)),
        single => scalar(single, operator, operand),
    }
}

pub(super) fn scalar(value: &Bson, operator: &str, operand: &Bson) -> bool {
    match (operator, equal(value, operand), order(value, operand)) {
        ("eq", equal, _) => equal == Some(true),
        ("ne", equal, _) => equal == Some(false),
        ("gt", _, order) => order == Some(Ordering::Greater),
        ("gte", _, order) => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        ("lt", _, order) => order == Some(Ordering::Less),
        (_, _, order) => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}

fn list(value: Option<Bson>, kind: &str, values: &[Bson]) -> bool {
    let nullish = matches!(value, None | Some(Bson::Null));
    let value = match value.filter(|_| !nullish) {
        None if kind == "all" => return false,
        None => return values.contains(&Bson::Null) == (kind == "in"),
        Some(value) => value,
    };
    match (kind, value) {
        ("all", Bson::Array(array)) => {
            values.iter().all(|listed| array.iter().any(|element| meets(element, listed)))
        }
        ("all", _) => false,
        (_, Bson::Array(array)) => {
            array.iter().any(|element| values.iter().any(|listed| meets(element, listed)))
                == (kind == "in")
        }
        (_, single) => values.iter().any(|listed| meets(&single, listed)) == (kind == "in"),
    }
}

/// Equal to a listed value, or a string that contains the listed pattern, which is plain text here.
pub(super) fn meets(value: &Bson, listed: &Bson) -> bool {
    match (value, listed) {
        (Bson::String(text), Bson::RegularExpression(regex)) => {
            text.contains(regex.pattern.as_str())
        }
        (_, Bson::RegularExpression(_)) => false,
        _ => equal(value, listed) == Some(true),
    }
}

pub(super) fn equal(left: &Bson, right: &Bson) -> Option<bool> {
    match (left, right) {
        (Bson::Null, Bson::Null) => Some(true),
        (Bson::Boolean(left), Bson::Boolean(right)) => Some(left == right),
        (Bson::Array(left), Bson::Array(right)) => Some(
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(left, right) == Some(true)),
        ),
        _ => order(left, right).map(|order| order == Ordering::Equal),
    }
}

fn order(left: &Bson, right: &Bson) -> Option<Ordering> {
    match (left, right) {
        (Bson::String(left), Bson::String(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Bson::DateTime(left), Bson::DateTime(right)) => Some(left.cmp(right)),
        (Bson::Timestamp(left), Bson::Timestamp(right)) => {
            Some((left.time, left.increment).cmp(&(right.time, right.increment)))
        }
        (Bson::Binary(left), Bson::Binary(right)) => Some(left.bytes.cmp(&right.bytes)),
        (Bson::ObjectId(left), Bson::ObjectId(right)) => Some(left.bytes().cmp(&right.bytes())),
        (Bson::Double(left), Bson::Double(right)) if !left.is_nan() && !right.is_nan() => {
            left.partial_cmp(right)
        }
        _ => Some(sort_key(&decimal_text(left)?).cmp(&sort_key(&decimal_text(right)?))),
    }
}

fn decimal_text(number: &Bson) -> Option<String> {
    Some(match number {
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) => format!("{number:e}"),
        Bson::Decimal128(number) => number.to_string(),
        _ => return None,
    })
}

/// A key whose order is that of the numbers: sign class, scale, digits. All parts are mirrored for
/// negative numbers.
fn sort_key(text: &str) -> (i32, i32, Vec<i32>) {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => (-1, magnitude),
        None => (1, text),
    };
    match magnitude.to_lowercase().as_str() {
        "nan" => return (3, 0, vec![]),
        "inf" | "infinity" => return (2 * sign, 0, vec![]),
        _ => {}
    }
    let (digits, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut digits: Vec<i32> =
        whole.bytes().chain(fraction.bytes()).map(|d| i32::from(d - b'0')).collect();
    let mut scale = exponent.parse::<i32>().unwrap() + whole.len() as i32;
    while digits.first() == Some(&0) {
        digits.remove(0);
        scale -= 1;
    }
    if digits.is_empty() {
        return (0, 0, vec![]);
    }
    digits.resize(60, 0);
    (sign, sign * scale, digits.into_iter().map(|digit| sign * digit).collect())
}

fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "0", "1"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("."))
}

/// A query without operands outside the language. Paths may be "" inside elements.
pub(super) fn filter() -> impl Strategy<Value = Query> {
    query(path().boxed(), 2)
}

fn query(path: BoxedStrategy<String>, element_levels: u32) -> BoxedStrategy<Query> {
    let operand = prop_oneof![
        8 => comparable(),
        1 => prop::collection::vec(comparable(), 0..3).prop_map(Bson::Array),
        1 => Just(bson!({ "a": 1 })),
    ];
    let listed = prop_oneof![6 => operand.clone(), 1 => Just(regex("a")), 1 => Just(regex(""))];
    let operator = prop::sample::select(vec!["eq", "ne", "gt", "gte", "lt", "lte"]);
    let kind = prop::sample::select(vec!["in", "nin", "all"]);
    let compare = (path.clone(), operator, operand).prop_map(|(path, operator, operand)| {
        let operator = if operand == Bson::Null && operator != "ne" { "eq" } else { operator };
        Query::Compare(path, operator, operand)
    });
    let list = (path.clone(), kind, prop::collection::vec(listed, 0..4))
        .prop_map(|(path, kind, values)| Query::List(path, kind, values));
    let mut leaves = vec![
        (6, compare.boxed()),
        (3, list.boxed()),
        (1, (path.clone(), 0..3_i32).prop_map(|(path, size)| Query::Size(path, size)).boxed()),
        (1, (path.clone(), any::<bool>()).prop_map(|(path, b)| Query::Exists(path, b)).boxed()),
        (1, path.clone().prop_map(|path| Query::Regex(path, "b")).boxed()),
        (1, Just(Query::True).boxed()),
    ];
    if element_levels > 0 {
        let inner_path = prop_oneof![Just(String::new()), self::path()].boxed();
        let inner = prop::collection::vec(query(inner_path, element_levels - 1), 0..3);
        leaves
            .push((3, (path, inner).prop_map(|(path, inner)| Query::Element(path, inner)).boxed()));
    }
    prop::strategy::Union::new_weighted(leaves)
        .prop_recursive(3, 8, 3, |inner| {
            let several = prop::collection::vec(inner.clone(), 0..3);
            prop_oneof![
                several.clone().prop_map(Query::And),
                several.clone().prop_map(Query::Or),
                several.prop_map(Query::Nor),
                inner.prop_map(|query| Query::Not(Box::new(query))),
            ]
        })
        .boxed()
}

#[test]
fn filters_agree_with_the_naive_evaluator() {
    for_all(2500, (filter(), document()), |(query, doc)| {
        let program = query.program().to_vec().unwrap();
        let bytes = doc.to_vec().unwrap();
        let filter = Filter::parse(&program).unwrap();
        let expected = query.passes(&Bson::Document(doc));
        prop_assert_eq!(filter.matches(&bytes), Ok(expected), "{}", json_of(&bytes));
        Ok(())
    });
}

#[test]
fn single_tests_agree_with_the_naive_evaluator() {
    let paths =
        prop::sample::select(vec!["a", "a.b", "a.0", "a.b.c", "a.0.b"]).prop_map(str::to_owned);
    let documents = prop::collection::vec(document().prop_map(Bson::Document), 0..3);
    let values = prop_oneof![value(), documents.prop_map(Bson::Array)];
    for_all(4000, (query(paths.boxed(), 1), values), |(query, value)| {
        let doc = doc! { "b": 1, "a": value };
        let bytes = doc.to_vec().unwrap();
        let filter = Filter::parse(&query.program().to_vec().unwrap()).unwrap();
        let expected = query.passes(&Bson::Document(doc));
        prop_assert_eq!(filter.matches(&bytes), Ok(expected), "{}", json_of(&bytes));
        Ok(())
    });
}
