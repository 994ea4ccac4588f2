//! The values that callers pass in and get back.

use crate::error::{Error, Result, code};
use crate::peers::PageSize;

/// Chooses a key by its position relative to another one.
///
/// With `or_equal` false, `offset` 1 is the first key at or after `key`, 0 the last key before it;
/// `or_equal` moves both behind `key` itself. Beyond the ends it resolves to `""` and `\xff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySelector {
    /// The key that the position counts from; need not exist.
    pub key: Vec<u8>,
    /// Counts from just behind `key` instead of just before it.
    pub or_equal: bool,
    /// 1 is the next key, 0 the one before; larger and smaller values step on.
    pub offset: i32,
}

impl KeySelector {
    /// The first key at or after `key`.
    #[must_use]
    pub fn first_greater_or_equal(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), or_equal: false, offset: 1 }
    }

    /// The first key after `key`.
    #[must_use]
    pub fn first_greater_than(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), or_equal: true, offset: 1 }
    }

    /// The last key at or before `key`.
    #[must_use]
    pub fn last_less_or_equal(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), or_equal: true, offset: 0 }
    }

    /// The last key before `key`.
    #[must_use]
    pub fn last_less_than(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), or_equal: false, offset: 0 }
    }
}

/// How much one range read returns (FoundationDB's `FDBStreamingMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum StreamingMode {
    /// The caller wants the whole range: large batches.
    #[default]
    WantAll = -2,
    /// Batches grow with `RangeOptions::iteration`, from 4,096 to 120,000 bytes.
    Iterator = -1,
    /// All that `limit` and `target_bytes` allow in one batch; one of them must be given.
    Exact = 0,
    /// 256 bytes.
    Small = 1,
    /// 1,000 bytes.
    Medium = 2,
    /// 4,096 bytes.
    Large = 3,
    /// 80,000 bytes.
    Serial = 4,
}

impl StreamingMode {
    /// The mode with FoundationDB's number.
    ///
    /// # Errors
    /// 2000 for a number that names no mode.
    pub fn from_code(number: i32) -> Result<Self> {
        Ok(match number {
            -2 => Self::WantAll,
            -1 => Self::Iterator,
            0 => Self::Exact,
            1 => Self::Small,
            2 => Self::Medium,
            3 => Self::Large,
            4 => Self::Serial,
            _ => return Err(Error::new(code::CLIENT_INVALID_OPERATION)),
        })
    }
}

/// Limits and direction of one range read.
#[derive(Debug, Clone, Copy, Default)]
pub struct RangeOptions {
    /// Most pairs; 0 = none.
    pub limit: usize,
    /// Bytes of keys and values after which the batch ends; 0 = none. The smaller one of this and
    /// the mode's size counts. The pair that crosses it is returned.
    pub target_bytes: usize,
    /// The mode's batch size.
    pub mode: StreamingMode,
    /// Number of the batch, from 1; only [`StreamingMode::Iterator`] looks at it.
    pub iteration: i32,
    /// Adds no read conflict range.
    pub snapshot: bool,
    /// From the end of the range towards its begin.
    pub reverse: bool,
}

impl RangeOptions {
    /// The byte limit after which a batch ends.
    pub(crate) fn byte_limit(&self) -> Result<usize> {
        const ITERATION_BYTES: [usize; 10] =
            [4096, 6144, 9216, 13824, 20736, 31104, 46656, 69984, 80000, 120_000];
        let mode_bytes = match self.mode {
            StreamingMode::Exact if self.limit == 0 && self.target_bytes == 0 => {
                return Err(Error::new(code::EXACT_MODE_WITHOUT_LIMITS));
            }
            StreamingMode::Exact => usize::MAX,
            StreamingMode::Small => 256,
            StreamingMode::Medium => 1000,
            StreamingMode::Large => 4096,
            StreamingMode::Serial | StreamingMode::WantAll => 80_000,
            StreamingMode::Iterator => {
                let iteration = usize::try_from(self.iteration).unwrap_or(0).min(10);
                match ITERATION_BYTES.get(iteration.wrapping_sub(1)) {
                    Some(bytes) => *bytes,
                    None => return Err(Error::new(code::CLIENT_INVALID_OPERATION)),
                }
            }
        };
        Ok(if self.target_bytes == 0 { mode_bytes } else { mode_bytes.min(self.target_bytes) })
    }

    /// How much of a range the read will need, given its byte limit.
    pub(crate) fn page_size(&self, byte_limit: usize) -> PageSize {
        let pairs = if self.limit == 0 { usize::MAX } else { self.limit };
        // Beside its bytes a packed pair has its two lengths: some more is asked for.
        let bytes = byte_limit.saturating_mul(2).min(PageSize::LARGEST.bytes);
        PageSize { pairs, bytes }
    }
}

/// The pairs of one range read, packed back to back in one buffer:
///
/// ```text
/// per pair: key length u32 LE | value length u32 LE | key | value
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeResult {
    /// The packed pairs.
    pub data: Vec<u8>,
    /// How many pairs `data` holds.
    pub count: usize,
    /// A limit ended the batch; the range may hold more.
    pub more: bool,
}

impl RangeResult {
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        // Keys and values are bounded by the store's limits, far below 4 GiB.
        self.data.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.data.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
        self.count += 1;
    }

    /// The pairs in the order of the read.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.data.as_slice();
        std::iter::from_fn(move || {
            let (key, value, tail) = split_pair(rest)?;
            rest = tail;
            Some((key, value))
        })
    }
}

/// Splits the first pair off packed ones: its key, its value, the rest.
pub(crate) fn split_pair(pairs: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key_len, rest) = pairs.split_first_chunk::<4>()?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_len) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_len) as usize)?;
    Some((key, value, rest))
}

/// Which set of conflict ranges a range is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// As if the range had been read.
    Read,
    /// As if the range had been written.
    Write,
}

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The commit version; -1 for a read-only transaction, which commits nothing.
    pub version: i64,
}

impl Committed {
    /// The 10 bytes that replaced the transaction's stamps: version (8, big-endian) and batch
    /// order (2, always 0 here because every transaction has a version of its own).
    ///
    /// # Errors
    /// 2021 for a read-only transaction.
    pub fn versionstamp(&self) -> Result<[u8; 10]> {
        if self.version < 0 {
            return Err(Error::new(code::NO_COMMIT_VERSION));
        }
        Ok(versionstamp(self.version))
    }
}

pub(crate) fn versionstamp(version: i64) -> [u8; 10] {
    let mut stamp = [0; 10];
    if let Some(head) = stamp.first_chunk_mut::<8>() {
        *head = version.to_be_bytes();
    }
    stamp
}
