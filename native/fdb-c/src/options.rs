//! Options of the network and of databases. Those of a transaction are the store's own.

use kronotop_kv::error::code;

/// An option's value as the C API passes it: bytes, or nothing.
pub type OptionValue = Option<Vec<u8>>;

/// Ours: the fault mode of the store, for tests. The value is text, `seed=7 not_committed=0.05 …`
/// as `kronotop_kv::Faults` reads it; no value ends it. FoundationDB has no option of this number
/// and refuses it, so faults can't be asked for where they can't be had.
const FAULTS: i32 = 1_000_000;

/// FoundationDB's `callbacks_on_external_threads`: callbacks run on the threads that complete their
/// futures, which spares them the way to the network thread.
pub const CALLBACKS_ANYWHERE: i32 = 61;

/// What a database option means here.
pub enum DatabaseOption {
    /// Sets the faults of the store, for all databases that share it.
    Faults,
    /// Every new transaction starts with this transaction option.
    TransactionDefault(i32),
    /// How many watches may be set at a time.
    WatchLimit,
    /// Valid, and without meaning for a store on this host (locality, caches, tracing).
    Ignored,
}

/// Accepts FoundationDB's network options. They configure tracing, TLS and client libraries, none
/// of which an embedded store has: but for [`CALLBACKS_ANYWHERE`] none changes anything.
pub fn check_network_option(option: i32) -> Result<(), i32> {
    match option {
        10 | 20 | 30..=41 | 42 | 43 | 45..=50 | 51..=55 | 60..=72 | 80..=83 | 90 | 91 => Ok(()),
        1000..=1002 => Ok(()),
        _ => Err(code::INVALID_OPTION),
    }
}

/// Looks up a database option.
pub fn database_option(option: i32) -> Result<DatabaseOption, i32> {
    use DatabaseOption::{Ignored, TransactionDefault, WatchLimit};
    Ok(match option {
        26 => TransactionDefault(600),
        27 => TransactionDefault(601),
        500..=503 => TransactionDefault(option),
        504 => TransactionDefault(20),
        505 => TransactionDefault(23),
        506 => TransactionDefault(505),
        700 => TransactionDefault(1100),
        FAULTS => DatabaseOption::Faults,
        701 | 702 => TransactionDefault(option),
        20 => WatchLimit,
        10 | 21 | 22 | 405 | 800 | 900 => Ignored,
        _ => return Err(code::INVALID_OPTION),
    })
}

/// The number in an option's value: 8 bytes, little-endian, from 0 to `max`.
pub fn option_number(value: Option<&[u8]>, max: usize) -> Result<usize, i32> {
    let bytes = value.and_then(|value| <[u8; 8]>::try_from(value).ok());
    let number = bytes.and_then(|bytes| usize::try_from(i64::from_le_bytes(bytes)).ok());
    number.filter(|number| *number <= max).ok_or(code::INVALID_OPTION_VALUE)
}
