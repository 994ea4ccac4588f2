//! The Rust crates for TypeScript: conversions and delegation, no logic.
//!
//! An error's message is `CODE|text` (`error.rs` has the codes). A panic becomes an error. What
//! blocks or takes long runs off the event loop and gives a promise.

mod convert;
mod document;
mod error;
mod flush;
mod index;
mod lock;
mod scan;
mod volume;
