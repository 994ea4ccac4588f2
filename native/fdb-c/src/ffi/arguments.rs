//! Conversions between C arguments and Rust values.
#![expect(unsafe_code, reason = "reads the caller's memory")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use kronotop_kv::{KeySelector, Result};

/// The bytes at `data`.
///
/// # Safety
/// `data` is readable for `length` bytes during `'call`, or `length` is not positive.
pub unsafe fn bytes<'call>(data: *const u8, length: c_int) -> &'call [u8] {
    match usize::try_from(length) {
        // SAFETY: by contract of this function.
        Ok(length) if length > 0 && !data.is_null() => unsafe {
            std::slice::from_raw_parts(data, length)
        },
        _ => &[],
    }
}

/// The value of an option: `None` for a null pointer.
///
/// # Safety
/// As for [`bytes`].
pub unsafe fn option_value<'call>(data: *const u8, length: c_int) -> Option<&'call [u8]> {
    // SAFETY: by contract of this function.
    (!data.is_null()).then(|| unsafe { bytes(data, length) })
}

/// A key selector.
///
/// # Safety
/// As for [`bytes`].
pub unsafe fn selector(
    key: *const u8,
    key_length: c_int,
    or_equal: c_int,
    offset: c_int,
) -> KeySelector {
    // SAFETY: by contract of this function.
    let key = unsafe { bytes(key, key_length) }.to_vec();
    KeySelector { key, or_equal: or_equal != 0, offset }
}

/// The length of something handed out. Results are bounded far below 2 GiB by the store's limits.
pub fn c_length(length: usize) -> c_int {
    c_int::try_from(length).unwrap_or(c_int::MAX)
}

/// Writes a value to its out parameter on success; returns the error code.
pub fn answer<T>(out: &mut MaybeUninit<T>, result: std::result::Result<T, i32>) -> c_int {
    match result {
        Ok(value) => {
            out.write(value);
            0
        }
        Err(code) => code,
    }
}

/// The error code of a result.
pub fn code_of(result: std::result::Result<(), i32>) -> c_int {
    result.err().unwrap_or(0)
}

/// The error code of a result of the store.
pub fn store_code_of(result: Result<()>) -> c_int {
    result.err().map_or(0, |error| error.code)
}
