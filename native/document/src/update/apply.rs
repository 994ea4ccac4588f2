//! The changes of an update made to one document, in one pass: what no change concerns is copied in
//! long stretches. Recursion ends with the longest path.
//!
//! Changes to different fields never meet, so each field is written once, with its own changes in
//! their order. Of several changes to one field those before the last that replaces the whole value
//! have no effect.

use super::Change;
use super::array_filter::ArrayFilter;
use super::path::Step;
use crate::Error;
use crate::output::{Output, Source};
use crate::raw::{self, kind};

const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

/// What changes refer to by position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) filters: &'a [ArrayFilter],
    /// The element that `$` means, by array.
    pub(super) matched: &'a [usize],
    /// Whether the document is one to insert: then all that stands in the way of a path gives way
    /// to documents, and numbers that are no positions of an array are names.
    pub(super) is_insert: bool,
}

/// A value with its kind.
pub(super) type Raw<'a> = (u8, &'a [u8]);

/// Where a value is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Field(&'a [u8]),
    Element(usize),
    /// Without anything before it.
    Bare,
}

impl Place<'_> {
    fn open(self, kind: u8, out: &mut Output<'_>) -> Result<(), Error> {
        match self {
            Place::Field(name) => out.named(kind, name),
            Place::Element(position) => out.numbered(kind, position),
            Place::Bare => Ok(()),
        }
    }
}

impl Change {
    /// The name of step `depth`, if that is one.
    pub(super) fn name_at(&self, depth: usize) -> Option<&[u8]> {
        self.path.get(depth).and_then(Step::as_name)
    }

    fn index_at(&self, depth: usize) -> Option<usize> {
        self.path.get(depth).and_then(Step::index)
    }

    pub(super) fn value(&self) -> Option<Raw<'_>> {
        self.value.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()))
    }
}

/// The changes to one field of a document.
struct Field<'c> {
    name: &'c [u8],
    /// Those after the removal of the field, if it is removed.
    changes: &'c [&'c Change],
    is_removed: bool,
    is_seen: bool,
}

impl<'c> Field<'c> {
    fn new(name: &'c [u8], changes: &'c [&'c Change], depth: usize) -> Field<'c> {
        let removal =
            changes.iter().rposition(|change| change.ends_at(depth) && change.value.is_none());
        Field {
            name,
            changes: changes.get(removal.map_or(0, |at| at + 1)..).unwrap_or_default(),
            is_removed: removal.is_some(),
            is_seen: false,
        }
    }

    /// When the field comes to be, if it does.
    fn creation(&self, depth: usize) -> Option<usize> {
        self.changes.iter().find(|change| change.creates_at(depth)).map(|change| change.order)
    }
}

/// The fields that `changes` name at `depth`, by name.
fn fields<'c>(changes: &'c [&'c Change], depth: usize) -> Vec<Field<'c>> {
    changes
        .chunk_by(|left, right| left.name_at(depth) == right.name_at(depth))
        .filter_map(|chunk| {
            let name = chunk.first()?.name_at(depth)?;
            Some(Field::new(name, chunk, depth))
        })
        .collect()
}

impl Scope<'_> {
    /// Writes `doc` with the changes whose step `depth` is about its fields. Positional steps are
    /// about arrays: they change nothing here.
    pub(super) fn document(
        &self,
        doc: &[u8],
        changes: &[&Change],
        depth: usize,
        out: &mut Output<'_>,
    ) -> Result<(), Error> {
        let is_ordered =
            |left: &&Change, right: &&Change| left.name_at(depth) <= right.name_at(depth);
        let sorted: Vec<&Change>;
        let changes = if changes.is_sorted_by(is_ordered) {
            changes
        } else {
            let mut copy = changes.to_vec();
            copy.sort_by(|left, right| left.name_at(depth).cmp(&right.name_at(depth)));
            sorted = copy;
            &sorted
        };
        let mut fields = fields(changes, depth);
        let start = out.begin()?;
        let mut source = Source::open(doc)?;
        while let Some(element) = source.next()? {
            let Ok(at) = fields.binary_search_by(|field| field.name.cmp(element.name)) else {
                continue;
            };
            let Some(field) = fields.get_mut(at) else { continue };
            if field.is_removed {
                source.leave_out(out)?;
            } else if !field.is_seen {
                field.is_seen = true;
                source.leave_out(out)?;
                let place = Place::Field(field.name);
                self.value(place, Some((element.kind, element.bytes)), field.changes, depth, out)?;
            }
        }
        source.finish(out)?;
        fields.retain(|field| !field.is_seen && field.creation(depth).is_some());
        fields.sort_by_key(|field| field.creation(depth));
        for field in &fields {
            self.value(Place::Field(field.name), None, field.changes, depth, out)?;
        }
        out.end(start)
    }

    /// Writes the value at step `depth` of `changes`, which is `present` before them. Writes
    /// nothing if it is missing and stays so.
    fn value(
        &self,
        place: Place<'_>,
        present: Option<Raw<'_>>,
        changes: &[&Change],
        depth: usize,
        out: &mut Output<'_>,
    ) -> Result<(), Error> {
        let (mut state, mut rest) = (present, changes);
        if let Some(at) = changes.iter().rposition(|change| change.ends_at(depth)) {
            state = changes.get(at).and_then(|change| change.value());
            rest = changes.get(at + 1..).unwrap_or_default();
        }
        self.inner(place, state, rest, depth, out).map(drop)
    }

    /// Writes a value with changes inside of it, whose step `depth` led to it; returns its kind.
    pub(super) fn inner(
        &self,
        place: Place<'_>,
        present: Option<Raw<'_>>,
        changes: &[&Change],
        depth: usize,
        out: &mut Output<'_>,
    ) -> Result<u8, Error> {
        let inside = depth + 1;
        let (state, changes) = match present {
            Some(state) if self.is_insert => make_way(state, changes, inside)?,
            Some(state) => (state, changes),
            None => {
                let creator = changes.iter().position(|change| change.creates_at(depth));
                let Some(at) = creator else { return Ok(kind::NULL) };
                let changes = changes.get(at..).unwrap_or_default();
                let has_index = changes.first().is_some_and(|c| c.index_at(inside).is_some());
                let is_array = has_index && !self.is_insert;
                ((if is_array { kind::ARRAY } else { kind::DOCUMENT }, EMPTY), changes)
            }
        };
        place.open(state.0, out)?;
        match state {
            (_, bytes) if changes.is_empty() => out.bytes(bytes)?,
            (kind::DOCUMENT, doc) => self.document(doc, changes, inside, out)?,
            (kind::ARRAY, array) => self.array(array, changes, inside, out)?,
            (_, bytes) => out.bytes(bytes)?,
        }
        Ok(state.0)
    }
}

/// What `changes` meet in a document to insert: a value that they can't enter is an empty document
/// from the first of those changes on.
fn make_way<'a, 'c>(
    state: Raw<'a>,
    changes: &'c [&'c Change],
    depth: usize,
) -> Result<(Raw<'a>, &'c [&'c Change]), Error> {
    let length = match state {
        (kind::DOCUMENT, _) => return Ok((state, changes)),
        (kind::ARRAY, array) => length(array)?,
        _ => 0,
    };
    let enters = |change: &&Change| change.index_at(depth).is_some_and(|index| index < length);
    match changes.iter().position(|change| !enters(change)) {
        None => Ok((state, changes)),
        Some(at) => Ok(((kind::DOCUMENT, EMPTY), changes.get(at..).unwrap_or_default())),
    }
}

fn length(array: &[u8]) -> Result<usize, Error> {
    let mut elements = raw::elements(array)?;
    let mut length = 0;
    while elements.next()?.is_some() {
        length += 1;
    }
    Ok(length)
}
