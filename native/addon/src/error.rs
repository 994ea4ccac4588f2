//! The stable code of every error, in front of its text: `CODE|text`.
//!
//! Codes are part of the interface: TypeScript decides by them. Where an error concerns one of
//! several inputs (`CORRUPTED`, `DAMAGED`, …) the text starts with the decimal index and a colon.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::{Error, Status};

pub(crate) type Result<T> = napi::Result<T>;

fn error(code: &str, text: &dyn Display) -> Error {
    Error::new(Status::GenericFailure, format!("{code}|{text}"))
}

pub(crate) fn from_volume(cause: kronotop_segment::Error) -> Error {
    error(volume_code(&cause), &cause)
}

fn volume_code(cause: &kronotop_segment::Error) -> &'static str {
    use kronotop_segment::Error as E;
    match cause {
        E::InvalidSegmentSize => "INVALID_SEGMENT_SIZE",
        E::InvalidEntries => "INVALID_ENTRIES",
        E::EntryTooLarge { .. } => "ENTRY_TOO_LARGE",
        E::SegmentFull => "SEGMENT_FULL",
        E::NoActiveSegment => "NO_ACTIVE_SEGMENT",
        E::Sealed(_) => "SEALED",
        E::Active(_) => "ACTIVE",
        E::InvalidTail => "INVALID_TAIL",
        E::UnknownSegment(_) => "UNKNOWN_SEGMENT",
        E::MissingFile(_) => "MISSING_FILE",
        E::OutOfBounds { .. } => "OUT_OF_BOUNDS",
        E::Corrupted { .. } => "CORRUPTED",
        E::Poisoned { .. } => "POISONED",
        E::OutOfSpace => "OUT_OF_SPACE",
        E::Closed => "CLOSED",
        E::Io(_) => "IO",
    }
}

pub(crate) fn from_document(cause: &kronotop_document::Error) -> Error {
    use kronotop_document::Error as E;
    let code = match cause {
        E::Json { .. } => "INVALID_JSON",
        E::Bson(_) => "INVALID_BSON",
        E::TooDeep => "TOO_DEEP",
        E::TooLarge => "TOO_LARGE",
        E::IdType => "ID_TYPE",
        E::Program(_) => "INVALID_PROGRAM",
        E::UnsupportedType(_) => "UNSUPPORTED_TYPE",
        E::RegexOption(_) => "REGEX_OPTION",
        E::RegexPattern(_) => "REGEX_PATTERN",
        E::Projection(_) => "PROJECTION",
        E::Update(_) => "UPDATE",
        E::CollationField(_)
        | E::CollationSpec
        | E::CollationLocaleMissing
        | E::CollationLocale(_)
        | E::CollationStrength(_)
        | E::CollationChoice { .. } => "COLLATION",
        E::IndexType(_) => "INDEX_TYPE",
        E::DuplicateKey { .. } => "DUPLICATE_KEY",
        E::KeyTooLarge => "KEY_TOO_LARGE",
    };
    error(code, cause)
}

pub(crate) fn from_scan(cause: kronotop_scan::Error) -> Error {
    use kronotop_scan::Error as E;
    let code = match &cause {
        E::Packed => "INVALID_PACKED",
        E::Pointer { .. } => "INVALID_POINTER",
        E::Id { .. } => "INVALID_ID",
        E::UnknownShard { .. } => "UNKNOWN_SHARD",
        E::Damaged { .. } => "DAMAGED",
        E::Volume { error, .. } => volume_code(error),
    };
    error(code, &cause)
}

/// An argument that no correct caller passes.
pub(crate) fn invalid_argument(text: &str) -> Error {
    error("INVALID_ARGUMENT", &text)
}

/// Runs what a pool thread computes; a panic there must not cross into C.
pub(crate) fn caught<T>(compute: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(compute))
        .unwrap_or_else(|_| Err(error("PANIC", &"native code panicked")))
}

pub(crate) fn io_error(cause: &std::io::Error) -> Error {
    error("IO", cause)
}

/// Another process holds the lock on the file.
pub(crate) fn locked(path: &std::path::Path) -> Error {
    error("LOCKED", &path.display())
}
