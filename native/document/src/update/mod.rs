//! Updates: `$set` and `$unset` with positional operators and array filters, and the document that
//! an upsert inserts.

mod apply;
mod array_filter;
mod compile;
mod elements;
mod path;
mod upsert;

use crate::filter::Conditions;
use crate::output::Output;
use crate::raw::{self, Value};
use crate::{Error, Filter};
use array_filter::ArrayFilter;
use path::Step;

/// A compiled update.
#[derive(Debug)]
pub struct Update {
    /// By the name of the first step; of one name in the order they take effect.
    changes: Vec<Change>,
    filters: Vec<ArrayFilter>,
    matches: Vec<Match>,
    /// The message about the first path that names a filter which is not there.
    missing_filter: Option<String>,
    paths: Vec<String>,
    is_upsert: bool,
}

/// One path and what becomes of the value there.
#[derive(Debug, Clone)]
struct Change {
    /// INVARIANT: not empty, at most [`crate::MAX_DEPTH`] steps, the first is a name.
    path: Vec<Step>,
    /// Kind and bytes of the new value; `None` removes the old one.
    value: Option<(u8, Vec<u8>)>,
    /// Where the change stands among all of the update. Removals come first.
    order: usize,
    /// So many steps are needed to have the last positional one among them.
    positional: usize,
}

impl Change {
    fn new(path: Vec<Step>, value: Option<(u8, Vec<u8>)>, order: usize) -> Change {
        let is_positional = |step: &Step| !matches!(step, Step::Name { .. });
        let positional = path.iter().rposition(is_positional).map_or(0, |last| last + 1);
        Change { path, value, order, positional }
    }

    /// Whether step `depth` is the last.
    fn ends_at(&self, depth: usize) -> bool {
        self.path.len() == depth + 1
    }

    /// Whether a missing value gets created at step `depth`.
    fn creates_at(&self, depth: usize) -> bool {
        self.value.is_some() && self.positional <= depth + 1
    }
}

/// An array of which `$` means one element.
#[derive(Debug)]
struct Match {
    /// The path before the `$`.
    array: String,
    conditions: Conditions,
}

impl Update {
    /// Compiles an update document: `$set`, `$unset`, `array_filters`, `upsert`; other keys are
    /// ignored. `filter` selects the documents to update: its conditions on an array tell which
    /// element `$` is, so its program is that of the client, not one that a planner has rewritten.
    ///
    /// # Errors
    /// [`Error::Update`] for what the language forbids, [`Error::RegexOption`] and
    /// [`Error::RegexPattern`] for a regular expression in `array_filters`; [`Error::Bson`],
    /// [`Error::TooDeep`] and [`Error::TooLarge`] if `update` is no proper document or would nest
    /// documents too deep.
    pub fn compile(update: &[u8], filter: &Filter) -> Result<Update, Error> {
        compile::compile(update, filter)
    }

    /// Appends the updated `doc` to `out` and returns whether its bytes differ from `doc`. On an
    /// error `out` is as before.
    ///
    /// # Errors
    /// [`Error::Update`] if `$` has no element in this document or a path names no array filter;
    /// [`Error::TooLarge`] if the result is; [`Error::Bson`] if damage is met.
    pub fn apply(&self, doc: &[u8], out: &mut Vec<u8>) -> Result<bool, Error> {
        if let Some(message) = &self.missing_filter {
            return Err(Error::Update(message.clone()));
        }
        let matched = self.matches.iter().map(|array| array.position(doc));
        let matched = matched.collect::<Result<Vec<usize>, Error>>()?;
        let changes: Vec<&Change> = self.changes.iter().collect();
        let scope = apply::Scope { filters: &self.filters, matched: &matched, is_insert: false };
        let start = out.len();
        out.reserve(doc.len());
        if let Err(error) = scope.document(doc, &changes, 0, &mut Output::new(out)) {
            out.truncate(start);
            return Err(error);
        }
        Ok(out.get(start..) != Some(doc))
    }

    /// The document to insert if no document matched: what `filter` wants to be equal, then what
    /// `$set` sets. It has an `_id` only if `filter` asks for one; pass it to
    /// [`crate::prepare_insert`].
    ///
    /// # Errors
    /// [`Error::TooDeep`] and [`Error::TooLarge`] if it would be; [`Error::Bson`] if a path of
    /// `filter` can't be a field's name.
    pub fn upsert_document(&self, filter: &Filter) -> Result<Vec<u8>, Error> {
        upsert::document(self, filter)
    }

    /// Whether a document is inserted if none matches.
    pub fn is_upsert(&self) -> bool {
        self.is_upsert
    }

    /// The paths that may be written, positional segments dropped: `a.$[].b` is `a.b`. Each once.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }
}

impl Match {
    /// The position of the matched element in the array of `doc`.
    fn position(&self, doc: &[u8]) -> Result<usize, Error> {
        let fail = |before: &str, after: &str| {
            let array = crate::error::shown(&self.array);
            Err(Error::Update(format!("{before} '{array}' {after}")))
        };
        let Some(array) = self.find(doc)? else {
            return fail("Field", "is not an array or does not exist");
        };
        if raw::elements(array)?.remaining() == 0 {
            return fail("Array", "is empty - no element to update");
        }
        match self.conditions.first(array)? {
            Some(position) => Ok(position),
            None => fail("No array element in", "matches the query condition"),
        }
    }

    /// The array; `None` if the path leads elsewhere, or into several documents of an array.
    fn find<'a>(&self, doc: &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        let mut value = Some(Value::Document(doc));
        for name in self.array.split('.') {
            value = match (value, crate::filter::index(name.as_bytes())) {
                (Some(Value::Document(doc)), _) => raw::elements(doc)?.find(name.as_bytes())?,
                (Some(Value::Array(array)), Some(index)) => raw::elements(array)?.nth(index)?,
                _ => return Ok(None),
            };
        }
        match value {
            Some(Value::Array(array)) => Ok(Some(array)),
            _ => Ok(None),
        }
    }
}
