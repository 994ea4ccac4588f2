//! `fdb_future_*`. A future pointer is one strong count of an `Arc<Future>`.
#![expect(unsafe_code, reason = "C API: raw pointers to futures and their results")]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

use kronotop_kv::RangeResult;
use kronotop_kv::error::code;

use super::arguments::{answer, c_length, code_of};
use super::types::{CText, FdbKey, FdbKeyValue};
use crate::future::{Future, Outcome};

type FdbCallback = unsafe extern "C" fn(*const Future, *mut c_void);

/// Hands a future to the caller.
pub fn give(future: Arc<Future>) -> *const Future {
    Arc::into_raw(future)
}

/// Another count of a future that the caller keeps.
///
/// # Safety
/// `future` came from [`give`] and was not destroyed.
unsafe fn share(future: *const Future) -> Arc<Future> {
    // SAFETY: by contract, the caller's count is alive; the new one is ours.
    unsafe {
        Arc::increment_strong_count(future);
        Arc::from_raw(future)
    }
}

/// The caller's parameter, carried to the thread that calls back.
struct Parameter(*mut c_void);
// SAFETY: the pointer is handed back to the caller's callback and never followed here.
unsafe impl Send for Parameter {}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_future_cancel(future: *const Future) {
    // SAFETY: contract of this folder.
    unsafe { share(future) }.cancel();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_future_destroy(future: *const Future) {
    // SAFETY: contract of this folder; the caller gives its count back.
    let future = unsafe { Arc::from_raw(future) };
    future.cancel();
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_release_memory(future: &Future) {
    future.release();
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_block_until_ready(future: &Future) -> c_int {
    code_of(future.block_until_ready())
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_is_ready(future: &Future) -> c_int {
    c_int::from(future.is_ready())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdb_future_set_callback(
    future: *const Future,
    callback: FdbCallback,
    parameter: *mut c_void,
) -> c_int {
    let parameter = Parameter(parameter);
    let call = Box::new(move |ready: &Arc<Future>| {
        let Parameter(parameter) = { parameter };
        // SAFETY: contract of this folder; the future is alive, `ready` holds a count.
        unsafe { callback(Arc::as_ptr(ready), parameter) };
    });
    // SAFETY: contract of this folder.
    unsafe { share(future) }.add_callback(call);
    0
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_error(future: &Future) -> c_int {
    future.error()
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_int64(future: &Future, out: &mut MaybeUninit<i64>) -> c_int {
    answer(
        out,
        future.read(|outcome| match outcome {
            Outcome::Int64(number) => Ok(*number),
            _ => Err(code::CLIENT_INVALID_OPERATION),
        }),
    )
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_uint64(future: &Future, out: &mut MaybeUninit<u64>) -> c_int {
    answer(
        out,
        future.read(|outcome| match outcome {
            Outcome::Int64(number) => Ok(number.cast_unsigned()),
            _ => Err(code::CLIENT_INVALID_OPERATION),
        }),
    )
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_key(
    future: &Future,
    out_key: &mut MaybeUninit<*const u8>,
    out_length: &mut MaybeUninit<c_int>,
) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Key(key) => {
            out_length.write(c_length(key.len()));
            Ok(key.as_ptr())
        }
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out_key, result)
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_value(
    future: &Future,
    out_present: &mut MaybeUninit<c_int>,
    out_value: &mut MaybeUninit<*const u8>,
    out_length: &mut MaybeUninit<c_int>,
) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Value(value) => {
            out_present.write(c_int::from(value.is_some()));
            let value = value.as_deref().unwrap_or_default();
            out_length.write(c_length(value.len()));
            Ok(value.as_ptr())
        }
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out_value, result)
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_keyvalue_array(
    future: &Future,
    out_pairs: &mut MaybeUninit<*const FdbKeyValue>,
    out_count: &mut MaybeUninit<c_int>,
    out_more: &mut MaybeUninit<c_int>,
) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Pairs { range, array } => {
            if array.len() != range.count {
                *array = pair_array(range);
            }
            out_count.write(c_length(array.len()));
            out_more.write(c_int::from(range.more));
            Ok(array.as_ptr())
        }
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out_pairs, result)
}

fn pair_array(range: &RangeResult) -> Vec<FdbKeyValue> {
    range
        .pairs()
        .map(|(key, value)| FdbKeyValue {
            key: key.as_ptr(),
            key_length: c_length(key.len()),
            value: value.as_ptr(),
            value_length: c_length(value.len()),
        })
        .collect()
}

/// Ours: the same pairs as one buffer (u32le key length, u32le value length, key, value, back to
/// back), which saves the caller the array and the copying together.
#[unsafe(no_mangle)]
extern "C" fn kronotop_future_get_packed(
    future: &Future,
    out_data: &mut MaybeUninit<*const u8>,
    out_length: &mut MaybeUninit<c_int>,
    out_count: &mut MaybeUninit<c_int>,
    out_more: &mut MaybeUninit<c_int>,
) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Pairs { range, .. } => {
            out_length.write(c_length(range.data.len()));
            out_count.write(c_length(range.count));
            out_more.write(c_int::from(range.more));
            Ok(range.data.as_ptr())
        }
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out_data, result)
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_key_array(
    future: &Future,
    out_keys: &mut MaybeUninit<*const FdbKey>,
    out_count: &mut MaybeUninit<c_int>,
) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Keys { keys, array } => {
            if array.len() != keys.len() {
                *array = keys
                    .iter()
                    .map(|key| FdbKey { key: key.as_ptr(), key_length: c_length(key.len()) })
                    .collect();
            }
            out_count.write(c_length(array.len()));
            Ok(array.as_ptr())
        }
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out_keys, result)
}

#[unsafe(no_mangle)]
extern "C" fn fdb_future_get_string_array(
    future: &Future,
    out_strings: &mut MaybeUninit<*const CText>,
    out_count: &mut MaybeUninit<c_int>,
) -> c_int {
    let result = future.read(|outcome| match outcome {
        Outcome::Texts { texts, array } => {
            if array.len() != texts.len() {
                *array = texts.iter().map(|text| CText(text.as_ptr())).collect();
            }
            out_count.write(c_length(array.len()));
            Ok(array.as_ptr())
        }
        _ => Err(code::CLIENT_INVALID_OPERATION),
    });
    answer(out_strings, result)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    type Told = (*const Future, c_int, c_int);

    unsafe extern "C" fn tell(future: *const Future, sender: *mut c_void) {
        // SAFETY: the tests pass their sender, and keep it until they are called.
        let sender = unsafe { &*sender.cast::<Sender<Told>>() };
        // SAFETY: a future is alive while its callback runs.
        let ready = unsafe { &*future };
        sender.send((future, fdb_future_is_ready(ready), fdb_future_get_error(ready))).unwrap();
    }

    #[test]
    fn a_pending_future_that_is_destroyed_calls_back_once() {
        let (sender, told) = channel::<Told>();
        let parameter = std::ptr::from_ref(&sender).cast_mut().cast();
        let shared = Future::pending();
        let future = give(Arc::clone(&shared));
        // SAFETY: the pointer was just given out, and is destroyed once, last.
        unsafe {
            assert_eq!(fdb_future_set_callback(future, tell, parameter), 0);
            fdb_future_destroy(future);
        }
        assert_eq!(told.try_recv(), Ok((future, 1, code::OPERATION_CANCELLED)));
        shared.complete(Ok(Outcome::Nothing));
        assert!(told.try_recv().is_err());
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    #[test]
    fn memory_that_is_released_leaves_the_future_to_be_destroyed() {
        let future = give(Future::ready(Ok(Outcome::Key(vec![7]))));
        let (mut key, mut length) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: the pointer was just given out, and is destroyed once, last.
        unsafe {
            assert_eq!(fdb_future_get_key(&*future, &mut key, &mut length), 0);
            assert_eq!((*key.assume_init(), length.assume_init()), (7, 1));
            fdb_future_release_memory(&*future);
            let released = fdb_future_get_key(&*future, &mut key, &mut length);
            assert_eq!(released, crate::errors::FUTURE_RELEASED);
            fdb_future_destroy(future);
        }
    }
}
