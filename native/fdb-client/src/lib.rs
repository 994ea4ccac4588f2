//! The N-API entry point of `fdb_client.node`.
//!
//! The addon itself is C++ (`module.cc`); rustc's export list would hide an entry point defined
//! there, so the two functions that Node looks up are defined here and hand over.

use std::ffi::{c_char, c_void};

/// The JavaScript half of the addon: the classes over the flat native functions.
static SCRIPT: &str = include_str!("fdb_client.js");

#[expect(unsafe_code, reason = "declares the C++ half of this addon")]
unsafe extern "C" {
    fn kronotop_fdb_client_init(
        env: *mut c_void,
        exports: *mut c_void,
        script: *const c_char,
        script_length: usize,
    ) -> *mut c_void;
}

/// Called by Node when the addon is loaded; returns the module object.
///
/// # Safety
/// `env` and `exports` must be the live handles that Node passes.
#[expect(unsafe_code, reason = "N-API entry point")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: *mut c_void,
    exports: *mut c_void,
) -> *mut c_void {
    // SAFETY: the handles are Node's own; the script outlives the call (it is static).
    unsafe { kronotop_fdb_client_init(env, exports, SCRIPT.as_ptr().cast(), SCRIPT.len()) }
}

/// The N-API version that the C++ half was compiled for (`NAPI_VERSION` in build.rs).
#[expect(unsafe_code, reason = "exported under the name that Node looks up")]
#[unsafe(no_mangle)]
pub extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    8
}
