//! The socket layer of the server as a Node addon: Linux, plain TCP.
//!
//! The work is in C++ (`transport.cc`, `module.cc`); this crate builds it and gives Node its entry
//! points, which must be Rust because rustc exports no symbol that C++ defines. Other systems get
//! an addon without entry points, which does not load, and the server uses its other transport.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "the two entry points Node looks up, and the C++ one behind them")]

use std::ffi::c_void;

/// Version of N-API that the C++ is compiled for.
const NAPI_VERSION: i32 = 8;

unsafe extern "C" {
    fn kronotop_transport_init(env: *mut c_void, exports: *mut c_void) -> *mut c_void;
}

/// Called by Node when it loads the addon, once per environment.
///
/// # Safety
///
/// Both are the handles that Node passes, on the thread that it calls on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: *mut c_void,
    exports: *mut c_void,
) -> *mut c_void {
    // SAFETY: the caller's promise is the one that the C++ asks for.
    unsafe { kronotop_transport_init(env, exports) }
}

/// Asked by Node before it registers the module.
#[unsafe(no_mangle)]
pub extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    NAPI_VERSION
}
