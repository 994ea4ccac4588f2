//! Which element of an array a filter means: the first that satisfies all conditions the filter has
//! on the array.
//!
//! A condition is tested on the array as if it held that one element, so an element satisfies what
//! would make the whole array pass. The conditions become a program about documents
//!
//! ```text
//! {e: [element], i: position of the element}
//! ```
//!
//! | condition on array `a` | in that program |
//! |---|---|
//! | on `a`, on `a.b` | on `e`, on `e.b` |
//! | on `a.3`, on `a.3.b` | on `e.0`, on `e.0.b`, and `i` is 3 |
//! | `and` | those of its nodes that are conditions on `a` |
//! | `or` | one of its nodes that are conditions on `a` |
//! | `all` | `in` |
//! | equality with null | `in` or `nin` with a list of null, as null elements count |
//! | `size` `not` `nor` | nothing |

use super::path;
use super::program::Parts;
use crate::raw::{self, kind};
use crate::write::Writer;
use crate::{Error, Filter};

/// The conditions of a filter on one array.
#[derive(Debug)]
pub(crate) struct Conditions {
    filter: Filter,
}

impl Filter {
    /// The conditions on the array at `path`; `None` if there are none.
    ///
    /// # Errors
    /// [`Error::Bson`] if the program is damaged, which [`Filter::parse`] has excluded.
    pub(crate) fn conditions_on(&self, path: &str) -> Result<Option<Conditions>, Error> {
        let mut list = Writer::with_capacity(self.program().len());
        let root = list.begin();
        write_text(b"n", b"and", &mut list)?;
        let nodes = open(kind::ARRAY, b"c", &mut list);
        let found = write_conditions(self.program(), path.as_bytes(), 0, &mut list)?;
        list.end(nodes)?;
        list.end(root)?;
        if !found {
            return Ok(None);
        }
        Ok(Some(Conditions { filter: Filter::plain(&list.out)? }))
    }
}

impl Conditions {
    /// The position of the first element of `array` that satisfies them.
    ///
    /// # Errors
    /// [`Error::Bson`] if damage is met.
    pub(crate) fn first(&self, array: &[u8]) -> Result<Option<usize>, Error> {
        let mut candidate = Writer::default();
        let mut elements = raw::elements(array)?;
        let mut position = 0_u32;
        while let Some(element) = elements.next()? {
            candidate.out.clear();
            let document = candidate.begin();
            let list = open(kind::ARRAY, b"e", &mut candidate);
            candidate.element(element.kind, b"0", element.bytes);
            candidate.end(list)?;
            candidate.element(kind::INT64, b"i", &i64::from(position).to_le_bytes());
            candidate.end(document)?;
            if self.filter.matches(&candidate.out)? {
                return Ok(Some(position as usize));
            }
            position += 1;
        }
        Ok(None)
    }
}

/// Writes the node `program`, as far as it is a condition on `array`, as element `position` of a
/// list; returns whether it is one. Recursion ends where [`Filter::parse`] bounds the nesting.
fn write_conditions(
    program: &[u8],
    array: &[u8],
    position: usize,
    out: &mut Writer,
) -> Result<bool, Error> {
    let parts = Parts::read(program)?;
    match parts.kind {
        b"and" | b"or" => {
            let rollback = out.out.len();
            let node = open_node(position, parts.kind, out)?;
            let list = open(kind::ARRAY, b"c", out);
            let mut count = 0;
            for child in parts.children()? {
                count += usize::from(write_conditions(child, array, count, out)?);
            }
            out.end(list)?;
            out.end(node)?;
            if count == 0 {
                out.out.truncate(rollback);
            }
            Ok(count > 0)
        }
        b"cmp" | b"in" | b"nin" | b"all" | b"exists" | b"regex" | b"elem" => {
            write_condition(&parts, array, position, out)
        }
        _ => Ok(false),
    }
}

/// Writes a node with a path, if that is `array` or leads into it.
fn write_condition(
    parts: &Parts<'_>,
    array: &[u8],
    position: usize,
    out: &mut Writer,
) -> Result<bool, Error> {
    let rest = match parts.path.and_then(|path| path.strip_prefix(array)) {
        Some([]) => return write_test(parts, b"e", position, out).map(|()| true),
        Some([b'.', rest @ ..]) => rest,
        _ => return Ok(false),
    };
    let first = rest.split(|&byte| byte == b'.').next().unwrap_or_default();
    let Some(index) = path::index(first) else {
        write_test(parts, &[b"e.", rest].concat(), position, out)?;
        return Ok(true);
    };
    let below = rest.get(first.len()..).unwrap_or_default();
    let both = open_node(position, b"and", out)?;
    let list = open(kind::ARRAY, b"c", out);
    let at = open_node(0, b"cmp", out)?;
    write_text(b"p", b"i", out)?;
    write_text(b"o", b"eq", out)?;
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    out.element(kind::INT64, b"v", &index.to_le_bytes());
    out.end(at)?;
    write_test(parts, &[b"e.0", below].concat(), 1, out)?;
    out.end(list)?;
    out.end(both)?;
    Ok(true)
}

/// Writes the node with `path` for its path.
fn write_test(
    parts: &Parts<'_>,
    path: &[u8],
    position: usize,
    out: &mut Writer,
) -> Result<(), Error> {
    let is_null = parts.operand.is_some_and(|operand| operand.kind == kind::NULL);
    let name: &[u8] = match (parts.kind, parts.operator) {
        (b"all", _) => b"in",
        (b"cmp", b"eq") if is_null => b"in",
        (b"cmp", b"ne") if is_null => b"nin",
        (name, _) => name,
    };
    let node = open_node(position, name, out)?;
    write_text(b"p", path, out)?;
    if parts.kind == b"cmp" && name != b"cmp" {
        let list = open(kind::ARRAY, b"v", out);
        out.element(kind::NULL, b"0", &[]);
        out.end(list)?;
    } else {
        write_operands(parts, out)?;
    }
    out.end(node)
}

/// Writes what a node holds besides its kind and path.
fn write_operands(parts: &Parts<'_>, out: &mut Writer) -> Result<(), Error> {
    if !parts.operator.is_empty() {
        write_text(b"o", parts.operator, out)?;
    }
    if let Some(operand) = parts.operand {
        out.element(operand.kind, b"v", operand.bytes);
    }
    if parts.children.is_some() {
        let list = open(kind::ARRAY, b"c", out);
        for (position, child) in parts.children()?.into_iter().enumerate() {
            let child = Parts::read(child)?;
            let node = open_node(position, child.kind, out)?;
            if let Some(path) = child.path {
                write_text(b"p", path, out)?;
            }
            write_operands(&child, out)?;
            out.end(node)?;
        }
        out.end(list)?;
    }
    Ok(())
}

/// Opens a field that is a document or array, and returns where its value starts.
fn open(kind: u8, name: &[u8], out: &mut Writer) -> usize {
    out.element(kind, name, &[]);
    out.begin()
}

/// Opens a node of the kind `name` as element `position` of a list.
fn open_node(position: usize, name: &[u8], out: &mut Writer) -> Result<usize, Error> {
    let node = open(kind::DOCUMENT, position.to_string().as_bytes(), out);
    write_text(b"n", name, out)?;
    Ok(node)
}

fn write_text(name: &[u8], text: &[u8], out: &mut Writer) -> Result<(), Error> {
    out.element(kind::STRING, name, &[]);
    out.text(text)
}
