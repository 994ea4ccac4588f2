//! What the embedded store costs from Rust, each figure beside its goal.
//!
//! ```text
//! npm run bench:native                    all rows but memory
//! npm run bench:native -- 'point read'    the rows with these words in their names
//! npm run bench:native -- --memory        memory alone, 10,000,000 keys: several minutes
//! npm run bench:native -- --test          every row once and small, which `cargo test` does, too
//! ```
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

mod commits;
mod figures;
mod fixture;
mod io;
mod memory;
mod opening;
mod reads;
mod writer;

use criterion::Criterion;

use figures::Figures;
use fixture::Fixture;

/// How large the run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Keys of the store that reads and commits are measured on.
    pub(crate) keys: usize,
    /// Bytes of the commit log that the opening finds.
    pub(crate) log_bytes: u64,
    /// Keys of the store that memory is measured on.
    pub(crate) memory_keys: usize,
    /// How often one key is written over while memory is measured.
    pub(crate) overwrites: usize,
}

const FULL: Scale =
    Scale { keys: 2_000_000, log_bytes: 64 << 20, memory_keys: 10_000_000, overwrites: 1_000_000 };

const SMOKE: Scale =
    Scale { keys: 2_000, log_bytes: 64 << 10, memory_keys: 2_000, overwrites: 2_000 };

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(wanted) = opening::child_of(&args) {
        opening::write_until_killed(&wanted);
    }
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    // As criterion decides it.
    let is_smoke = has("--test") || !has("--bench");
    let scale = if is_smoke { SMOKE } else { FULL };
    let figures = Figures::default();
    if has("--memory") || is_smoke {
        memory::measure(scale, &figures);
    }
    if !has("--memory") {
        let mut criterion = Criterion::default().configure_from_args();
        let fixture = Fixture::new(scale);
        commits::bench(&mut criterion, &fixture, &figures);
        reads::bench(&mut criterion, &fixture, &figures);
        opening::bench(&mut criterion, &fixture, &figures);
        criterion.final_summary();
    }
    figures.print();
}
