//! `fdb_transaction_*`.
#![expect(unsafe_code, reason = "C API: raw pointers to transactions, keys and values")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use kronotop_kv::error::code;
use kronotop_kv::{ConflictKind, Error, MutationType, RangeOptions, Result, StreamingMode};

use super::arguments::{bytes, code_of, option_value, selector};
use super::future::give;
use crate::api_version;
use crate::future::Future;
use crate::transaction::Transaction;

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_destroy(transaction: *mut Transaction) {
    // SAFETY: contract of this folder; the pointer came from `fdb_database_create_transaction`.
    drop(unsafe { Box::from_raw(transaction) });
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_cancel(transaction: &Transaction) {
    transaction.cancel();
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_reset(transaction: &Transaction) {
    transaction.reset();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_set_option(
    transaction: &Transaction,
    option: c_int,
    value: *const u8,
    length: c_int,
) -> c_int {
    // SAFETY: contract of this folder.
    code_of(transaction.set_option(option, unsafe { option_value(value, length) }))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_set_read_version(transaction: &Transaction, version: i64) {
    transaction.set_read_version(version);
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_get_read_version(transaction: &Transaction) -> *const Future {
    give(transaction.read_version())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_get(
    transaction: &Transaction,
    key: *const u8,
    key_length: c_int,
    snapshot: c_int,
) -> *const Future {
    // SAFETY: contract of this folder.
    give(transaction.get(unsafe { bytes(key, key_length) }, snapshot != 0))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_get_key(
    transaction: &Transaction,
    key: *const u8,
    key_length: c_int,
    or_equal: c_int,
    offset: c_int,
    snapshot: c_int,
) -> *const Future {
    // SAFETY: contract of this folder.
    let selector = unsafe { selector(key, key_length, or_equal, offset) };
    give(transaction.get_key(&selector, snapshot != 0))
}

/// A limit as the API passes it: 0 and FoundationDB's own "unlimited", -1, mean none.
fn limit(value: c_int) -> Result<usize> {
    if value == -1 {
        return Ok(0);
    }
    usize::try_from(value).map_err(|_| Error::new(code::RANGE_LIMITS_INVALID))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_get_range(
    transaction: &Transaction,
    begin_key: *const u8,
    begin_key_length: c_int,
    begin_or_equal: c_int,
    begin_offset: c_int,
    end_key: *const u8,
    end_key_length: c_int,
    end_or_equal: c_int,
    end_offset: c_int,
    row_limit: c_int,
    target_bytes: c_int,
    mode: c_int,
    iteration: c_int,
    snapshot: c_int,
    reverse: c_int,
) -> *const Future {
    // SAFETY: contract of this folder.
    let begin = unsafe { selector(begin_key, begin_key_length, begin_or_equal, begin_offset) };
    // SAFETY: contract of this folder.
    let end = unsafe { selector(end_key, end_key_length, end_or_equal, end_offset) };
    let options = || -> Result<RangeOptions> {
        Ok(RangeOptions {
            limit: limit(row_limit)?,
            target_bytes: limit(target_bytes)?,
            mode: StreamingMode::from_code(mode)?,
            iteration,
            snapshot: snapshot != 0,
            reverse: reverse != 0,
        })
    };
    give(match options() {
        Ok(options) => transaction.get_range(begin, end, options),
        Err(error) => Future::ready(Err(error.code)),
    })
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_get_addresses_for_key(
    transaction: &Transaction,
    _key: *const u8,
    _key_length: c_int,
) -> *const Future {
    give(transaction.addresses())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_get_estimated_range_size_bytes(
    transaction: &Transaction,
    begin_key: *const u8,
    begin_key_length: c_int,
    end_key: *const u8,
    end_key_length: c_int,
) -> *const Future {
    // SAFETY: contract of this folder.
    let (begin, end) =
        unsafe { (bytes(begin_key, begin_key_length), bytes(end_key, end_key_length)) };
    give(transaction.estimated_range_size(begin, end))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_get_range_split_points(
    transaction: &Transaction,
    begin_key: *const u8,
    begin_key_length: c_int,
    end_key: *const u8,
    end_key_length: c_int,
    chunk_bytes: i64,
) -> *const Future {
    // SAFETY: contract of this folder.
    let (begin, end) =
        unsafe { (bytes(begin_key, begin_key_length), bytes(end_key, end_key_length)) };
    give(transaction.split_points(begin, end, chunk_bytes))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_get_approximate_size(transaction: &Transaction) -> *const Future {
    give(transaction.approximate_size())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_set(
    transaction: &Transaction,
    key: *const u8,
    key_length: c_int,
    value: *const u8,
    value_length: c_int,
) {
    // SAFETY: contract of this folder.
    let (key, value) = unsafe { (bytes(key, key_length), bytes(value, value_length)) };
    transaction.write_keys(key, None, |kv| kv.set(key, value));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_clear(
    transaction: &Transaction,
    key: *const u8,
    key_length: c_int,
) {
    // SAFETY: contract of this folder.
    let key = unsafe { bytes(key, key_length) };
    transaction.write_keys(key, None, |kv| kv.clear(key));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_clear_range(
    transaction: &Transaction,
    begin_key: *const u8,
    begin_key_length: c_int,
    end_key: *const u8,
    end_key_length: c_int,
) {
    // SAFETY: contract of this folder.
    let (begin, end) =
        unsafe { (bytes(begin_key, begin_key_length), bytes(end_key, end_key_length)) };
    transaction.write_keys(begin, Some(end), |kv| kv.clear_range(begin, end));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_atomic_op(
    transaction: &Transaction,
    key: *const u8,
    key_length: c_int,
    operand: *const u8,
    operand_length: c_int,
    mutation: c_int,
) {
    // SAFETY: contract of this folder.
    let (key, operand) = unsafe { (bytes(key, key_length), bytes(operand, operand_length)) };
    transaction.write(|kv| {
        let operation = MutationType::from_code(mutation)?;
        let version = api_version::selected();
        let (key, operand) = api_version::modern_operands(version, operation, key, operand);
        kv.atomic_op(&key, &operand, operation)
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_add_conflict_range(
    transaction: &Transaction,
    begin_key: *const u8,
    begin_key_length: c_int,
    end_key: *const u8,
    end_key_length: c_int,
    kind: c_int,
) -> c_int {
    // SAFETY: contract of this folder.
    let (begin, end) =
        unsafe { (bytes(begin_key, begin_key_length), bytes(end_key, end_key_length)) };
    let kind = match kind {
        0 => ConflictKind::Read,
        1 => ConflictKind::Write,
        _ => return code::CLIENT_INVALID_OPERATION,
    };
    code_of(transaction.add_conflict_range(begin, end, kind))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_transaction_watch(
    transaction: &Transaction,
    key: *const u8,
    key_length: c_int,
) -> *const Future {
    // SAFETY: contract of this folder.
    give(transaction.watch(unsafe { bytes(key, key_length) }))
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_commit(transaction: &Transaction) -> *const Future {
    give(transaction.commit())
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_on_error(transaction: &Transaction, code: c_int) -> *const Future {
    give(transaction.on_error(code))
}

/// -1 for a transaction that committed nothing.
#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_get_committed_version(
    transaction: &Transaction,
    out: &mut MaybeUninit<i64>,
) -> c_int {
    out.write(transaction.committed_version());
    0
}

#[unsafe(no_mangle)]
extern "C" fn fdb_transaction_get_versionstamp(transaction: &Transaction) -> *const Future {
    give(transaction.versionstamp())
}
