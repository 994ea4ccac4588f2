//! Options of the network and of databases. Those of a transaction are the store's own.

use kronotop_kv::error::code;

/// An option's value as the C API passes it: bytes, or nothing.
pub type OptionValue = Option<Vec<u8>>;

/// What a database option means here.
pub enum DatabaseOption {
    /// Every new transaction starts with this transaction option.
    TransactionDefault(i32),
    /// Valid, and without meaning for a store on this host (locality, caches, tracing).
    Ignored,
}

/// Accepts FoundationDB's network options. They configure tracing, TLS and client libraries, none
/// of which an embedded store has, so none changes anything.
pub fn check_network_option(option: i32) -> Result<(), i32> {
    match option {
        10 | 20 | 30..=41 | 42 | 43 | 45..=50 | 51..=55 | 60..=72 | 80..=83 | 90 | 91 => Ok(()),
        1000..=1002 => Ok(()),
        _ => Err(code::INVALID_OPTION),
    }
}

/// Looks up a database option.
pub fn database_option(option: i32) -> Result<DatabaseOption, i32> {
    use DatabaseOption::{Ignored, TransactionDefault};
    Ok(match option {
        26 => TransactionDefault(600),
        27 => TransactionDefault(601),
        500..=503 => TransactionDefault(option),
        504 => TransactionDefault(20),
        505 => TransactionDefault(23),
        506 => TransactionDefault(505),
        700 => TransactionDefault(1100),
        701 | 702 => TransactionDefault(option),
        10 | 20 | 21 | 22 | 405 | 800 | 900 => Ignored,
        _ => return Err(code::INVALID_OPTION),
    })
}
