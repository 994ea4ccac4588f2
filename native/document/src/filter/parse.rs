//! Reading of filter programs.

use std::sync::Arc;

use super::operand::{List, Operand};
use super::path::{self, Segment};
use super::pattern::Pattern;
use super::{Node, Operator, Test};
use crate::Error;
use crate::collation::Collator;
use crate::raw::{self, Value};

/// Deepest nesting of nodes. A client's filter nests less: it is a document itself.
const MAX_NODE_DEPTH: usize = 256;

/// Most segments of a path. Documents nest less, so a longer path leads nowhere.
const MAX_SEGMENTS: usize = 1000;

/// Reads the node `program`, which stands at level `depth`.
pub(super) fn node(
    program: &[u8],
    collators: &[Arc<Collator>],
    depth: usize,
) -> Result<Node, Error> {
    if depth > MAX_NODE_DEPTH {
        return Err(Error::Program("nested too deep"));
    }
    let fields = Fields::read(program)?;
    let children = || children(fields.children, collators, depth);
    let collator = fields.collator(collators)?;
    let test = |test: Test| Ok(Node::Test { path: fields.path()?, test, collator });
    match fields.kind {
        b"true" => Ok(Node::True),
        b"and" => Ok(Node::And(children()?)),
        b"or" => Ok(Node::Or(children()?)),
        b"nor" => Ok(Node::Not(Box::new(Node::Or(children()?)))),
        b"not" => match <[Node; 1]>::try_from(children()?) {
            Ok([inner]) => Ok(Node::Not(Box::new(inner))),
            Err(_) => Err(Error::Program("not takes one node")),
        },
        b"elem" => {
            Ok(Node::Element { path: fields.path()?, inner: Box::new(Node::And(children()?)) })
        }
        b"cmp" => test(fields.comparison()?),
        b"in" => test(Test::In { list: fields.list()?, negated: false }),
        b"nin" => test(Test::In { list: fields.list()?, negated: true }),
        b"all" => test(Test::All(fields.list()?)),
        b"size" => match fields.operand()? {
            Value::Int32(length) => match usize::try_from(length) {
                Ok(length) => test(Test::Size(length)),
                Err(_) => Err(Error::Program("size is negative")),
            },
            _ => Err(Error::Program("size takes an int32")),
        },
        b"exists" => match fields.operand()? {
            Value::Boolean(expected) => test(Test::Exists(expected)),
            _ => Err(Error::Program("exists takes a boolean")),
        },
        b"regex" => match fields.operand()? {
            Value::Regex(bytes) => test(Test::Regex(Pattern::new(bytes)?)),
            _ => Err(Error::Program("regex takes a regular expression")),
        },
        _ => Err(Error::Program("unknown kind of node")),
    }
}

fn children(
    array: Option<&[u8]>,
    collators: &[Arc<Collator>],
    depth: usize,
) -> Result<Vec<Node>, Error> {
    let mut elements = raw::elements(array.ok_or(Error::Program("node has no c"))?)?;
    let mut nodes = Vec::new();
    while let Some(element) = elements.next()? {
        match element.value()? {
            Value::Document(program) => nodes.push(node(program, collators, depth + 1)?),
            _ => return Err(Error::Program("c holds something else than nodes")),
        }
    }
    Ok(nodes)
}

/// The fields of a node, each as found.
#[derive(Default)]
struct Fields<'a> {
    kind: &'a [u8],
    path: Option<&'a [u8]>,
    operator: &'a [u8],
    operand: Option<Value<'a>>,
    children: Option<&'a [u8]>,
    collator: Option<i32>,
}

impl<'a> Fields<'a> {
    fn read(program: &'a [u8]) -> Result<Fields<'a>, Error> {
        let mut fields = Fields::default();
        let mut elements = raw::elements(program)?;
        while let Some(element) = elements.next()? {
            match (element.name, element.value()?) {
                (b"n", Value::String(kind)) => fields.kind = kind,
                (b"p", Value::String(path)) => fields.path = Some(path),
                (b"o", Value::String(operator)) => fields.operator = operator,
                (b"c", Value::Array(children)) => fields.children = Some(children),
                (b"v", value) => fields.operand = Some(value),
                (b"k", Value::Int32(position)) => fields.collator = Some(position),
                _ => return Err(Error::Program("unknown field of a node")),
            }
        }
        Ok(fields)
    }

    fn path(&self) -> Result<Vec<Segment>, Error> {
        let Some(path) = self.path else { return Ok(Vec::new()) };
        if path.iter().filter(|&&byte| byte == b'.').count() >= MAX_SEGMENTS {
            return Err(Error::TooDeep);
        }
        Ok(path::split(path))
    }

    fn collator(&self, collators: &[Arc<Collator>]) -> Result<Option<Arc<Collator>>, Error> {
        let Some(position) = self.collator else { return Ok(None) };
        if !matches!(self.kind, b"cmp" | b"in" | b"nin" | b"all") {
            return Err(Error::Program("only comparisons have k"));
        }
        let collator = usize::try_from(position).ok().and_then(|at| collators.get(at));
        collator.cloned().map(Some).ok_or(Error::Program("k is out of range"))
    }

    fn operand(&self) -> Result<Value<'a>, Error> {
        self.operand.ok_or(Error::Program("node has no v"))
    }

    fn comparison(&self) -> Result<Test, Error> {
        let operator = match self.operator {
            b"eq" => Operator::Equal,
            b"ne" => Operator::NotEqual,
            b"gt" => Operator::Greater,
            b"gte" => Operator::GreaterOrEqual,
            b"lt" => Operator::Less,
            b"lte" => Operator::LessOrEqual,
            _ => return Err(Error::Program("unknown comparison")),
        };
        let operand = Operand::new(self.operand()?)?;
        let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if is_order && matches!(operand, Operand::Null) {
            return Err(Error::Program("null has no order"));
        }
        Ok(Test::Compare { operator, operand })
    }

    fn list(&self) -> Result<List, Error> {
        let Value::Array(array) = self.operand()? else {
            return Err(Error::Program("v is no array"));
        };
        let mut list = List::default();
        let mut elements = raw::elements(array)?;
        while let Some(element) = elements.next()? {
            match element.value()? {
                Value::Regex(bytes) => list.patterns.push(Pattern::new(bytes)?),
                value => list.operands.push(Operand::new(value)?),
            }
        }
        Ok(list)
    }
}
