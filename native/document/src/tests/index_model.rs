//! Indexes against naive models: order of keys, keys of a document, ranges of operands.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::collation::{collator, spec, text};
use super::model::at;
use super::strategy::{comparable, document, from_fields, value};
use super::{for_all, json_of};
use crate::{Collator, Error, Field, FieldKind, Filter, Index, Keys};

const KINDS: [FieldKind; 9] = [
    FieldKind::String,
    FieldKind::Int32,
    FieldKind::Int64,
    FieldKind::Double,
    FieldKind::Boolean,
    FieldKind::DateTime,
    FieldKind::Timestamp,
    FieldKind::Binary,
    FieldKind::ObjectId,
];

/// What a random index is made of.
#[derive(Debug, Clone)]
struct Definition {
    fields: Vec<(String, FieldKind, bool)>,
    spec: Option<String>,
    is_strict: bool,
}

impl Definition {
    fn collator(&self) -> Option<Arc<Collator>> {
        self.spec.as_deref().map(collator)
    }

    fn index(&self) -> Index {
        let field = |(path, kind, multi_key): &(String, FieldKind, bool)| {
            Field::new(path, *kind, *multi_key)
        };
        let mut fields: Vec<Field> = self.fields.iter().map(field).collect();
        match fields.len() {
            1 => Index::single("i", fields.remove(0), self.collator(), self.is_strict),
            _ => Index::compound("i", fields, self.collator(), self.is_strict),
        }
    }
}

fn definition() -> impl Strategy<Value = Definition> {
    let path = prop::sample::select(vec!["a", "b", "c", "a.b", "a.0", "b.c", "a.b.c"]);
    // Few kinds, so that values fit.
    let kind = prop::sample::select([&KINDS[..], &KINDS[..4], &KINDS[..4]].concat());
    let fields = prop::collection::vec((path.prop_map(str::to_owned), kind), 1..4);
    (fields, 0..4_usize, prop::option::of(spec()), any::<bool>()).prop_map(
        |(fields, multi_key, spec, is_strict)| {
            let fields = fields.into_iter().enumerate();
            let fields = fields.map(|(at, (path, kind))| (path, kind, at == multi_key)).collect();
            Definition { fields, spec, is_strict }
        },
    )
}

/// A document that has values of the declared kinds more often than not.
fn documents(definition: Definition) -> impl Strategy<Value = (Definition, Vec<Document>)> {
    let kinds: Vec<FieldKind> = definition.fields.iter().map(|field| field.1).collect();
    let kind = prop::sample::select(kinds);
    let fitting = kind.prop_flat_map(value_of).boxed();
    let array = prop::collection::vec(fitting.clone(), 0..3).prop_map(Bson::Array);
    let inner = prop_oneof![4 => fitting, 2 => array, 1 => value()].boxed();
    let fields = |names: &[&str], value: BoxedStrategy<Bson>| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        prop::collection::vec((prop::sample::select(names), value), 0..4).prop_map(from_fields)
    };
    let nested = fields(&["b", "c", "0"], inner.clone()).prop_map(Bson::Document).boxed();
    let several = prop::collection::vec(nested.clone(), 0..3).prop_map(Bson::Array);
    let any_value = prop_oneof![3 => inner, 1 => nested, 1 => several].boxed();
    let one = prop_oneof![5 => fields(&["a", "b", "c"], any_value), 1 => document()];
    (Just(definition), prop::collection::vec(one, 1..4))
}

/// A value of a declared kind, or null, or a number that widens.
fn value_of(kind: FieldKind) -> BoxedStrategy<Bson> {
    if kind == FieldKind::String {
        return prop_oneof![6 => text().prop_map(Bson::String), 1 => Just(Bson::Null)].boxed();
    }
    comparable()
        .prop_map(move |value| {
            if fits(kind, &value) {
                return value;
            }
            match (kind, value) {
                (FieldKind::Int32, Bson::Int64(number)) => Bson::Int32(number as i32),
                (FieldKind::Double, Bson::Int64(number)) => Bson::Double(number as f64),
                (FieldKind::Boolean, _) => Bson::Boolean(true),
                (FieldKind::DateTime, _) => Bson::DateTime(bson::DateTime::from_millis(-1)),
                _ => Bson::Null,
            }
        })
        .boxed()
}

fn fits(kind: FieldKind, value: &Bson) -> bool {
    matches!(
        (kind, value),
        (_, Bson::Null)
            | (FieldKind::String, Bson::String(_))
            | (FieldKind::Int32 | FieldKind::Int64 | FieldKind::Double, Bson::Int32(_))
            | (FieldKind::Int64, Bson::Int64(_))
            | (FieldKind::Double, Bson::Double(_))
            | (FieldKind::Boolean, Bson::Boolean(_))
            | (FieldKind::DateTime, Bson::DateTime(_))
            | (FieldKind::Timestamp, Bson::Timestamp(_))
            | (FieldKind::Binary, Bson::Binary(_))
            | (FieldKind::ObjectId, Bson::ObjectId(_))
    )
}

fn is_empty_array(value: &Bson) -> bool {
    matches!(value, Bson::Array(elements) if elements.is_empty())
}

/// The key of a row of values: that of a document that holds nothing else.
fn key_of(definition: &Definition, row: &[Bson]) -> Vec<u8> {
    let mut flat = definition.clone();
    let mut doc = Document::new();
    for (position, (field, value)) in flat.fields.iter_mut().zip(row).enumerate() {
        field.0 = format!("f{position}");
        doc.insert(field.0.clone(), value.clone());
    }
    let mut keys = Keys::new();
    flat.index().keys(&doc.to_vec().unwrap(), &mut keys).unwrap();
    assert_eq!(keys.len(), 1);
    keys.iter().next().unwrap().to_vec()
}

/// Keys, whether a value was skipped, and whether there is an empty array; `None` for a mismatch.
type Expected = Option<(BTreeSet<Vec<u8>>, bool, bool)>;

/// The table of what an index holds, over value trees.
fn expected(definition: &Definition, doc: &Document) -> Expected {
    let is_compound = definition.fields.len() > 1;
    let (mut rows, mut skipped, mut empty) = (vec![vec![]], false, false);
    for (path, kind, multi_key) in &definition.fields {
        let elements = match at(&Bson::Document(doc.clone()), path) {
            Some(Bson::Array(elements)) if !is_compound || *multi_key => {
                empty = elements.is_empty();
                if empty { vec![Bson::Array(Vec::new())] } else { elements }
            }
            Some(value) => vec![value],
            None => vec![Bson::Null],
        };
        let may_be_empty = !is_compound || *multi_key;
        let is_whole =
            |value: &&Bson| fits(*kind, value) || (may_be_empty && empty && is_empty_array(value));
        let good: Vec<&Bson> = elements.iter().filter(is_whole).collect();
        skipped |= good.len() < elements.len();
        rows = rows
            .iter()
            .flat_map(|row: &Vec<Bson>| {
                good.iter().map(|value| [row.clone(), vec![(*value).clone()]].concat())
            })
            .collect();
    }
    if skipped && definition.is_strict {
        return None;
    }
    let keys = rows.iter().map(|row| key_of(definition, row)).collect();
    Some((keys, skipped, empty))
}

#[test]
fn keys_are_those_of_the_naive_model() {
    for_all(2500, definition().prop_flat_map(documents), |(definition, docs)| {
        let index = definition.index();
        let mut keys = Keys::new();
        for doc in docs {
            let bytes = doc.to_vec().unwrap();
            match (index.keys(&bytes, &mut keys), expected(&definition, &doc)) {
                (Err(Error::IndexType(_)), None) => {}
                (Ok(()), Some((expected, skipped, empty))) => {
                    let found: Vec<Vec<u8>> = keys.iter().map(<[u8]>::to_vec).collect();
                    let expected: Vec<Vec<u8>> = expected.into_iter().collect();
                    let array = expected.len() > 1;
                    prop_assert_eq!(found, expected, "{}", json_of(&bytes));
                    prop_assert_eq!(keys.has_skipped(), skipped);
                    // A compound document that is skipped as a whole may do so before its array.
                    if !keys.is_empty() {
                        prop_assert_eq!((keys.has_array(), keys.is_empty_array()), (array, empty));
                    }
                }
                (found, expected) => {
                    prop_assert!(false, "{found:?} {expected:?} {}", json_of(&bytes));
                }
            }
        }
        Ok(())
    });
}

/// Whether `left operator right` passes a filter.
fn holds(left: &Bson, operator: &str, right: &Bson, collators: &[Arc<Collator>]) -> bool {
    let mut program = doc! { "n": "cmp", "p": "a", "o": operator, "v": right.clone() };
    if !collators.is_empty() {
        program.insert("k", 0);
    }
    let filter = Filter::parse_collated(&program.to_vec().unwrap(), collators).unwrap();
    filter.matches(&doc! { "a": left.clone() }.to_vec().unwrap()).unwrap()
}

#[test]
fn keys_are_in_the_order_of_their_values() {
    let pairs = prop::sample::select(KINDS.to_vec())
        .prop_flat_map(|kind| (Just(kind), value_of(kind), value_of(kind)));
    for_all(5000, (pairs, prop::option::of(spec())), |((kind, left, right), spec)| {
        let definition =
            Definition { fields: vec![("a".into(), kind, false)], spec, is_strict: true };
        let collators: Vec<Arc<Collator>> = definition.collator().into_iter().collect();
        let order = key_of(&definition, std::slice::from_ref(&left))
            .cmp(&key_of(&definition, std::slice::from_ref(&right)));
        let expected = match (&left, &right) {
            (Bson::Null, Bson::Null) => Ordering::Equal,
            (Bson::Null, _) => Ordering::Less,
            (_, Bson::Null) => Ordering::Greater,
            (Bson::Boolean(left), Bson::Boolean(right)) => left.cmp(right),
            _ if holds(&left, "lt", &right, &collators) => Ordering::Less,
            _ if holds(&left, "gt", &right, &collators) => Ordering::Greater,
            _ => Ordering::Equal,
        };
        prop_assert_eq!(order, expected);
        Ok(())
    });
}

/// A range on the fields before the last operand and a condition on that one's field.
#[derive(Debug, Clone)]
struct Lookup {
    definition: Definition,
    docs: Vec<Document>,
    operands: Vec<Bson>,
    operator: &'static str,
}

fn lookup() -> impl Strategy<Value = Lookup> {
    let operator = prop::sample::select(vec!["eq", "in", "gt", "gte", "lt", "lte"]);
    (definition(), 1..4_usize, operator).prop_flat_map(|(definition, count, operator)| {
        let definition = Definition { is_strict: false, ..definition };
        let kinds = definition.fields.iter().map(|field| field.1).take(count);
        let operands: Vec<_> =
            kinds.map(|kind| prop_oneof![4 => value_of(kind), 1 => comparable()]).collect();
        (documents(definition), operands).prop_map(move |((definition, docs), operands)| {
            let operator = if operands.last() == Some(&Bson::Null) { "eq" } else { operator };
            Lookup { definition, docs, operands, operator }
        })
    })
}

impl Lookup {
    fn program(&self) -> Document {
        let last = self.operands.len() - 1;
        let fields = self.definition.fields.iter().zip(&self.operands).enumerate();
        let nodes = fields.map(|(at, ((path, ..), operand))| {
            let mut node = match self.operator {
                "in" if at == last => doc! { "n": "in", "p": path, "v": [operand.clone()] },
                operator => {
                    let operator = if at == last { operator } else { "eq" };
                    doc! { "n": "cmp", "p": path, "o": operator, "v": operand.clone() }
                }
            };
            if self.definition.spec.is_some() {
                node.insert("k", 0);
            }
            node
        });
        doc! { "n": "and", "c": nodes.collect::<Vec<_>>() }
    }

    fn conditions(&self) -> Document {
        match (self.operator, self.operands.split_last()) {
            ("gt" | "gte" | "lt" | "lte", Some((last, leading))) => {
                doc! { "eq": leading.to_vec(), self.operator: last.clone() }
            }
            _ => doc! { "eq": self.operands.clone() },
        }
    }
}

/// Every document that passes has a key in the range: no plan loses a result.
#[test]
fn ranges_lose_no_document() {
    let (passed, missed) = (Cell::new(0), Cell::new(0));
    for_all(2500, lookup(), |lookup| {
        let index = lookup.definition.index();
        let conditions = lookup.conditions().to_vec().unwrap();
        let Some(range) = index.range(&conditions).unwrap() else { return Ok(()) };
        let collators: Vec<Arc<Collator>> = lookup.definition.collator().into_iter().collect();
        let program = lookup.program().to_vec().unwrap();
        let filter = Filter::parse_collated(&program, &collators).unwrap();
        let mut keys = Keys::new();
        for doc in &lookup.docs {
            let bytes = doc.to_vec().unwrap();
            index.keys(&bytes, &mut keys).unwrap();
            let passes = filter.matches(&bytes).unwrap();
            let (begin, end) = (range.begin.as_slice(), range.end.as_slice());
            let is_found = keys.iter().any(|key| begin <= key && key < end);
            prop_assert!(is_found || !passes || keys.has_skipped(), "{}", json_of(&bytes));
            passed.set(passed.get() + u32::from(passes));
            missed.set(missed.get() + u32::from(!is_found));
        }
        Ok(())
    });
    assert!(passed.get() > 100 && missed.get() > 100, "{passed:?} passed, {missed:?} lay outside");
}
