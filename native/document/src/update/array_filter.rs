//! Array filters: which elements `$[name]` means.

use crate::error::shown;
use crate::raw::{self, Damaged, Element, Value, kind};
use crate::validate::utf8;
use crate::write::Writer;
use crate::{Error, Filter};

/// A test of one array element.
#[derive(Debug)]
pub(super) struct ArrayFilter {
    /// For elements that are documents; a missing path fails all tests but that of existence.
    on_document: Filter,
    /// For other elements, which have no path to follow. `None`: as for documents.
    on_other: Option<Filter>,
}

impl ArrayFilter {
    /// Reads one item of `array_filters`; returns its name too.
    pub(super) fn read(item: Value<'_>) -> Result<(&str, ArrayFilter), Error> {
        let Value::Document(filter) = item else {
            return fail("array_filters element must be a document");
        };
        let Some(condition) = only_element(filter)? else {
            return fail("Array filter document must have exactly one key (the identifier)");
        };
        let identifier = utf8(condition.name)?;
        let (name, path) = match identifier.split_once('.') {
            Some((name, path)) => (name, Some(path)),
            None => (identifier, None),
        };
        if name.trim().is_empty() {
            return fail("arrayFilter identifier is null/blank");
        }
        if path.is_some_and(|path| path.split('.').nth(crate::MAX_DEPTH).is_some()) {
            return Err(Error::TooDeep);
        }
        let test = Test::read(condition)?;
        let on_document = test.filter(path)?;
        let on_other = path.map(|_| test.filter(None)).transpose()?;
        Ok((name, ArrayFilter { on_document, on_other }))
    }

    pub(super) fn passes(&self, element: Value<'_>) -> Result<bool, Damaged> {
        match (element, &self.on_other) {
            (Value::Document(_), _) | (_, None) => self.on_document.matches_value(element),
            (_, Some(filter)) => filter.matches_value(element),
        }
    }
}

fn fail<T>(message: &str) -> Result<T, Error> {
    Err(Error::Update(message.to_owned()))
}

/// The element of a document that has only one.
fn only_element(doc: &[u8]) -> Result<Option<Element<'_>>, Damaged> {
    let mut elements = raw::elements(doc)?;
    let first = elements.next()?;
    Ok(if elements.remaining() == 0 { first } else { None })
}

/// An operator with its operand.
struct Test<'a> {
    /// As filter programs call them.
    node: &'static [u8],
    comparison: &'static [u8],
    operand: Element<'a>,
}

impl<'a> Test<'a> {
    fn read(condition: Element<'a>) -> Result<Test<'a>, Error> {
        let Value::Document(operators) = condition.value()? else {
            return Test { node: b"cmp", comparison: b"eq", operand: condition }.checked("$eq");
        };
        let Some(operand) = only_element(operators)? else {
            return fail("Array filter operator document must have exactly one operator");
        };
        let operator = utf8(operand.name)?;
        let (node, comparison): (&[u8], &[u8]) = match operator.to_ascii_lowercase().as_str() {
            "$eq" => (b"cmp", b"eq"),
            "$ne" => (b"cmp", b"ne"),
            "$gt" => (b"cmp", b"gt"),
            "$gte" => (b"cmp", b"gte"),
            "$lt" => (b"cmp", b"lt"),
            "$lte" => (b"cmp", b"lte"),
            "$in" => (b"in", b""),
            "$nin" => (b"nin", b""),
            "$all" => (b"all", b""),
            "$size" => (b"size", b""),
            "$exists" => (b"exists", b""),
            _ => {
                let message = format!("Unsupported array filter operator: {}", shown(operator));
                return Err(Error::Update(message));
            }
        };
        Test { node, comparison, operand }.checked(operator)
    }

    /// Refuses operands that the operator can't take.
    fn checked(self, operator: &str) -> Result<Test<'a>, Error> {
        let has_order = !matches!(self.comparison, b"" | b"eq" | b"ne");
        if has_order && self.operand.kind == kind::NULL {
            return fail(&format!("{operator} operator does not support null values"));
        }
        let expected = match (self.node, self.operand.value()?) {
            (b"in" | b"nin" | b"all", Value::Array(_)) => return Ok(self),
            (b"in" | b"nin" | b"all", _) => "an array",
            (b"size", Value::Int32(0..)) => return Ok(self),
            (b"size", _) => "a non-negative integer",
            (b"exists", Value::Boolean(_)) => return Ok(self),
            (b"exists", _) => "a boolean",
            _ => return Ok(self),
        };
        Err(Error::Update(format!("Array filter operator {operator} expects {expected}")))
    }

    /// The test of the value at `path`; without one, of the element itself.
    fn filter(&self, path: Option<&str>) -> Result<Filter, Error> {
        let mut program = Writer::with_capacity(64 + self.operand.bytes.len());
        if path.is_none() || self.node == b"exists" {
            self.write(path, &mut program)?;
        } else {
            let root = program.begin();
            text(b"n", b"and", &mut program)?;
            program.element(kind::ARRAY, b"c", &[]);
            let nodes = program.begin();
            program.element(kind::DOCUMENT, b"0", &[]);
            let exists = Element { kind: kind::BOOLEAN, name: b"", bytes: &[1] };
            Test { node: b"exists", comparison: b"", operand: exists }.write(path, &mut program)?;
            program.element(kind::DOCUMENT, b"1", &[]);
            self.write(path, &mut program)?;
            program.end(nodes)?;
            program.end(root)?;
        }
        Filter::plain(&program.out).map_err(|error| match error {
            Error::UnsupportedType(name) => {
                Error::Update(format!("Unsupported array filter operand type: {name}"))
            }
            error => error,
        })
    }

    fn write(&self, path: Option<&str>, program: &mut Writer) -> Result<(), Error> {
        let start = program.begin();
        text(b"n", self.node, program)?;
        if let Some(path) = path {
            text(b"p", path.as_bytes(), program)?;
        }
        if !self.comparison.is_empty() {
            text(b"o", self.comparison, program)?;
        }
        program.element(self.operand.kind, b"v", self.operand.bytes);
        program.end(start)
    }
}

fn text(name: &[u8], text: &[u8], program: &mut Writer) -> Result<(), Error> {
    program.element(kind::STRING, name, &[]);
    program.text(text)
}
