//! Tests that go through several modules.

mod collation;
mod decimal;
mod filter;
mod fuzz;
mod fuzz_changes;
mod index;
mod index_model;
mod json;
mod model;
mod model_projection;
mod model_update;
mod order;
mod positional;
mod prepare;
mod projection;
mod round_trip;
mod strategy;
mod update;
mod update_errors;
mod upsert;
mod validate;

use std::time::{SystemTime, UNIX_EPOCH};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// Runs `test` on `cases` random values, `ROUNDS=n` on n times as many. `SEED=n` replays; the seed
/// is in the message of a failure.
fn for_all<S: Strategy>(
    cases: u32,
    strategy: S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
    };
    let rounds =
        std::env::var("ROUNDS").map_or(1, |rounds| rounds.parse().expect("ROUNDS is a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: cases * rounds, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    if let Err(error) = runner.run(&strategy, test) {
        panic!("SEED={seed} replays this: {error}");
    }
}

/// The BSON of a JSON text that must be good.
fn bson_of(json: &str) -> Vec<u8> {
    crate::json_to_bson(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// The JSON of a document that must be good.
fn json_of(doc: &[u8]) -> String {
    let mut out = Vec::new();
    crate::bson_to_json(doc, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
