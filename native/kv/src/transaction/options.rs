//! Transaction options, with FoundationDB's numbers.

use std::time::{Duration, Instant};

use super::Transaction;
use crate::error::{Error, Result, code};
use crate::keys::TRANSACTION_LIMIT;

/// Numbers of the options that change something here.
#[expect(missing_docs, reason = "the names are FoundationDB's own")]
pub mod option_code {
    pub const NEXT_WRITE_NO_WRITE_CONFLICT_RANGE: i32 = 30;
    pub const READ_YOUR_WRITES_DISABLE: i32 = 51;
    pub const ACCESS_SYSTEM_KEYS: i32 = 301;
    pub const READ_SYSTEM_KEYS: i32 = 302;
    pub const RAW_ACCESS: i32 = 303;
    pub const TIMEOUT: i32 = 500;
    pub const RETRY_LIMIT: i32 = 501;
    pub const MAX_RETRY_DELAY: i32 = 502;
    pub const SIZE_LIMIT: i32 = 503;
    pub const SNAPSHOT_RYW_ENABLE: i32 = 600;
    pub const SNAPSHOT_RYW_DISABLE: i32 = 601;
    pub const USED_DURING_COMMIT_PROTECTION_DISABLE: i32 = 701;
    pub const BYPASS_UNREADABLE: i32 = 1100;
}

/// Options that take no value.
const FLAGS: [i32; 9] = {
    use option_code as o;
    [
        o::NEXT_WRITE_NO_WRITE_CONFLICT_RANGE,
        o::READ_YOUR_WRITES_DISABLE,
        o::ACCESS_SYSTEM_KEYS,
        o::READ_SYSTEM_KEYS,
        o::RAW_ACCESS,
        o::SNAPSHOT_RYW_ENABLE,
        o::SNAPSHOT_RYW_DISABLE,
        o::USED_DURING_COMMIT_PROTECTION_DISABLE,
        o::BYPASS_UNREADABLE,
    ]
};

/// Options that a store on one host has no use for: priorities, tracing, caching, locks, routing,
/// tenants' quotas and tokens.
const IGNORED: [i32; 46] = [
    10, 20, 21, 22, 23, 24, 50, 52, 110, 120, 130, 200, 201, 300, 304, 400, 401, 402, 403, 404,
    405, 406, 504, 505, 506, 507, 508, 509, 510, 511, 700, 702, 710, 711, 712, 713, 714, 715, 716,
    720, 800, 801, 900, 1000, 1101, 2000,
];

#[derive(Debug, Clone)]
pub(super) struct TransactionOptions {
    pub(super) skip_next_write_conflict: bool,
    pub(super) read_your_writes: bool,
    /// Snapshot reads see own writes while this is positive: each option for it adds one, each
    /// option against it takes one away.
    pub(super) snapshot_reads_own_writes: i32,
    pub(super) reads_system_keys: bool,
    pub(super) writes_system_keys: bool,
    pub(super) bypass_unreadable: bool,
    pub(super) timeout: Option<Duration>,
    /// Negative: no limit.
    pub(super) retry_limit: i64,
    pub(super) max_retry_delay: Duration,
    pub(super) size_limit: usize,
}

impl Default for TransactionOptions {
    fn default() -> Self {
        Self {
            skip_next_write_conflict: false,
            read_your_writes: true,
            snapshot_reads_own_writes: 1,
            reads_system_keys: false,
            writes_system_keys: false,
            bypass_unreadable: false,
            timeout: None,
            retry_limit: -1,
            max_retry_delay: Duration::from_secs(1),
            size_limit: TRANSACTION_LIMIT,
        }
    }
}

impl TransactionOptions {
    /// FoundationDB keeps these over `on_error` and drops the others.
    pub(super) fn kept_by_on_error(&self) -> Self {
        Self {
            timeout: self.timeout,
            retry_limit: self.retry_limit,
            max_retry_delay: self.max_retry_delay,
            size_limit: self.size_limit,
            ..Self::default()
        }
    }
}

impl Transaction {
    /// Sets an option by FoundationDB's number; numbers are 8 bytes, little-endian.
    ///
    /// # Errors
    /// 2000 when reads or writes come before an option that must precede them, 2006 for a bad
    /// value, 2007 for an unknown option, 2017.
    pub fn set_option(&mut self, option: i32, value: Option<&[u8]>) -> Result<()> {
        use option_code as o;
        if FLAGS.contains(&option) && value.is_some_and(|value| !value.is_empty()) {
            return Err(Error::new(code::INVALID_OPTION_VALUE));
        }
        let options = &mut self.options;
        match option {
            o::NEXT_WRITE_NO_WRITE_CONFLICT_RANGE => options.skip_next_write_conflict = true,
            o::READ_YOUR_WRITES_DISABLE => {
                let has_written = !self.writes.is_empty() || !self.stamped_keys.is_empty();
                if self.has_read || has_written {
                    return Err(Error::new(code::CLIENT_INVALID_OPERATION));
                }
                options.read_your_writes = false;
            }
            o::ACCESS_SYSTEM_KEYS | o::RAW_ACCESS => {
                options.reads_system_keys = true;
                options.writes_system_keys = true;
            }
            o::READ_SYSTEM_KEYS => options.reads_system_keys = true,
            o::TIMEOUT => {
                let millis = number(value, 0, i64::from(i32::MAX))?.unsigned_abs();
                options.timeout = (millis > 0).then(|| Duration::from_millis(millis));
            }
            o::RETRY_LIMIT => options.retry_limit = number(value, -1, i64::from(i32::MAX))?,
            o::MAX_RETRY_DELAY => {
                let millis = number(value, 0, i64::from(i32::MAX))?.unsigned_abs();
                options.max_retry_delay = Duration::from_millis(millis);
            }
            o::SIZE_LIMIT => {
                let limit = number(value, 32, TRANSACTION_LIMIT as i64)?;
                options.size_limit = usize::try_from(limit).unwrap_or(TRANSACTION_LIMIT);
            }
            o::SNAPSHOT_RYW_ENABLE => options.snapshot_reads_own_writes += 1,
            o::SNAPSHOT_RYW_DISABLE => options.snapshot_reads_own_writes -= 1,
            o::BYPASS_UNREADABLE => options.bypass_unreadable = true,
            // Calls on one transaction are serialised: nothing needs the protection switched off.
            o::USED_DURING_COMMIT_PROTECTION_DISABLE => {}
            ignored if IGNORED.contains(&ignored) => {}
            _ => return Err(Error::new(code::INVALID_OPTION)),
        }
        Ok(())
    }

    /// When the time is up that an option gave the transaction.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.options.timeout.map(|timeout| self.created + timeout)
    }

    /// Forgets every option that was set.
    pub fn reset_options(&mut self) {
        self.options = TransactionOptions::default();
    }
}

fn number(value: Option<&[u8]>, min: i64, max: i64) -> Result<i64> {
    let bytes = value.and_then(|value| <[u8; 8]>::try_from(value).ok());
    let number = bytes.map(i64::from_le_bytes).filter(|number| (min..=max).contains(number));
    number.ok_or(Error::new(code::INVALID_OPTION_VALUE))
}
