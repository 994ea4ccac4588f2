//! Writes of a transaction: kept in memory until the commit.

use super::{StampedKey, Transaction};
use crate::atomic::MutationType;
use crate::error::{Error, Result, code};
use crate::keys::{KEY_LIMIT, Key, METADATA_VERSION_KEY, VALUE_LIMIT, key_after};
use crate::pending::{Base, Pending, StampTemplate};
use crate::types::{ConflictKind, versionstamp};
use crate::write_map::{Lookup, NEWEST};

/// What FoundationDB counts for a mutation and for a range beside their bytes.
const MUTATION_OVERHEAD: usize = 28;
const RANGE_OVERHEAD: usize = 24;

impl Transaction {
    /// Sets a key.
    ///
    /// # Errors
    /// 1025, 1031, 2004, 2017, 2102, 2103.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_write(key, value)?;
        self.count_mutation(key, value.len());
        self.add_write_conflict(key);
        self.put(key, Pending::Value(Some(value.into())), value.len());
        Ok(())
    }

    /// Clears a key.
    ///
    /// # Errors
    /// 1025, 1031, 2004, 2017.
    pub fn clear(&mut self, key: &[u8]) -> Result<()> {
        if key.len() > KEY_LIMIT {
            // No key is that long: there is nothing to clear.
            self.options.skip_next_write_conflict = false;
            return self.check_active();
        }
        self.check_write(key, &[])?;
        self.count_mutation(key, key.len() + 1);
        self.add_write_conflict(key);
        self.put(key, Pending::Value(None), 0);
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
        if stamps_value && key == METADATA_VERSION_KEY {
            self.check_active()?;
        } else {
            self.check_write(key, operand)?;
        }
        let pending = if stamps_value {
            let template = StampTemplate::parse(operand)?;
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
        Ok(())
    }

    fn set_stamped_key(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_write(key, value)?;
        let template = StampTemplate::parse(key)?;
        if template.len() > KEY_LIMIT {
            return Err(Error::new(code::KEY_TOO_LARGE));
        }
        self.count_mutation(key, value.len());
        self.sequence += 1;
        // The stamp is some version after the newest one now, and not far: reads there must fail.
        let floor = self.client.known_version();
        let first = template.stamped(versionstamp(floor));
        let last = template.stamped(versionstamp(i64::MAX));
        self.unreadable.push((first.into_vec(), key_after(&last)));
        let skips = std::mem::take(&mut self.options.skip_next_write_conflict);
        self.stamped_keys.push(StampedKey {
            template,
            value: value.into(),
            sequence: self.sequence,
            conflicts: !skips,
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
                self.check_range(begin, end, self.read_end())?;
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
        if key.len() > KEY_LIMIT {
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
    bound.get(..KEY_LIMIT + 1).unwrap_or(bound)
}
