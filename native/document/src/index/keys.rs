//! The keys of a document.

use super::component::Component;
use super::{Field, Index};
use crate::MAX_INDEX_KEY_BYTES;
use crate::error::{Error, IndexMismatch};
use crate::filter::path::{self, Array, Found};
use crate::raw::{Damaged, Value};

/// The keys of one document in one index. Meant to be used again for the next document.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    /// Start and end in `bytes`, in the order of the keys.
    spans: Vec<(usize, usize)>,
    has_array: bool,
    has_skipped: bool,
    is_empty_array: bool,
}

impl Keys {
    /// No keys.
    pub fn new() -> Keys {
        Keys::default()
    }

    /// The keys, ascending, each once.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| self.at(*span))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no key, which only happens if values were skipped.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether an array gives the document several keys. It may meet two bounds with two of them,
    /// so bounds of an index with such a document must not be intersected.
    pub fn has_array(&self) -> bool {
        self.has_array
    }

    /// Whether a value has no key because of its type. Reads through an index with such a document
    /// would lose it.
    pub fn has_skipped(&self) -> bool {
        self.has_skipped
    }

    /// Whether the key stands for an empty array, which is not subject to uniqueness.
    pub fn is_empty_array(&self) -> bool {
        self.is_empty_array
    }

    fn at(&self, (start, end): (usize, usize)) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.has_array = false;
        self.has_skipped = false;
        self.is_empty_array = false;
    }

    /// Ends the key that began at `start`.
    fn end_key(&mut self, start: usize) -> Result<(), Error> {
        if self.bytes.len() - start > MAX_INDEX_KEY_BYTES {
            return Err(Error::KeyTooLarge);
        }
        self.spans.push((start, self.bytes.len()));
        Ok(())
    }

    fn sort(&mut self) {
        if self.spans.len() < 2 {
            return;
        }
        let bytes = &self.bytes;
        let at = |span: &(usize, usize)| bytes.get(span.0..span.1);
        self.spans.sort_unstable_by(|left, right| at(left).cmp(&at(right)));
        self.spans.dedup_by(|left, right| at(left) == at(right));
    }
}

/// What a document holds for the fields of a compound key: one value each, or an array for one.
struct Row<'a, 'p> {
    head: Vec<Component<'a>>,
    array: Option<(&'p Field, Array<'a, 'p>)>,
    tail: Vec<Component<'a>>,
}

/// A value or an array for a field.
enum Entry<'a, 'p> {
    Single(Component<'a>),
    Array(Array<'a, 'p>),
    Mismatch(&'static str),
}

impl Index {
    /// Puts the keys of `doc` into `keys`, whatever was there before.
    ///
    /// # Errors
    /// [`Error::IndexType`] if the index is strict and a value does not fit;
    /// [`Error::KeyTooLarge`]; [`Error::Bson`] if `doc` is damaged. `keys` is then of no use.
    pub fn keys(&self, doc: &[u8], keys: &mut Keys) -> Result<(), Error> {
        keys.clear();
        match self.fields.as_slice() {
            [field] => match self.entry(field, doc)? {
                Entry::Single(component) => {
                    component.encode(self.collator.as_deref(), &mut keys.bytes);
                    keys.end_key(0)
                }
                Entry::Array(array) => {
                    let row = Row { head: vec![], array: Some((field, array)), tail: vec![] };
                    self.array_keys(&row, keys)
                }
                Entry::Mismatch(found) => self.skip(field, found, keys),
            },
            fields => self.compound_keys(fields, doc, keys),
        }
    }

    fn compound_keys(&self, fields: &[Field], doc: &[u8], keys: &mut Keys) -> Result<(), Error> {
        // Without an array the key is written as the fields are met.
        for field in fields {
            match self.entry(field, doc)? {
                Entry::Single(component) => {
                    component.encode(self.collator.as_deref(), &mut keys.bytes);
                }
                Entry::Array(_) => {
                    keys.bytes.clear();
                    return match self.row(fields, doc, keys)? {
                        Some(row) => self.array_keys(&row, keys),
                        None => Ok(()),
                    };
                }
                Entry::Mismatch(found) => return self.skip(field, found, keys),
            }
        }
        keys.end_key(0)
    }

    /// The values of all fields; `None` if one is skipped.
    fn row<'a, 'p>(
        &self,
        fields: &'p [Field],
        doc: &'a [u8],
        keys: &mut Keys,
    ) -> Result<Option<Row<'a, 'p>>, Error> {
        let mut row = Row { head: Vec::new(), array: None, tail: Vec::new() };
        for field in fields {
            let found = match self.entry(field, doc)? {
                Entry::Single(component) if row.array.is_none() => {
                    row.head.push(component);
                    continue;
                }
                Entry::Single(component) => {
                    row.tail.push(component);
                    continue;
                }
                Entry::Array(array) if row.array.is_none() => {
                    row.array = Some((field, array));
                    continue;
                }
                Entry::Array(_) => "ARRAY",
                Entry::Mismatch(found) => found,
            };
            self.skip(field, found, keys)?;
            return Ok(None);
        }
        Ok(Some(row))
    }

    fn entry<'a, 'p>(&self, field: &'p Field, doc: &'a [u8]) -> Result<Entry<'a, 'p>, Damaged> {
        Ok(match path::find(Value::Document(doc), &field.segments)? {
            Found::Missing => Entry::Single(Component::Null),
            Found::Single(value) => match Component::stored(field.kind, value) {
                Some(component) => Entry::Single(component),
                None => Entry::Mismatch(value.type_name()),
            },
            Found::Array(array) => match array.any(&mut |_| Ok(true))? {
                None => Entry::Single(Component::Null),
                Some(_) if self.is_compound && !field.multi_key => Entry::Mismatch("ARRAY"),
                Some(_) => Entry::Array(array),
            },
        })
    }

    /// Writes one key for every element of the row's array.
    fn array_keys(&self, row: &Row<'_, '_>, keys: &mut Keys) -> Result<(), Error> {
        let Some((field, array)) = row.array else { return Ok(()) };
        keys.is_empty_array = true;
        let mut failure = None;
        array.any(&mut |element| {
            keys.is_empty_array = false;
            let written = match Component::stored(field.kind, element) {
                Some(component) => self.array_key(row, component, keys),
                None => self.skip(field, element.type_name(), keys),
            };
            failure = written.err();
            Ok(failure.is_some())
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        if keys.is_empty_array {
            self.array_key(row, Component::EmptyArray, keys)?;
        }
        keys.sort();
        keys.has_array = keys.spans.len() > 1;
        Ok(())
    }

    fn array_key(
        &self,
        row: &Row<'_, '_>,
        component: Component<'_>,
        keys: &mut Keys,
    ) -> Result<(), Error> {
        let start = keys.bytes.len();
        for component in row.head.iter().chain([&component]).chain(&row.tail) {
            component.encode(self.collator.as_deref(), &mut keys.bytes);
        }
        keys.end_key(start)
    }

    fn skip(&self, field: &Field, found: &'static str, keys: &mut Keys) -> Result<(), Error> {
        if !self.is_strict {
            keys.has_skipped = true;
            return Ok(());
        }
        Err(Error::IndexType(Box::new(IndexMismatch {
            is_compound: self.is_compound,
            index: self.name.clone(),
            path: field.path.clone(),
            expected: field.kind.name(),
            found,
        })))
    }

    /// The values of `key`, which is one of `doc`, as error messages show them.
    pub(super) fn texts(&self, doc: &[u8], key: &[u8]) -> Result<Vec<String>, Error> {
        let mut texts = Vec::new();
        let mut rest = key;
        let mut encoded = Vec::new();
        for field in &self.fields {
            let mut take = |component: Component<'_>| {
                encoded.clear();
                component.encode(self.collator.as_deref(), &mut encoded);
                let Some(after) = rest.strip_prefix(encoded.as_slice()) else { return false };
                rest = after;
                texts.push(component.text());
                true
            };
            let is_found = match self.entry(field, doc)? {
                Entry::Single(component) => take(component),
                Entry::Array(array) => {
                    array.any(&mut |element| {
                        Ok(Component::stored(field.kind, element).is_some_and(&mut take))
                    })? == Some(true)
                }
                Entry::Mismatch(_) => false,
            };
            if !is_found && !take(Component::EmptyArray) {
                take(Component::Null);
            }
        }
        Ok(texts)
    }
}
