//! Errors with FoundationDB's codes: what a caller of the C API sees is exactly `Error::code`.

use std::fmt;
use std::path::Path;

/// FoundationDB error codes that the store answers.
#[expect(missing_docs, reason = "the names are FoundationDB's own; `description` explains them")]
pub mod code {
    pub const OPERATION_FAILED: i32 = 1000;
    pub const TRANSACTION_TOO_OLD: i32 = 1007;
    pub const FUTURE_VERSION: i32 = 1009;
    pub const NOT_COMMITTED: i32 = 1020;
    pub const COMMIT_UNKNOWN_RESULT: i32 = 1021;
    pub const TRANSACTION_CANCELLED: i32 = 1025;
    pub const TRANSACTION_TIMED_OUT: i32 = 1031;
    pub const TOO_MANY_WATCHES: i32 = 1032;
    pub const WATCHES_DISABLED: i32 = 1034;
    pub const ACCESSED_UNREADABLE: i32 = 1036;
    pub const PROCESS_BEHIND: i32 = 1037;
    pub const DATABASE_LOCKED: i32 = 1038;
    pub const CLUSTER_VERSION_CHANGED: i32 = 1039;
    pub const COMMIT_PROXY_MEMORY_LIMIT_EXCEEDED: i32 = 1042;
    pub const BATCH_TRANSACTION_THROTTLED: i32 = 1051;
    pub const GRV_PROXY_MEMORY_LIMIT_EXCEEDED: i32 = 1078;
    pub const OPERATION_CANCELLED: i32 = 1101;
    pub const TAG_THROTTLED: i32 = 1213;
    pub const IO_ERROR: i32 = 1510;
    pub const FILE_CORRUPT: i32 = 1522;
    pub const CLIENT_INVALID_OPERATION: i32 = 2000;
    pub const KEY_OUTSIDE_LEGAL_RANGE: i32 = 2004;
    pub const INVERTED_RANGE: i32 = 2005;
    pub const INVALID_OPTION_VALUE: i32 = 2006;
    pub const INVALID_OPTION: i32 = 2007;
    pub const READ_VERSION_ALREADY_SET: i32 = 2010;
    pub const VERSION_INVALID: i32 = 2011;
    pub const RANGE_LIMITS_INVALID: i32 = 2012;
    pub const USED_DURING_COMMIT: i32 = 2017;
    pub const INVALID_MUTATION_TYPE: i32 = 2018;
    pub const NO_COMMIT_VERSION: i32 = 2021;
    pub const TRANSACTION_TOO_LARGE: i32 = 2101;
    pub const KEY_TOO_LARGE: i32 = 2102;
    pub const VALUE_TOO_LARGE: i32 = 2103;
    pub const UNSUPPORTED_OPERATION: i32 = 2108;
    pub const EXACT_MODE_WITHOUT_LIMITS: i32 = 2210;
}

/// A failed operation: a FoundationDB error code and, where it says more, a message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// One of [`code`].
    pub code: i32,
    message: Option<Box<str>>,
}

/// The result of every operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error whose message is the code's description.
    #[must_use]
    pub const fn new(code: i32) -> Self {
        Self { code, message: None }
    }

    /// An error with a message of its own.
    #[must_use]
    pub fn with_message(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into().into_boxed_str()) }
    }

    /// A disk operation failed; `what` names it.
    pub(crate) fn io(what: impl fmt::Display, source: &dyn fmt::Display) -> Self {
        Self::with_message(code::IO_ERROR, format!("{what}: {source}"))
    }

    /// A file of the store holds what no run of this code could have left behind.
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::with_message(code::FILE_CORRUPT, message)
    }

    /// The same error, its message with the file or directory that it is about in front.
    pub(crate) fn at(self, path: &Path) -> Self {
        Self::with_message(self.code, format!("{}: {self}", path.display()))
    }

    /// True when running the transaction again may succeed (what `on_error` retries).
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        is_retryable(self.code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_else(|| description(self.code)))
    }
}

impl std::error::Error for Error {}

impl From<heed::Error> for Error {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Mdb(heed::MdbError::ReadersFull) => Self::new(code::PROCESS_BEHIND),
            other => Self::io("the store's tree (LMDB) failed", &other),
        }
    }
}

/// True when the transaction that failed with `code` may be run again.
#[must_use]
pub const fn is_retryable(code: i32) -> bool {
    is_maybe_committed(code) || is_retryable_not_committed(code)
}

/// True when the transaction that failed with `code` may have been committed all the same.
#[must_use]
pub const fn is_maybe_committed(code: i32) -> bool {
    matches!(code, code::COMMIT_UNKNOWN_RESULT | code::CLUSTER_VERSION_CHANGED)
}

/// True when the transaction that failed with `code` was not committed and may be run again.
#[must_use]
pub const fn is_retryable_not_committed(code: i32) -> bool {
    matches!(
        code,
        code::TRANSACTION_TOO_OLD
            | code::FUTURE_VERSION
            | code::NOT_COMMITTED
            | code::PROCESS_BEHIND
            | code::DATABASE_LOCKED
            | code::COMMIT_PROXY_MEMORY_LIMIT_EXCEEDED
            | code::BATCH_TRANSACTION_THROTTLED
            | code::GRV_PROXY_MEMORY_LIMIT_EXCEEDED
            | code::TAG_THROTTLED
    )
}

/// FoundationDB's text for an error code; "Unknown error" for codes that the store never answers.
#[must_use]
pub const fn description(code: i32) -> &'static str {
    match code {
        0 => "Success",
        code::OPERATION_FAILED => "Operation failed",
        code::TRANSACTION_TOO_OLD => "Transaction is too old to perform reads or be committed",
        code::FUTURE_VERSION => "Request for future version",
        code::NOT_COMMITTED => "Transaction not committed due to conflict with another transaction",
        code::COMMIT_UNKNOWN_RESULT => "Transaction may or may not have committed",
        code::TRANSACTION_CANCELLED => "Operation aborted because the transaction was cancelled",
        code::TRANSACTION_TIMED_OUT => "Operation aborted because the transaction timed out",
        code::TOO_MANY_WATCHES => "Too many watches currently set",
        code::WATCHES_DISABLED => "Watches cannot be set if read your writes is disabled",
        code::ACCESSED_UNREADABLE => "Read or wrote an unreadable key",
        code::PROCESS_BEHIND => "Storage process does not have recent mutations",
        code::DATABASE_LOCKED => "Database is locked",
        code::CLUSTER_VERSION_CHANGED => "The protocol version of the cluster has changed",
        code::COMMIT_PROXY_MEMORY_LIMIT_EXCEEDED => "CommitProxy commit memory limit exceeded",
        code::BATCH_TRANSACTION_THROTTLED => "Batch GRV request rate limit exceeded",
        code::GRV_PROXY_MEMORY_LIMIT_EXCEEDED => "GrvProxy memory limit exceeded",
        code::OPERATION_CANCELLED => "Asynchronous operation cancelled",
        code::TAG_THROTTLED => "Transaction tag is being throttled",
        code::IO_ERROR => "Disk i/o operation failed",
        code::FILE_CORRUPT => "A structurally corrupt data file was detected",
        code::CLIENT_INVALID_OPERATION => "Invalid API call",
        code::KEY_OUTSIDE_LEGAL_RANGE => "Key outside legal range",
        code::INVERTED_RANGE => "Range begin key larger than end key",
        code::INVALID_OPTION_VALUE => "Option set with an invalid value",
        code::INVALID_OPTION => "Option not valid in this context",
        code::READ_VERSION_ALREADY_SET => "Transaction already has a read version set",
        code::VERSION_INVALID => "Version not valid",
        code::RANGE_LIMITS_INVALID => "Range limits not valid",
        code::USED_DURING_COMMIT => "Operation issued while a commit was outstanding",
        code::INVALID_MUTATION_TYPE => "Unrecognized atomic mutation type",
        code::NO_COMMIT_VERSION => {
            "Transaction is read-only and therefore does not have a commit version"
        }
        code::TRANSACTION_TOO_LARGE => "Transaction exceeds byte limit",
        code::KEY_TOO_LARGE => "Key length exceeds limit",
        code::VALUE_TOO_LARGE => "Value length exceeds limit",
        code::UNSUPPORTED_OPERATION => "Operation is not supported",
        code::EXACT_MODE_WITHOUT_LIMITS => "A limit must be specified in exact streaming mode",
        _ => "Unknown error",
    }
}
