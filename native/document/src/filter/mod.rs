//! Filters: a program written by the query planner, checked and prepared once, evaluated on raw
//! bytes.

mod compare;
mod evaluate;
mod operand;
mod parse;
pub(crate) mod path;
mod pattern;
mod positional;
mod program;
mod re2;

use std::sync::Arc;

use crate::Error;
use crate::collation::Collator;
use crate::raw::{Damaged, Value};
use operand::{List, Operand};
use path::Segment;
pub(crate) use path::index;
use pattern::Pattern;
pub(crate) use positional::Conditions;

/// A compiled filter.
#[derive(Debug)]
pub struct Filter {
    root: Node,
    /// What `root` was read from.
    program: Vec<u8>,
}

impl Filter {
    /// Compiles a filter program: a BSON document `{n: kind, …}`.
    ///
    /// | kind | fields | passes when |
    /// |---|---|---|
    /// | `true` | | always |
    /// | `and` `or` `nor` | `c`: nodes | all, one, none of them pass |
    /// | `not` | `c`: one node | it does not pass |
    /// | `cmp` | `p`, `o`: `eq ne gt gte lt lte`, `v`: value | the value at `p` compares so |
    /// | `in` `nin` `all` | `p`, `v`: array, may hold regexes | one is there, none is, all are |
    /// | `size` | `p`, `v`: int32 | it is an array of that length |
    /// | `exists` | `p`, `v`: boolean | it is there or not |
    /// | `regex` | `p`, `v`: regex | it is found in the string |
    /// | `elem` | `p`, `c`: nodes | one array element passes all of them |
    ///
    /// `p` is a dotted path from the document or, inside `elem`, from the element; without it, a
    /// test is of that itself. Strings compare by their bytes.
    ///
    /// # Errors
    /// [`Error::UnsupportedType`], [`Error::RegexOption`] and [`Error::RegexPattern`] for operands
    /// a client may send, [`Error::TooDeep`] for a path; [`Error::Program`] and [`Error::Bson`] for
    /// a program that is malformed.
    pub fn parse(program: &[u8]) -> Result<Filter, Error> {
        Filter::parse_collated(program, &[])
    }

    /// Compiles a program that this crate wrote, whose strings compare by their bytes.
    pub(crate) fn plain(program: &[u8]) -> Result<Filter, Error> {
        Filter::parse(program)
    }

    /// Compiles a filter program whose nodes `cmp`, `in`, `nin` and `all` may have one more field,
    /// `k`: int32, the position in `collators` of the one that strings are compared with.
    ///
    /// # Errors
    /// Those of [`Filter::parse`].
    pub fn parse_collated(program: &[u8], collators: &[Arc<Collator>]) -> Result<Filter, Error> {
        Ok(Filter { root: parse::node(program, collators, 1)?, program: program.to_vec() })
    }

    /// Whether every document passes, so that no body has to be looked at.
    pub fn matches_all(&self) -> bool {
        self.root.is_always_true()
    }

    /// Whether `doc` passes. Allocates only where a decimal meets a double.
    ///
    /// # Errors
    /// [`Error::Bson`] if damage is met; bytes that need not be looked at are not checked.
    pub fn matches(&self, doc: &[u8]) -> Result<bool, Error> {
        Ok(self.root.matches(Value::Document(doc))?)
    }

    /// Whether `value` passes as an array element does inside `elem`.
    pub(crate) fn matches_value(&self, value: Value<'_>) -> Result<bool, Damaged> {
        self.root.matches(value)
    }
}

/// One step of a program.
#[derive(Debug)]
enum Node {
    True,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Test {
        path: Vec<Segment>,
        test: Test,
        /// Compares strings; without one, bytes do. Regular expressions know none.
        collator: Option<Arc<Collator>>,
    },
    /// Passes if an element of the array at `path` passes `inner`.
    Element {
        path: Vec<Segment>,
        inner: Box<Node>,
    },
}

impl Node {
    fn is_always_true(&self) -> bool {
        match self {
            Node::True => true,
            Node::And(nodes) => nodes.iter().all(Node::is_always_true),
            Node::Or(nodes) => nodes.iter().any(Node::is_always_true),
            Node::Not(node) => node.is_always_false(),
            Node::Test { .. } | Node::Element { .. } => false,
        }
    }

    fn is_always_false(&self) -> bool {
        match self {
            Node::And(nodes) => nodes.iter().any(Node::is_always_false),
            Node::Or(nodes) => nodes.iter().all(Node::is_always_false),
            Node::Not(node) => node.is_always_true(),
            Node::True | Node::Test { .. } | Node::Element { .. } => false,
        }
    }
}

/// What is asked of the value at a path.
#[derive(Debug)]
enum Test {
    Compare { operator: Operator, operand: Operand },
    In { list: List, negated: bool },
    All(List),
    Size(usize),
    Exists(bool),
    Regex(Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}
