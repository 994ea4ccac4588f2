//! The exported functions. All unsafe code of this crate is in this folder.
//!
//! Contract of every function, as of the C API: an object pointer is one that this library handed
//! out and that was not destroyed; a data pointer is readable (an out pointer writable) for the
//! call, and may be null when its length is 0. Parameters declared as references are such object
//! or out pointers. Objects may be used from several threads at a time.

mod arguments;
mod database;
mod future;
mod legacy;
mod transaction;
pub mod types;
mod unsupported;
