//! A transaction's uncommitted write of one key.

use std::borrow::Cow;

use crate::atomic::{self, MutationType};
use crate::error::{Error, Result, code};
use crate::keys::{Key, key_after};
use crate::merge::LayerValue;
use crate::write_map::{NEWEST, WriteMap};

/// An uncommitted write.
#[derive(Debug)]
pub(crate) enum Pending {
    /// The value is known: set, or cleared when `None`.
    Value(Option<Key>),
    /// Operations over what is known at the commit only.
    Operations { base: Base, operations: Vec<(MutationType, Key)> },
}

/// What pending operations start from.
#[derive(Debug)]
pub(crate) enum Base {
    /// What the store holds.
    Store,
    /// A value with a stamp to be placed at an offset.
    Stamped(StampTemplate),
}

/// Bytes with a place for the 10 bytes of the commit's versionstamp.
#[derive(Debug, Clone)]
pub(crate) struct StampTemplate {
    bytes: Key,
    offset: usize,
}

impl StampTemplate {
    /// Takes the 4-byte little-endian offset off the end of `operand`.
    ///
    /// # Errors
    /// 2000 when the offset is missing or the stamp does not fit.
    pub(crate) fn parse(operand: &[u8]) -> Result<Self> {
        let Some((bytes, offset)) = operand.split_last_chunk::<4>() else {
            return Err(Error::new(code::CLIENT_INVALID_OPERATION));
        };
        Self::at(bytes, u32::from_le_bytes(*offset) as usize)
    }

    /// A template of `bytes` whose stamp is at `offset`.
    ///
    /// # Errors
    /// 2000 when the stamp does not fit.
    pub(crate) fn at(bytes: &[u8], offset: usize) -> Result<Self> {
        if offset.saturating_add(10) > bytes.len() {
            return Err(Error::new(code::CLIENT_INVALID_OPERATION));
        }
        Ok(Self { bytes: bytes.into(), offset })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn stamped(&self, stamp: [u8; 10]) -> Key {
        let mut bytes = self.bytes.clone();
        if let Some(place) = bytes.get_mut(self.offset..self.offset + 10) {
            place.copy_from_slice(&stamp);
        }
        bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Pending {
    /// True when the value does not depend on anything but the transaction itself.
    pub(crate) fn is_known(&self) -> bool {
        matches!(self, Self::Value(_))
    }

    /// The value that a read sees, given what the store holds.
    pub(crate) fn read(&self, below: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        Ok(self.resolve(below.as_deref())?.map(Cow::into_owned))
    }

    /// Puts an operation on top of this write.
    pub(crate) fn then(self, operation: MutationType, operand: &[u8]) -> Self {
        match self {
            Self::Value(value) => Self::Value(atomic::apply(operation, value.as_deref(), operand)),
            Self::Operations { base, mut operations } => {
                operations.push((operation, operand.into()));
                Self::Operations { base, operations }
            }
        }
    }

    /// The value to commit, given what the store holds and the commit's stamp.
    pub(crate) fn committed(
        self,
        store: impl FnOnce() -> Result<Option<Key>>,
        stamp: [u8; 10],
    ) -> Result<Option<Key>> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Operations { base, operations } => {
                let start = match base {
                    Base::Store => store()?,
                    Base::Stamped(template) => Some(template.stamped(stamp)),
                };
                Ok(fold(start, &operations))
            }
        }
    }
}

fn fold(start: Option<Key>, operations: &[(MutationType, Key)]) -> Option<Key> {
    operations.iter().fold(start, |value, (operation, operand)| {
        atomic::apply(*operation, value.as_deref(), operand)
    })
}

impl WriteMap<Pending> {
    /// The parts of `[begin, end)` whose content the transaction alone decides, in key order;
    /// neighbours may overlap.
    pub(crate) fn known_ranges(&self, begin: &[u8], end: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut known: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (from, to) in self.cleared_ranges_in(begin, end) {
            known.push((from.to_vec(), to.to_vec()));
        }
        let mut cursor = self.cursor(begin, end, false, NEWEST);
        while let Some((key, pending)) = cursor.current() {
            if pending.is_known() {
                known.push((key.to_vec(), key_after(key)));
            }
            cursor.advance();
        }
        known.sort();
        known
    }
}

impl LayerValue for Pending {
    fn resolve(&self, below: Option<&[u8]>) -> Result<Option<Cow<'_, [u8]>>> {
        match self {
            Self::Value(value) => Ok(value.as_deref().map(Cow::Borrowed)),
            Self::Operations { base: Base::Store, operations } => {
                let value = fold(below.map(Key::from), operations);
                Ok(value.map(|value| Cow::Owned(value.into_vec())))
            }
            Self::Operations { base: Base::Stamped(_), .. } => {
                Err(Error::new(code::ACCESSED_UNREADABLE))
            }
        }
    }
}
