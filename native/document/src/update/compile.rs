//! Reading of update documents. What is wrong with an update alone is found here, whatever the
//! documents are.

use std::collections::{HashMap, HashSet};

use super::array_filter::ArrayFilter;
use super::path::{self, Segment, Step};
use super::{Change, Match, Update};
use crate::error::shown;
use crate::raw::{self, Element, Value};
use crate::validate::{utf8, validate, validate_value};
use crate::{Error, Filter};

pub(super) fn compile(update: &[u8], filter: &Filter) -> Result<Update, Error> {
    validate(update)?;
    let draft = Draft::read(update)?;
    let mut compiler = Compiler {
        filter,
        filter_positions: draft.filter_positions,
        update: Update {
            changes: Vec::new(),
            filters: draft.filters,
            matches: Vec::new(),
            missing_filter: None,
            paths: Vec::new(),
            is_upsert: draft.is_upsert,
        },
        match_positions: HashMap::new(),
    };
    let removed: HashSet<&str> = draft.removed.iter().copied().collect();
    let is_kept = |(path, _): &&(&str, Element<'_>)| !removed.contains(path);
    let set: Vec<_> = draft.set.iter().filter(is_kept).copied().collect();
    // Both lists are checked before the queried conditions are, and those that are set first.
    let set_paths = set.iter().map(|(path, _)| *path);
    let mut segments = HashMap::new();
    for path in set_paths.chain(draft.removed.iter().copied()) {
        segments.insert(path, path::segments(path)?);
    }
    if draft.is_upsert && segments.values().flatten().any(|&segment| segment == Segment::Matched) {
        return fail("Positional operator $ cannot be used with upsert=true");
    }
    for path in draft.removed {
        let steps = compiler.steps(path, segments.get(path).map_or(&[], Vec::as_slice))?;
        compiler.add(steps, None);
    }
    for (path, value) in set {
        let steps = compiler.steps(path, segments.get(path).map_or(&[], Vec::as_slice))?;
        validate_value(value.value()?, steps.len())?;
        compiler.add(steps, Some((value.kind, value.bytes.to_vec())));
    }
    Ok(compiler.finish())
}

fn fail<T>(message: &str) -> Result<T, Error> {
    Err(Error::Update(message.to_owned()))
}

/// The parts of an update document as they are found.
#[derive(Default)]
struct Draft<'a> {
    set: Vec<(&'a str, Element<'a>)>,
    /// Each path once.
    removed: Vec<&'a str>,
    filters: Vec<ArrayFilter>,
    filter_positions: HashMap<&'a str, usize>,
    is_upsert: bool,
}

impl<'a> Draft<'a> {
    fn read(update: &'a [u8]) -> Result<Draft<'a>, Error> {
        let mut draft = Draft::default();
        let mut seen = HashSet::new();
        let mut elements = raw::elements(update)?;
        while let Some(element) = elements.next()? {
            let value = element.value()?;
            match (utf8(element.name)?.to_ascii_lowercase().as_str(), value) {
                ("$set", Value::Document(fields)) => draft.read_set(fields)?,
                ("$set", _) => return fail("$set must be a document"),
                ("$unset", Value::Document(list) | Value::Array(list)) => {
                    let is_list = matches!(value, Value::Array(_));
                    draft.read_unset(list, is_list, &mut seen)?;
                }
                ("$unset", _) => return fail("$unset must be an array or a document"),
                ("array_filters", Value::Array(items)) => draft.read_filters(items)?,
                ("array_filters", _) => return fail("array_filters must be an array"),
                ("upsert", Value::Boolean(flag)) => draft.is_upsert = flag,
                ("upsert", _) => return fail("upsert must be a boolean"),
                _ => {}
            }
        }
        Ok(draft)
    }

    fn read_set(&mut self, fields: &'a [u8]) -> Result<(), Error> {
        let mut elements = raw::elements(fields)?;
        while let Some(element) = elements.next()? {
            let path = utf8(element.name)?;
            check_field(path, "$set")?;
            self.set.push((path, element));
        }
        Ok(())
    }

    fn read_unset(
        &mut self,
        list: &'a [u8],
        is_list: bool,
        seen: &mut HashSet<&'a str>,
    ) -> Result<(), Error> {
        let mut elements = raw::elements(list)?;
        while let Some(element) = elements.next()? {
            let path = match (is_list, element.value()?) {
                (false, _) => utf8(element.name)?,
                (true, Value::String(path)) => utf8(path)?,
                _ => {
                    let name = raw::type_name(element.kind);
                    return fail(&format!("unset key must be a string, got: {name}"));
                }
            };
            check_field(path, "$unset")?;
            if seen.insert(path) {
                self.removed.push(path);
            }
        }
        Ok(())
    }

    /// Of several filters of one name the last counts.
    fn read_filters(&mut self, items: &'a [u8]) -> Result<(), Error> {
        let mut elements = raw::elements(items)?;
        while let Some(element) = elements.next()? {
            let (name, filter) = ArrayFilter::read(element.value()?)?;
            self.filter_positions.insert(name, self.filters.len());
            self.filters.push(filter);
        }
        Ok(())
    }
}

fn check_field(path: &str, operator: &str) -> Result<(), Error> {
    if path.trim().is_empty() {
        return fail("field is null/blank");
    }
    if path.split('.').next() == Some("_id") {
        let message = format!("_id field is immutable and cannot be modified with {operator}");
        return Err(Error::Update(message));
    }
    Ok(())
}

struct Compiler<'a> {
    filter: &'a Filter,
    filter_positions: HashMap<&'a str, usize>,
    match_positions: HashMap<String, usize>,
    update: Update,
}

impl Compiler<'_> {
    fn steps(&mut self, path: &str, segments: &[Segment<'_>]) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::with_capacity(segments.len());
        let mut length = 0;
        for segment in segments {
            steps.push(match *segment {
                Segment::Name(name) => Step::name(name),
                Segment::Every => Step::Every,
                Segment::Matched => {
                    let array = path.get(..length - 1).unwrap_or_default();
                    Step::Matched(self.match_position(array)?)
                }
                Segment::Filtered(name) => Step::Filtered(self.filter_position(name, path)),
            });
            length += segment.written_length() + 1;
        }
        Ok(steps)
    }

    fn match_position(&mut self, array: &str) -> Result<usize, Error> {
        if let Some(&position) = self.match_positions.get(array) {
            return Ok(position);
        }
        let Some(conditions) = self.filter.conditions_on(array)? else {
            let array = shown(array);
            let message = format!("Positional operator $ requires array field '{array}' in query");
            return Err(Error::Update(message));
        };
        let position = self.update.matches.len();
        self.update.matches.push(Match { array: array.to_owned(), conditions });
        self.match_positions.insert(array.to_owned(), position);
        Ok(position)
    }

    /// A missing filter is a mistake only if there is a document to update.
    fn filter_position(&mut self, name: &str, path: &str) -> usize {
        if let Some(&position) = self.filter_positions.get(name) {
            return position;
        }
        let (name, path) = (shown(name), shown(path));
        let message = format!("No array filter found for identifier '{name}' in path '{path}'");
        self.update.missing_filter.get_or_insert(message);
        usize::MAX
    }

    fn add(&mut self, steps: Vec<Step>, value: Option<(u8, Vec<u8>)>) {
        let order = self.update.changes.len();
        self.update.changes.push(Change::new(steps, value, order));
    }

    fn finish(mut self) -> Update {
        let mut seen = HashSet::new();
        for change in &self.update.changes {
            let names: Vec<_> = change.path.iter().filter_map(Step::as_name).collect();
            let path = String::from_utf8_lossy(&names.join(&b'.')).into_owned();
            if seen.insert(path.clone()) {
                self.update.paths.push(path);
            }
        }
        self.update.changes.sort_by(|left, right| left.name_at(0).cmp(&right.name_at(0)));
        self.update
    }
}
