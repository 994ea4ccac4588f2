//! The FoundationDB C API (`fdb_*`, API versions 500 to 730) over the embedded store, built as
//! `libfdb_c.so`: what speaks that API, our own client or another language's binding, opens a
//! directory on this host in place of a cluster.
//!
//! `ffi` holds the exported functions and all unsafe code; the modules beside it are safe Rust.
//! A function for what an embedded store has not (tenants, blob granules …) exists, because
//! bindings look up every name when they load, and fails loudly: code 2108 and its name on stderr.

mod api_version;
mod database;
mod errors;
mod ffi;
mod future;
mod network;
mod options;
mod readers;
mod special_keys;
mod status;
mod transaction;

/// The store allocates on many threads and frees on others; glibc would keep what is free.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
