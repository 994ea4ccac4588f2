//! `$slice`: a range of an array's elements.

use crate::Error;
use crate::error::shown;
use crate::output::Output;
use crate::raw::{self, Damaged, Element, Value};

/// A range of elements, as the client gave it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slice {
    /// So many from the start.
    First(usize),
    /// So many from the end.
    Last(usize),
    /// Up to `limit` after the first `skip`.
    After { skip: usize, limit: usize },
    /// Up to `limit` from the one that stands `back` before the end.
    Before { back: usize, limit: usize },
}

impl Slice {
    /// Reads the operand of `$slice` for the path `field`.
    pub(super) fn read(field: &str, operand: &Element<'_>) -> Result<Slice, Error> {
        match operand.value()? {
            Value::Int32(_) | Value::Int64(_) => {
                let count = integer(field, operand)?;
                let size = count.unsigned_abs() as usize;
                Ok(if count < 0 { Slice::Last(size) } else { Slice::First(size) })
            }
            Value::Array(pair) => Slice::read_pair(field, pair),
            _ => Err(no_number(field)),
        }
    }

    fn read_pair(field: &str, pair: &[u8]) -> Result<Slice, Error> {
        let mut elements = raw::elements(pair)?;
        let (Some(skip), Some(limit), None) =
            (elements.next()?, elements.next()?, elements.next()?)
        else {
            return Err(no_number(field));
        };
        let skip = integer(field, &skip)?;
        let limit = integer(field, &limit)?;
        if limit <= 0 {
            let message = format!("$slice limit must be positive: {}", shown(field));
            return Err(Error::Projection(message));
        }
        let (distance, limit) = (skip.unsigned_abs() as usize, limit.unsigned_abs() as usize);
        Ok(if skip < 0 {
            Slice::Before { back: distance, limit }
        } else {
            Slice::After { skip: distance, limit }
        })
    }

    /// The positions to keep of an array, from and to; to may be past its end.
    fn range(self, array: &[u8]) -> Result<(usize, usize), Damaged> {
        Ok(match self {
            Slice::First(count) => (0, count),
            Slice::Last(count) => (length(array)?.saturating_sub(count), usize::MAX),
            Slice::After { skip, limit } => (skip, skip.saturating_add(limit)),
            Slice::Before { back, limit } => {
                let start = length(array)?.saturating_sub(back);
                (start, start.saturating_add(limit))
            }
        })
    }

    /// Writes the value that is left of `array`.
    pub(super) fn write(self, array: &[u8], out: &mut Output<'_>) -> Result<(), Error> {
        let (from, to) = self.range(array)?;
        let start = out.begin()?;
        let mut elements = raw::elements(array)?;
        let mut position = 0;
        while position < to {
            let Some(element) = elements.next()? else { break };
            if position >= from {
                out.numbered(element.kind, position - from)?;
                out.bytes(element.bytes)?;
            }
            position += 1;
        }
        out.end(start)
    }
}

fn length(array: &[u8]) -> Result<usize, Damaged> {
    let mut elements = raw::elements(array)?;
    let mut length = 0;
    while elements.next()?.is_some() {
        length += 1;
    }
    Ok(length)
}

fn no_number(field: &str) -> Error {
    let field = shown(field);
    Error::Projection(format!("$slice on '{field}' must be a number or [skip, limit]"))
}

fn integer(field: &str, operand: &Element<'_>) -> Result<i32, Error> {
    let number = match operand.value()? {
        Value::Int32(number) => return Ok(number),
        Value::Int64(number) => number,
        _ => {
            let (field, name) = (shown(field), raw::type_name(operand.kind));
            let message = format!("$slice on '{field}' must be an integer, not {name}");
            return Err(Error::Projection(message));
        }
    };
    i32::try_from(number).map_err(|_| {
        let field = shown(field);
        let message =
            format!("$slice on '{field}' is out of the supported integer range: {number}");
        Error::Projection(message)
    })
}
