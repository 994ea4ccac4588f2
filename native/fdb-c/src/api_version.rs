//! The API version that the program selected, and what depends on it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI32, Ordering};

use kronotop_kv::MutationType;

use crate::errors::{API_VERSION_ALREADY_SET, API_VERSION_INVALID, API_VERSION_NOT_SUPPORTED};

pub const MIN: i32 = 500;
pub const MAX: i32 = 730;

/// From here on versionstamp offsets have 4 bytes, also in values.
const WIDE_STAMP_OFFSETS: i32 = 520;
/// From here on time-outs, retry limits and longest pauses stay over `on_error`.
const PERSISTENT_OPTIONS: i32 = 610;

/// From here on the clusters that databases were made of are gone from the header.
pub const NO_CLUSTERS: i32 = 610;
/// From here on futures of versions are futures of numbers.
pub const NO_VERSION_FUTURES: i32 = 620;
/// From here on reads beyond `\xff\xff` belong to modules, and addresses have ports.
pub const SPECIAL_KEYS: i32 = 630;
/// From here on writes beyond `\xff\xff` belong to modules.
pub const SPECIAL_WRITES: i32 = 700;

/// 0 before the selection.
static SELECTED: AtomicI32 = AtomicI32::new(0);

/// Selects a version, once in a process.
pub fn select(runtime: i32, header: i32) -> Result<(), i32> {
    if selected() != 0 {
        return Err(API_VERSION_ALREADY_SET);
    }
    if runtime > header {
        return Err(API_VERSION_INVALID);
    }
    if runtime < MIN || header > MAX {
        return Err(API_VERSION_NOT_SUPPORTED);
    }
    let selection = SELECTED.compare_exchange(0, runtime, Ordering::Relaxed, Ordering::Relaxed);
    selection.map(drop).map_err(|_| API_VERSION_ALREADY_SET)
}

/// The selected version, 0 before.
pub fn selected() -> i32 {
    SELECTED.load(Ordering::Relaxed)
}

/// Whether the selected version is `version` or newer; without a selection the newest one counts.
pub fn at_least(version: i32) -> bool {
    selected() == 0 || selected() >= version
}

/// Whether `on_error` forgets all of a transaction's options, given the selected version.
pub fn on_error_forgets_options() -> bool {
    !at_least(PERSISTENT_OPTIONS)
}

/// Key and operand of an atomic operation as of the newest version: older ones end a stamped key
/// with an offset of 2 bytes and place a value's stamp at its start.
pub fn modern_operands<'a>(
    version: i32,
    operation: MutationType,
    key: &'a [u8],
    operand: &'a [u8],
) -> (Cow<'a, [u8]>, Cow<'a, [u8]>) {
    let (mut key, mut operand) = (Cow::Borrowed(key), Cow::Borrowed(operand));
    if version < WIDE_STAMP_OFFSETS {
        match operation {
            MutationType::SetVersionstampedKey => key.to_mut().extend([0; 2]),
            MutationType::SetVersionstampedValue => operand.to_mut().extend([0; 4]),
            _ => {}
        }
    }
    (key, operand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_versions_have_short_stamp_offsets() {
        let of = |version, operation| modern_operands(version, operation, b"k\x01\x00", b"v");
        let (key, operand) = of(510, MutationType::SetVersionstampedKey);
        assert_eq!((&*key, &*operand), (&b"k\x01\0\0\0"[..], &b"v"[..]));
        let (key, operand) = of(510, MutationType::SetVersionstampedValue);
        assert_eq!((&*key, &*operand), (&b"k\x01\0"[..], &b"v\0\0\0\0"[..]));
        for (version, operation) in
            [(520, MutationType::SetVersionstampedKey), (510, MutationType::Add)]
        {
            let (key, operand) = of(version, operation);
            assert_eq!((&*key, &*operand), (&b"k\x01\0"[..], &b"v"[..]));
        }
    }
}
