//! The C layouts of arrays that futures hand out.
#![expect(unsafe_code, reason = "asserts that raw pointers may move between threads")]

use std::ffi::{c_char, c_int};

/// `FDBKey`: 12 bytes.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub struct FdbKey {
    pub key: *const u8,
    pub key_length: c_int,
}

/// `FDBKeyValue`: 24 bytes.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub struct FdbKeyValue {
    pub key: *const u8,
    pub key_length: c_int,
    pub value: *const u8,
    pub value_length: c_int,
}

/// `const char*` of an array of strings.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct CText(pub *const c_char);

const _: () = assert!(size_of::<FdbKey>() == 12 && size_of::<FdbKeyValue>() == 24);

// SAFETY: the pointers are only followed by the C caller, which may do so on any thread while it
// holds the future; what they point to is owned by the same `Outcome` and never changes.
unsafe impl Send for FdbKey {}
// SAFETY: as for FdbKey.
unsafe impl Send for FdbKeyValue {}
// SAFETY: as for FdbKey.
unsafe impl Send for CText {}
