//! Filter programs as they were written, for what is asked of a filter besides matching.

use super::Filter;
use crate::Error;
use crate::raw::{self, Element, Value};

/// The fields of a node. Collations are left out: what reads nodes here compares bytes.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) kind: &'a [u8],
    pub(super) path: Option<&'a [u8]>,
    pub(super) operator: &'a [u8],
    pub(super) operand: Option<Element<'a>>,
    pub(super) children: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    pub(super) fn read(program: &'a [u8]) -> Result<Parts<'a>, Error> {
        let mut parts = Parts::default();
        let mut elements = raw::elements(program)?;
        while let Some(element) = elements.next()? {
            match (element.name, element.value()?) {
                (b"n", Value::String(kind)) => parts.kind = kind,
                (b"p", Value::String(path)) => parts.path = Some(path),
                (b"o", Value::String(operator)) => parts.operator = operator,
                (b"c", Value::Array(children)) => parts.children = Some(children),
                (b"v", _) => parts.operand = Some(element),
                _ => {}
            }
        }
        Ok(parts)
    }

    /// The programs of the nodes inside this one.
    pub(super) fn children(&self) -> Result<Vec<&'a [u8]>, Error> {
        let mut programs = Vec::new();
        if let Some(children) = self.children {
            let mut elements = raw::elements(children)?;
            while let Some(element) = elements.next()? {
                programs.push(element.bytes);
            }
        }
        Ok(programs)
    }
}

/// A path and the value that a filter wants to be equal there.
pub(crate) type Equality<'a> = (&'a [u8], Element<'a>);

impl Filter {
    /// The program that the filter was read from.
    pub(super) fn program(&self) -> &[u8] {
        &self.program
    }

    /// The equalities that hold for every document that passes, as the program states them: alone
    /// or within `and`, first to last.
    ///
    /// # Errors
    /// [`Error::Bson`] if the program is damaged, which [`Filter::parse`] has excluded.
    pub(crate) fn equalities(&self) -> Result<Vec<Equality<'_>>, Error> {
        let mut found = Vec::new();
        collect_equalities(&self.program, &mut found)?;
        Ok(found)
    }
}

fn collect_equalities<'a>(program: &'a [u8], found: &mut Vec<Equality<'a>>) -> Result<(), Error> {
    let parts = Parts::read(program)?;
    match (parts.kind, parts.operator, parts.path, parts.operand) {
        (b"cmp", b"eq", Some(path), Some(operand)) => found.push((path, operand)),
        (b"and", ..) => {
            for child in parts.children()? {
                collect_equalities(child, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}
