//! The bytes of a simulated file, held sparsely, and the changes that a power loss may undo.

use std::collections::BTreeMap;

const PAGE: u64 = 4096;
/// The unit that a disk writes whole: a torn write is torn between sectors.
const SECTOR: u64 = 512;

/// Content of a file; absent pages read as zeros.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Box<[u8]>>,
    pub(super) len: u64,
}

/// One change to a file that is not durable yet.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
    Release { offset: u64, length: u64 },
}

impl Content {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes } => self.write(*offset, bytes),
            Change::SetLen(length) => {
                if *length < self.len {
                    self.zero(*length, self.len - *length);
                }
                self.len = *length;
            }
            Change::Release { offset, length } => self.zero(*offset, *length),
        }
    }

    /// Applies those sectors of a change that `keep` chooses.
    pub(super) fn apply_torn(&mut self, change: &Change, keep: &mut dyn FnMut() -> bool) {
        let Change::Write { offset, bytes } = change else {
            if keep() {
                self.apply(change);
            }
            return;
        };
        let mut start = *offset;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (sector, after) = rest.split_at(room(start, SECTOR).min(rest.len()));
            if keep() {
                self.write(start, sector);
            }
            start += sector.len() as u64;
            rest = after;
        }
    }

    /// False when the range passes the end of the file.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> bool {
        if offset.saturating_add(buffer.len() as u64) > self.len {
            return false;
        }
        let mut start = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (part, after) = rest.split_at_mut(room(start, PAGE).min(rest.len()));
            let from = in_page(start);
            let page = self.pages.get(&(start / PAGE));
            match page.and_then(|page| page.get(from..from + part.len())) {
                Some(bytes) => part.copy_from_slice(bytes),
                None => part.fill(0),
            }
            start += part.len() as u64;
            rest = after;
        }
        true
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut start = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(room(start, PAGE).min(rest.len()));
            let from = in_page(start);
            let page = self.pages.entry(start / PAGE).or_insert_with(|| vec![0; 4096].into());
            if let Some(target) = page.get_mut(from..from + part.len()) {
                target.copy_from_slice(part);
            }
            start += part.len() as u64;
            rest = after;
        }
        self.len = self.len.max(offset.saturating_add(bytes.len() as u64));
    }

    fn zero(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        for (number, page) in self.pages.range_mut(offset / PAGE..end.div_ceil(PAGE)) {
            for (position, byte) in (number * PAGE..).zip(page.iter_mut()) {
                if position >= offset && position < end {
                    *byte = 0;
                }
            }
        }
    }
}

/// Bytes from a position to the end of its unit.
fn room(position: u64, unit: u64) -> usize {
    usize::try_from(unit - position % unit).unwrap_or(usize::MAX)
}

fn in_page(position: u64) -> usize {
    usize::try_from(position % PAGE).unwrap_or(usize::MAX)
}
