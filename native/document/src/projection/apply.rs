//! Projection of one document. Recursion ends with the longest path of the specification.

use super::{FEW, Level, Rule};
use crate::Error;
use crate::output::{Output, Source};
use crate::raw::{self, Element, kind};

/// Writes the fields of `doc` that have a rule, `_id` first if it is wanted.
pub(super) fn include_root(
    doc: &[u8],
    fields: &Level,
    with_id: bool,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let start = out.begin()?;
    if with_id && let Some(id) = find(doc, b"_id")? {
        out.named(id.kind, id.name)?;
        out.bytes(id.bytes)?;
    }
    include_fields(doc, fields, out)?;
    out.end(start)
}

fn include(doc: &[u8], fields: &Level, out: &mut Output<'_>) -> Result<(), Error> {
    let start = out.begin()?;
    include_fields(doc, fields, out)?;
    out.end(start)
}

fn include_fields(doc: &[u8], fields: &Level, out: &mut Output<'_>) -> Result<(), Error> {
    if fields.rules.len() <= FEW {
        for (name, rule) in &fields.rules {
            if let Some(element) = find(doc, name)? {
                include_field(&element, rule, out)?;
            }
        }
        return Ok(());
    }
    let mut found: Vec<Option<Element<'_>>> = vec![None; fields.rules.len()];
    let mut elements = raw::elements(doc)?;
    while let Some(element) = elements.next()? {
        let slot = fields.position(element.name).and_then(|position| found.get_mut(position));
        if let Some(slot @ None) = slot {
            *slot = Some(element);
        }
    }
    for ((_, rule), element) in fields.rules.iter().zip(found) {
        if let Some(element) = element {
            include_field(&element, rule, out)?;
        }
    }
    Ok(())
}

/// The first element called `name`.
#[inline]
fn find<'a>(doc: &'a [u8], name: &[u8]) -> Result<Option<Element<'a>>, Error> {
    let mut elements = raw::elements(doc)?;
    while let Some(element) = elements.next()? {
        if element.name == name {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

fn include_field(element: &Element<'_>, rule: &Rule, out: &mut Output<'_>) -> Result<(), Error> {
    let head = |out: &mut Output<'_>| out.named(element.kind, element.name);
    match (rule, element.kind) {
        (Rule::Slice(slice), kind::ARRAY) => {
            head(out)?;
            slice.write(element.bytes, out)
        }
        (Rule::Keep | Rule::Slice(_), _) => {
            head(out)?;
            out.bytes(element.bytes)
        }
        (Rule::First(conditions), kind::ARRAY) => {
            head(out)?;
            let position = match conditions {
                Some(conditions) => conditions.first(element.bytes)?,
                None => Some(0),
            };
            write_single(element.bytes, position, out)
        }
        (Rule::Fields(fields), kind::DOCUMENT) => {
            head(out)?;
            include(element.bytes, fields, out)
        }
        (Rule::Fields(fields), kind::ARRAY) => {
            head(out)?;
            include_elements(element.bytes, fields, out)
        }
        (Rule::First(_) | Rule::Fields(_) | Rule::Remove, _) => Ok(()),
    }
}

/// Writes an array of the one element at `position`, empty if there is none.
fn write_single(array: &[u8], position: Option<usize>, out: &mut Output<'_>) -> Result<(), Error> {
    let start = out.begin()?;
    let mut elements = raw::elements(array)?;
    let mut at = 0;
    while let (Some(element), Some(wanted)) = (elements.next()?, position) {
        if at == wanted {
            out.numbered(element.kind, 0)?;
            out.bytes(element.bytes)?;
            break;
        }
        at += 1;
    }
    out.end(start)
}

/// Writes the documents of `array`, each with its listed fields; other elements fall away.
fn include_elements(array: &[u8], fields: &Level, out: &mut Output<'_>) -> Result<(), Error> {
    let start = out.begin()?;
    let mut elements = raw::elements(array)?;
    let mut count = 0;
    while let Some(element) = elements.next()? {
        if element.kind == kind::DOCUMENT {
            out.numbered(kind::DOCUMENT, count)?;
            include(element.bytes, fields, out)?;
            count += 1;
        }
    }
    out.end(start)
}

/// Writes `doc` without what the rules remove.
pub(super) fn exclude(doc: &[u8], fields: &Level, out: &mut Output<'_>) -> Result<(), Error> {
    let start = out.begin()?;
    let mut source = Source::open(doc)?;
    while let Some(element) = source.next()? {
        let Some(rule) = fields.rule(element.name) else { continue };
        match (rule, element.kind) {
            (Rule::Remove, _) => source.leave_out(out)?,
            (Rule::Slice(slice), kind::ARRAY) => {
                source.leave_out(out)?;
                out.named(kind::ARRAY, element.name)?;
                slice.write(element.bytes, out)?;
            }
            (Rule::Fields(fields), kind::DOCUMENT) => {
                source.leave_out(out)?;
                out.named(kind::DOCUMENT, element.name)?;
                exclude(element.bytes, fields, out)?;
            }
            (Rule::Fields(fields), kind::ARRAY) => {
                source.leave_out(out)?;
                out.named(kind::ARRAY, element.name)?;
                exclude_in_elements(element.bytes, fields, out)?;
            }
            _ => {}
        }
    }
    source.finish(out)?;
    out.end(start)
}

fn exclude_in_elements(array: &[u8], fields: &Level, out: &mut Output<'_>) -> Result<(), Error> {
    let start = out.begin()?;
    let mut source = Source::open(array)?;
    while let Some(element) = source.next()? {
        if element.kind == kind::DOCUMENT {
            source.leave_out(out)?;
            out.named(kind::DOCUMENT, element.name)?;
            exclude(element.bytes, fields, out)?;
        }
    }
    source.finish(out)?;
    out.end(start)
}
