//! Error codes: FoundationDB's descriptions as C strings, and the groups that retry loops ask for.

use std::ffi::CStr;

use kronotop_kv::error::{is_maybe_committed, is_retryable, is_retryable_not_committed};

/// Codes that this crate answers beyond those of the store.
pub const FUTURE_RELEASED: i32 = 1102;
pub const NO_CLUSTER_FILE_FOUND: i32 = 1515;
pub const NETWORK_NOT_SETUP: i32 = 2008;
pub const NETWORK_ALREADY_SETUP: i32 = 2009;
pub const INVALID_DATABASE_NAME: i32 = 2013;
pub const FUTURE_NOT_SET: i32 = 2015;
pub const NETWORK_CANNOT_BE_RESTARTED: i32 = 2025;
pub const BLOCKED_FROM_NETWORK_THREAD: i32 = 2026;
pub const SPECIAL_KEYS_CROSS_MODULE_READ: i32 = 2112;
pub const SPECIAL_KEYS_NO_MODULE_FOUND: i32 = 2113;
pub const SPECIAL_KEYS_WRITE_DISABLED: i32 = 2114;
pub const SPECIAL_KEYS_NO_WRITE_MODULE_FOUND: i32 = 2115;
pub const API_VERSION_UNSET: i32 = 2200;
pub const API_VERSION_ALREADY_SET: i32 = 2201;
pub const API_VERSION_INVALID: i32 = 2202;
pub const API_VERSION_NOT_SUPPORTED: i32 = 2203;

/// Retry loops of clusters with tenants know it; the store never answers it.
const UNKNOWN_TENANT: i32 = 2137;

/// Sorted by code.
const DESCRIPTIONS: &[(i32, &CStr)] = &[
    (0, c"Success"),
    (1, c"End of stream"),
    (1000, c"Operation failed"),
    (1004, c"Operation timed out"),
    (1007, c"Transaction is too old to perform reads or be committed"),
    (1009, c"Request for future version"),
    (1020, c"Transaction not committed due to conflict with another transaction"),
    (1021, c"Transaction may or may not have committed"),
    (1025, c"Operation aborted because the transaction was cancelled"),
    (1026, c"Network connection failed"),
    (1031, c"Operation aborted because the transaction timed out"),
    (1032, c"Too many watches currently set"),
    (1033, c"Locality information not available"),
    (1034, c"Watches cannot be set if read your writes is disabled"),
    (1036, c"Read or wrote an unreadable key"),
    (1037, c"Storage process does not have recent mutations"),
    (1038, c"Database is locked"),
    (1039, c"The protocol version of the cluster has changed"),
    (1042, c"CommitProxy commit memory limit exceeded"),
    (1051, c"Batch GRV request rate limit exceeded"),
    (1078, c"GrvProxy memory limit exceeded"),
    (1100, c"Broken promise"),
    (1101, c"Asynchronous operation cancelled"),
    (1102, c"Future has been released"),
    (1213, c"Transaction tag is being throttled"),
    (1500, c"Platform error"),
    (1510, c"Disk i/o operation failed"),
    (1511, c"File not found"),
    (1513, c"File could not be read"),
    (1514, c"File could not be written"),
    (1515, c"No cluster file found in current directory or default location"),
    (1520, c"A data checksum failed"),
    (1522, c"A structurally corrupt data file was detected"),
    (2000, c"Invalid API call"),
    (2002, c"Commit with incomplete read"),
    (2004, c"Key outside legal range"),
    (2005, c"Range begin key larger than end key"),
    (2006, c"Option set with an invalid value"),
    (2007, c"Option not valid in this context"),
    (2008, c"Action not possible before the network is configured"),
    (2009, c"Network can be configured only once"),
    (2010, c"Transaction already has a read version set"),
    (2011, c"Version not valid"),
    (2012, c"Range limits not valid"),
    (2013, c"Database name must be 'DB'"),
    (2015, c"Future not ready"),
    (2016, c"Future not an error"),
    (2017, c"Operation issued while a commit was outstanding"),
    (2018, c"Unrecognized atomic mutation type"),
    (2020, c"Transaction does not have a valid commit version"),
    (2021, c"Transaction is read-only and therefore does not have a commit version"),
    (2023, c"Attempted to commit a transaction specified as read-only"),
    (2025, c"Network can only be started once"),
    (2026, c"Detected a deadlock in a callback called from the network thread"),
    (2101, c"Transaction exceeds byte limit"),
    (2102, c"Key length exceeds limit"),
    (2103, c"Value length exceeds limit"),
    (2104, c"Connection string invalid"),
    (2108, c"Operation is not supported"),
    (
        2112,
        c"Special key space range read crosses modules. Refer to the `special_key_space_relaxed' \
          transaction option for more details.",
    ),
    (
        2113,
        c"Special key space range read does not intersect a module. Refer to the \
          `special_key_space_relaxed' transaction option for more details.",
    ),
    (
        2114,
        c"Special Key space is not allowed to write by default. Refer to the \
          `special_key_space_enable_writes` transaction option for more details.",
    ),
    (2115, c"Special key space key or keyrange in set or clear does not intersect a module"),
    (2116, c"Special key space clear crosses modules"),
    (2131, c"Tenant does not exist"),
    (2137, c"Tenant is not available from this server"),
    (2200, c"API version is not set"),
    (2201, c"API version may be set only once"),
    (2202, c"API version not valid"),
    (2203, c"API version not supported"),
    (2210, c"EXACT streaming mode requires limits, but none were given"),
    (4000, c"An unknown error occurred"),
    (4100, c"An internal error occurred"),
];

/// Codes beyond this one are none.
const MAX_CODE: i32 = 30_000;
const UNKNOWN_ERROR: i32 = 4000;

/// FoundationDB's text for a code; "UNKNOWN_ERROR" where there is none.
pub fn description(code: i32) -> &'static CStr {
    let code = if (0..=MAX_CODE).contains(&code) { code } else { UNKNOWN_ERROR };
    match DESCRIPTIONS.binary_search_by_key(&code, |(known, _)| *known) {
        Ok(index) => DESCRIPTIONS.get(index).map_or(c"UNKNOWN_ERROR", |(_, text)| text),
        Err(_) => c"UNKNOWN_ERROR",
    }
}

/// Whether `code` is in the group that `predicate` (FoundationDB's number) names.
pub fn predicate(predicate: i32, code: i32) -> bool {
    match predicate {
        50_000 => is_retryable(code) || code == UNKNOWN_TENANT,
        50_001 => is_maybe_committed(code),
        50_002 => is_retryable_not_committed(code) || code == UNKNOWN_TENANT,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_sorted() {
        assert!(DESCRIPTIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn every_code_of_the_store_has_a_description() {
        for code in 1..5000 {
            if kronotop_kv::error::description(code) != "Unknown error" {
                assert_ne!(description(code), c"UNKNOWN_ERROR", "code {code}");
            }
        }
    }

    #[test]
    fn predicates_group_the_codes() {
        assert!(predicate(50_000, 1020) && predicate(50_002, 1020) && !predicate(50_001, 1020));
        assert!(predicate(50_000, 1021) && predicate(50_001, 1021) && !predicate(50_002, 1021));
        assert!(!predicate(50_000, 2101) && !predicate(1, 1020));
    }
}
