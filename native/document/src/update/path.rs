//! Paths of updates: names, positions, and the three positional operators.

use crate::error::shown;
use crate::{Error, MAX_DEPTH};

/// One segment of a path.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Name {
        name: Vec<u8>,
        /// The number that the name writes, for arrays.
        index: Option<usize>,
    },
    /// `$`: the element that the query matched, by its place in [`super::Update::matches`].
    Matched(usize),
    /// `$[]`: every element.
    Every,
    /// `$[name]`: the elements that pass a filter, by its place in [`super::Update::filters`].
    Filtered(usize),
}

impl Step {
    pub(super) fn name(name: &str) -> Step {
        Step::Name { name: name.as_bytes().to_vec(), index: crate::filter::index(name.as_bytes()) }
    }

    /// The name, if it is one.
    pub(super) fn as_name(&self) -> Option<&[u8]> {
        match self {
            Step::Name { name, .. } => Some(name),
            _ => None,
        }
    }

    pub(super) fn index(&self) -> Option<usize> {
        match self {
            Step::Name { index, .. } => *index,
            _ => None,
        }
    }
}

/// A segment as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    Name(&'a str),
    Matched,
    Every,
    /// With the name of the filter.
    Filtered(&'a str),
}

impl Segment<'_> {
    /// Its bytes in the path.
    pub(super) fn written_length(self) -> usize {
        match self {
            Segment::Name(name) => name.len(),
            Segment::Matched => "$".len(),
            Segment::Every => "$[]".len(),
            Segment::Filtered(name) => "$[]".len() + name.len(),
        }
    }
}

/// Splits `path` and checks where its positional operators stand.
pub(super) fn segments(path: &str) -> Result<Vec<Segment<'_>>, Error> {
    if path.split('.').nth(MAX_DEPTH).is_some() {
        return Err(Error::TooDeep);
    }
    let segments: Vec<Segment<'_>> =
        path.split('.').map(|text| segment(text, path)).collect::<Result<_, _>>()?;
    let shown = || shown(path);
    if segments.iter().filter(|&&segment| segment == Segment::Matched).count() > 1 {
        let message = format!("Multiple positional operators not supported in path: {}", shown());
        return Err(Error::Update(message));
    }
    if !matches!(segments.first(), Some(Segment::Name(_))) {
        let message = format!(
            "Invalid positional operator path: {} - array field required before $",
            shown()
        );
        return Err(Error::Update(message));
    }
    Ok(segments)
}

fn segment<'a>(text: &'a str, path: &str) -> Result<Segment<'a>, Error> {
    if !text.starts_with('$') {
        return Ok(Segment::Name(text));
    }
    let name = text.strip_prefix("$[").and_then(|rest| rest.strip_suffix(']'));
    match (text, name) {
        ("$", _) => Ok(Segment::Matched),
        (_, Some("")) => Ok(Segment::Every),
        (_, Some(name)) if is_identifier(name) => Ok(Segment::Filtered(name)),
        _ => {
            let (text, path) = (shown(text), shown(path));
            Err(Error::Update(format!("Invalid positional operator '{text}' in path: {path}")))
        }
    }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
}
