//! Evaluation of a filter on raw bytes. The rules are tried in the order of the language's table:
//! what exists, null, arrays, scalars.

use super::operand::{List, Operand};
use super::path::{self, Array, Found};
use super::{Node, Operator, Test, compare};
use crate::collation::Collator;
use crate::raw::{Damaged, Value};

impl Node {
    /// Whether `scope`, a document or an array element, passes.
    pub(super) fn matches(&self, scope: Value<'_>) -> Result<bool, Damaged> {
        match self {
            Node::True => Ok(true),
            Node::And(nodes) => {
                for node in nodes {
                    if !node.matches(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(nodes) => {
                for node in nodes {
                    if node.matches(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Not(node) => Ok(!node.matches(scope)?),
            Node::Test { path, test, collator } => {
                let collator = collator.as_deref();
                match path::find(scope, path)? {
                    Found::Missing => Ok(test.matches_missing()),
                    Found::Single(value) => test.matches_single(value, collator),
                    Found::Array(array) => {
                        let result = test.matches_array(array, collator)?;
                        Ok(result.unwrap_or_else(|| test.matches_missing()))
                    }
                }
            }
            Node::Element { path, inner } => match path::find(scope, path)? {
                Found::Array(array) => {
                    Ok(array.any(&mut |element| inner.matches(element))? == Some(true))
                }
                Found::Missing | Found::Single(_) => Ok(false),
            },
        }
    }
}

impl Test {
    /// The result where the path leads nowhere.
    fn matches_missing(&self) -> bool {
        match self {
            Test::Exists(expected) => !expected,
            _ => self.matches_null(),
        }
    }

    /// The result for null, and for a missing value in all that does not ask for existence.
    fn matches_null(&self) -> bool {
        match self {
            Test::Exists(expected) => *expected,
            Test::Compare { operator, operand: Operand::Null } => *operator == Operator::Equal,
            Test::Compare { operator, .. } => *operator == Operator::NotEqual,
            Test::In { list, negated } => list.has_null() != *negated,
            Test::All(_) | Test::Size(_) | Test::Regex(_) => false,
        }
    }

    /// The result for a value that is no array.
    #[inline]
    fn matches_single(
        &self,
        value: Value<'_>,
        collator: Option<&Collator>,
    ) -> Result<bool, Damaged> {
        if matches!(value, Value::Null) {
            return Ok(self.matches_null());
        }
        match self {
            Test::Compare { operator, operand: Operand::Null } => {
                Ok(*operator == Operator::NotEqual)
            }
            Test::Compare { operator, operand } => {
                compare::holds(value, *operator, operand.value(), collator)
            }
            Test::In { list, negated } => Ok(list.contains(value, collator)? != *negated),
            Test::All(_) | Test::Size(_) => Ok(false),
            Test::Exists(expected) => Ok(*expected),
            Test::Regex(pattern) => Ok(pattern.is_in(value)),
        }
    }

    /// The result for an array; `None` if the array does not exist.
    fn matches_array(
        &self,
        array: Array<'_, '_>,
        collator: Option<&Collator>,
    ) -> Result<Option<bool>, Damaged> {
        match self {
            Test::Exists(expected) => Ok(array.any(&mut |_| Ok(true))?.map(|_| *expected)),
            Test::Compare { operator, operand: Operand::Null } => {
                let exists = array.any(&mut |_| Ok(true))?;
                Ok(exists.map(|_| *operator == Operator::NotEqual))
            }
            Test::Compare { operator: Operator::NotEqual, operand } => {
                let equal = array.any(&mut |element| {
                    compare::holds(element, Operator::Equal, operand.value(), collator)
                })?;
                Ok(equal.map(|found| !found))
            }
            Test::Compare { operator, operand } => array
                .any(&mut |element| compare::holds(element, *operator, operand.value(), collator)),
            Test::In { list, negated } => {
                let found = array.any(&mut |element| list.contains(element, collator))?;
                Ok(found.map(|found| found != *negated))
            }
            Test::All(list) => contains_all(array, list, collator),
            Test::Size(expected) => {
                let mut length = 0;
                let exists = array.any(&mut |_| {
                    length += 1;
                    Ok(false)
                })?;
                Ok(exists.map(|_| length == *expected))
            }
            Test::Regex(pattern) => array.any(&mut |element| Ok(pattern.is_in(element))),
        }
    }
}

/// Whether every listed value is an element of `array`; `None` if the array does not exist.
fn contains_all(
    array: Array<'_, '_>,
    list: &List,
    collator: Option<&Collator>,
) -> Result<Option<bool>, Damaged> {
    if array.any(&mut |_| Ok(true))?.is_none() {
        return Ok(None);
    }
    for operand in &list.operands {
        let mut is_equal = |element: Value<'_>| {
            compare::holds(element, Operator::Equal, operand.value(), collator)
        };
        if array.any(&mut is_equal)? != Some(true) {
            return Ok(Some(false));
        }
    }
    for pattern in &list.patterns {
        if array.any(&mut |element| Ok(pattern.is_in(element)))? != Some(true) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}
