//! A commit on the wire.
//!
//! ```text
//! commit      'c' | id | flags u8, 1: read version follows | read conflicts | write conflicts
//!             | count u32 of cleared ranges, per range: begin bytes | end bytes | sequence
//!             | count u32 of writes, per write: key bytes | sequence | pending
//!             | count u32 of stamped keys, per key:
//!               template | value bytes | sequence | conflicts u8
//! conflicts   count u32, per range: begin bytes | 0, or 1 and end bytes
//! pending     0: cleared   1: value bytes   2: operations on the store's value
//!             3: template and operations
//! operations  count u32, per operation: type u8 | operand bytes
//! template    bytes | offset u32
//! ```

use super::wire::{COMMIT, Fields, Frame};
use crate::atomic::MutationType;
use crate::committer::CommitRequest;
use crate::keys::{Key, KeyRange, RangeList};
use crate::pending::{Base, Pending, StampTemplate};
use crate::transaction::StampedKey;
use crate::write_map::{NEWEST, WriteMap};

/// What a follower hands over to be committed.
#[derive(Debug, Default)]
pub(crate) struct CommitParts {
    pub(crate) read_version: Option<i64>,
    pub(crate) read_conflicts: RangeList,
    pub(crate) write_conflicts: RangeList,
    pub(crate) writes: WriteMap<Pending>,
    pub(crate) stamped_keys: Vec<StampedKey>,
}

pub(crate) fn encode(id: i64, request: &CommitRequest) -> Frame {
    let mut frame = Frame::new(COMMIT);
    frame.number(id);
    match request.read_version {
        Some(version) => frame.byte(1).number(version),
        None => frame.byte(0),
    };
    put_ranges(&mut frame, &request.read_conflicts);
    put_ranges(&mut frame, &request.write_conflicts);
    let cleared = request.writes.cleared_ranges().count();
    frame.count(cleared);
    for (begin, end) in request.writes.cleared_ranges() {
        frame.bytes(begin).bytes(end).number(request.writes.last_clear(begin));
    }
    frame.count(request.writes.entries().count());
    for (key, pending) in request.writes.entries() {
        frame.bytes(key).number(request.writes.last_version(key));
        put_pending(&mut frame, pending);
    }
    frame.count(request.stamped_keys.len());
    for stamped in &request.stamped_keys {
        put_template(&mut frame, &stamped.template);
        frame.bytes(&stamped.value).number(stamped.sequence).byte(u8::from(stamped.conflicts));
    }
    frame
}

/// The id and the parts of a commit; `None` when the frame is malformed.
pub(crate) fn decode(frame: &[u8]) -> Option<(i64, CommitParts)> {
    let mut fields = Fields::new(frame);
    if fields.byte()? != COMMIT {
        return None;
    }
    let id = fields.number()?;
    let mut parts = CommitParts::default();
    if fields.byte()? != 0 {
        parts.read_version = Some(fields.number()?);
    }
    parts.read_conflicts = take_ranges(&mut fields)?;
    parts.write_conflicts = take_ranges(&mut fields)?;
    for _ in 0..fields.count()? {
        let (begin, end, sequence) = (fields.bytes()?, fields.bytes()?, fields.number()?);
        if begin >= end {
            return None;
        }
        parts.writes.clear(begin, end, sequence, NEWEST);
    }
    for _ in 0..fields.count()? {
        let (key, sequence) = (fields.bytes()?, fields.number()?);
        let pending = take_pending(&mut fields)?;
        parts.writes.set(key.into(), pending, 0, sequence, NEWEST);
    }
    for _ in 0..fields.count()? {
        parts.stamped_keys.push(StampedKey {
            template: take_template(&mut fields)?,
            value: fields.bytes()?.into(),
            sequence: fields.number()?,
            conflicts: fields.byte()? != 0,
        });
    }
    fields.end()?;
    Some((id, parts))
}

fn put_ranges(frame: &mut Frame, ranges: &RangeList) {
    frame.count(ranges.iter().count());
    for range in ranges.iter() {
        match range {
            KeyRange::Single(key) => frame.bytes(key).optional(None),
            KeyRange::Span(begin, end) => frame.bytes(begin).optional(Some(end)),
        };
    }
}

fn take_ranges(fields: &mut Fields<'_>) -> Option<RangeList> {
    let mut ranges = RangeList::default();
    for _ in 0..fields.count()? {
        match (fields.bytes()?, fields.optional()?) {
            (key, None) => ranges.push_key(key),
            (begin, Some(end)) => ranges.push_range(begin, end),
        }
    }
    Some(ranges)
}

fn put_pending(frame: &mut Frame, pending: &Pending) {
    match pending {
        Pending::Value(None) => frame.byte(0),
        Pending::Value(Some(value)) => frame.byte(1).bytes(value),
        Pending::Operations { base, operations } => {
            match base {
                Base::Store => {
                    frame.byte(2);
                }
                Base::Stamped(template) => {
                    frame.byte(3);
                    put_template(frame, template);
                }
            }
            frame.count(operations.len());
            for (operation, operand) in operations {
                frame.byte(*operation as u8).bytes(operand);
            }
            frame
        }
    };
}

fn take_pending(fields: &mut Fields<'_>) -> Option<Pending> {
    let base = match fields.byte()? {
        0 => return Some(Pending::Value(None)),
        1 => return Some(Pending::Value(Some(fields.bytes()?.into()))),
        2 => Base::Store,
        3 => Base::Stamped(take_template(fields)?),
        _ => return None,
    };
    let mut operations = Vec::new();
    for _ in 0..fields.count()? {
        let operation = MutationType::from_code(i32::from(fields.byte()?)).ok()?;
        operations.push((operation, Key::from(fields.bytes()?)));
    }
    Some(Pending::Operations { base, operations })
}

fn put_template(frame: &mut Frame, template: &StampTemplate) {
    frame.bytes(template.bytes()).count(template.offset());
}

fn take_template(fields: &mut Fields<'_>) -> Option<StampTemplate> {
    StampTemplate::at(fields.bytes()?, fields.count()?).ok()
}
