//! Writes of a transaction: kept in memory until the commit.

use super::size::{MUTATION_OVERHEAD, RANGE_OVERHEAD};
use super::{StampedKey, Transaction};
use crate::atomic::MutationType;
use crate::error::{Error, Result, code};
use crate::keys::{Key, KeyRange, METADATA_VERSION_KEY, VALUE_LIMIT, key_after, key_limit};
use crate::pending::{Base, Pending, StampTemplate};
use crate::types::{ConflictKind, versionstamp};
use crate::view::View;
use crate::watches::PendingWatch;
use crate::write_map::{Lookup, NEWEST};

/// The only value that the metadata version takes: a stamp and where it goes.
const METADATA_VERSION_OPERAND: [u8; 14] = [0; 14];

/// What a write leaves behind.
#[derive(Clone, Copy)]
enum Written<'a> {
    /// This value; `None` when the key is cleared.
    Known(Option<&'a [u8]>),
    AtTheCommit,
}

impl Transaction {
    /// Sets a key.
    ///
    /// # Errors
    /// 1025, 1031, 2000 for the metadata version, which is only stamped, 2004, 2017, 2102, 2103.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if key == METADATA_VERSION_KEY {
            return Err(Error::new(code::CLIENT_INVALID_OPERATION));
        }
        self.check_write(key, value)?;
        self.count_mutation(key, value.len());
        self.add_write_conflict(key);
        self.put(key, Pending::Value(Some(value.into())), value.len());
        self.fire_watches(KeyRange::Single(key), Written::Known(Some(value)));
        Ok(())
    }

    /// Clears a key.
    ///
    /// # Errors
    /// 1025, 1031, 2004, 2017.
    pub fn clear(&mut self, key: &[u8]) -> Result<()> {
        if key.len() > key_limit(key) {
            // No key is that long: there is nothing to clear.
            self.options.skip_next_write_conflict = false;
            return self.check_active();
        }
        self.check_write(key, &[])?;
        self.count_mutation(key, key.len() + 1);
        self.add_write_conflict(key);
        self.put(key, Pending::Value(None), 0);
        self.unreadable.remove(key, &key_after(key));
        self.fire_watches(KeyRange::Single(key), Written::Known(None));
        Ok(())
    }

    /// Clears `[begin, end)`.
    ///
    /// # Errors
    /// 1025, 1031, 2004, 2005, 2017.
    pub fn clear_range(&mut self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.check_active()?;
        let no_conflict = std::mem::take(&mut self.options.skip_next_write_conflict);
        let (begin, end) = (cut(begin), cut(end));
        self.check_range(begin, end, self.write_end())?;
        if begin == end {
            return Ok(());
        }
        self.size += begin.len() + end.len() + MUTATION_OVERHEAD;
        if !no_conflict {
            self.size += begin.len() + end.len() + RANGE_OVERHEAD;
            self.write_conflicts.push_range(begin, end);
        }
        self.sequence += 1;
        self.writes.clear(begin, end, self.sequence, NEWEST);
        self.unreadable.remove(begin, end);
        self.fire_watches(KeyRange::Span(begin, end), Written::Known(None));
        Ok(())
    }

    /// Applies an atomic operation to a key. For the versionstamped ones the last 4 bytes of the
    /// key or operand are the little-endian offset of the stamp in the bytes before them.
    ///
    /// # Errors
    /// 1025, 1031, 2000 for a bad stamp offset, 2004, 2017, 2102, 2103.
    pub fn atomic_op(&mut self, key: &[u8], operand: &[u8], operation: MutationType) -> Result<()> {
        if operation == MutationType::SetVersionstampedKey {
            return self.set_stamped_key(key, operand);
        }
        let stamps_value = operation == MutationType::SetVersionstampedValue;
        if key == METADATA_VERSION_KEY {
            self.check_active()?;
            if !stamps_value || operand != METADATA_VERSION_OPERAND {
                return Err(Error::new(code::CLIENT_INVALID_OPERATION));
            }
        } else {
            self.check_write(key, operand)?;
        }
        let pending = if stamps_value {
            let template = StampTemplate::parse(operand)?;
            self.unreadable.add(key, &key_after(key));
            Pending::Operations { base: Base::Stamped(template), operations: Vec::new() }
        } else {
            match self.writes.take_entry(key) {
                Some(below) => below.then(operation, operand),
                None if matches!(self.writes.lookup(key, NEWEST), Lookup::Cleared) => {
                    Pending::Value(None).then(operation, operand)
                }
                None => {
                    let operations = vec![(operation, Key::from(operand))];
                    Pending::Operations { base: Base::Store, operations }
                }
            }
        };
        self.count_mutation(key, operand.len());
        self.add_write_conflict(key);
        self.put(key, pending, operand.len());
        self.fire_watches(KeyRange::Single(key), Written::AtTheCommit);
        Ok(())
    }

    fn set_stamped_key(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_write(key, value)?;
        let template = StampTemplate::parse(key)?;
        self.count_mutation(key, value.len());
        self.sequence += 1;
        // The stamp is some version after the one read at, if that is known.
        let read_version = self.snapshot.as_ref().map(View::version).or(self.wanted_version);
        let first = template.stamped(versionstamp(read_version.map_or(0, |version| version + 1)));
        let behind = key_after(&template.stamped([0xff; 10]));
        self.unreadable.add(&first, behind.as_slice().min(self.read_end()));
        // As in FoundationDB the option is used up, but a stamped key always adds its conflict.
        self.options.skip_next_write_conflict = false;
        self.stamped_keys.push(StampedKey {
            template,
            value: value.into(),
            sequence: self.sequence,
        });
        Ok(())
    }

    /// Adds `[begin, end)` to the ranges that must not change (read) or that change (write).
    ///
    /// # Errors
    /// 1025, 1031, 2004, 2005, 2017.
    pub fn add_conflict_range(
        &mut self,
        begin: &[u8],
        end: &[u8],
        kind: ConflictKind,
    ) -> Result<()> {
        self.check_active()?;
        let (begin, end) = (cut(begin), cut(end));
        match kind {
            ConflictKind::Read => {
                let metadata_version = begin == METADATA_VERSION_KEY && end == key_after(begin);
                if !metadata_version {
                    self.check_range(begin, end, self.read_end())?;
                }
                self.add_read_conflict(begin, end);
            }
            ConflictKind::Write => {
                self.check_range(begin, end, self.write_end())?;
                self.size += begin.len() + end.len() + RANGE_OVERHEAD;
                self.write_conflicts.push_range(begin, end);
            }
        }
        Ok(())
    }

    fn check_range(&self, begin: &[u8], end: &[u8], limit: &[u8]) -> Result<()> {
        if begin > end {
            return Err(Error::new(code::INVERTED_RANGE));
        }
        if end > limit {
            return Err(Error::new(code::KEY_OUTSIDE_LEGAL_RANGE));
        }
        Ok(())
    }

    fn check_write(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_active()?;
        if key >= self.write_end() {
            return Err(Error::new(code::KEY_OUTSIDE_LEGAL_RANGE));
        }
        if key.len() > key_limit(key) {
            return Err(Error::new(code::KEY_TOO_LARGE));
        }
        if value.len() > VALUE_LIMIT {
            return Err(Error::new(code::VALUE_TOO_LARGE));
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], pending: Pending, size: usize) {
        self.sequence += 1;
        self.writes.set(key.into(), pending, size, self.sequence, NEWEST);
    }

    /// Fires the watches of this transaction on keys that it gives another value, as FoundationDB
    /// does: at once, whether it commits or not.
    fn fire_watches(&mut self, range: KeyRange<'_>, written: Written<'_>) {
        if self.watches.is_empty() {
            return;
        }
        let changed = |watch: &mut PendingWatch| {
            let inside = match range {
                KeyRange::Single(key) => *watch.key == *key,
                KeyRange::Span(begin, end) => begin <= &*watch.key && &*watch.key < end,
            };
            inside
                && match written {
                    Written::Known(value) => value != watch.expected.as_deref(),
                    Written::AtTheCommit => true,
                }
        };
        let fired: Vec<PendingWatch> = self.watches.extract_if(.., changed).collect();
        for watch in fired {
            watch.cell.fire(Ok(()));
        }
    }

    fn count_mutation(&mut self, key: &[u8], parameter_len: usize) {
        self.size += key.len() + parameter_len + MUTATION_OVERHEAD;
    }

    /// Adds the conflict of a write of one key, unless an option took it away.
    fn add_write_conflict(&mut self, key: &[u8]) {
        if !std::mem::take(&mut self.options.skip_next_write_conflict) {
            self.size += 2 * key.len() + 1 + RANGE_OVERHEAD;
            self.write_conflicts.push_key(key);
        }
    }

    /// Adds the conflict of a read of one key that the store answered.
    pub(super) fn add_read_key_conflict(&mut self, key: &[u8]) {
        self.size += 2 * key.len() + 1 + RANGE_OVERHEAD;
        self.read_conflicts.push_key(key);
    }

    /// Adds `[begin, end)` without the parts that only this transaction's writes answer.
    pub(super) fn add_read_conflict(&mut self, begin: &[u8], end: &[u8]) {
        let mut from = begin.to_vec();
        if self.options.read_your_writes && !self.writes.misses(begin, end) {
            for (known_begin, known_end) in self.writes.known_ranges(begin, end) {
                if *from < *known_begin {
                    self.size += from.len() + known_begin.len() + RANGE_OVERHEAD;
                    self.read_conflicts.push_range(&from, &known_begin);
                }
                from = from.max(known_end);
            }
        }
        if *from < *end {
            self.size += from.len() + end.len() + RANGE_OVERHEAD;
            self.read_conflicts.push_range(&from, end);
        }
    }
}

/// No key is longer than the limit: a longer bound means the same as its cut.
fn cut(bound: &[u8]) -> &[u8] {
    bound.get(..key_limit(bound) + 1).unwrap_or(bound)
}
