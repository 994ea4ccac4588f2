//! Fault mode: what a program may rely on holds whatever is injected.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kronotop_kv::error::code;
use kronotop_kv::{Committed, Error, Faults, Options, Result, Store, Transaction};
use kronotop_powerloss::Random;
use support::{commit, for_seeds, open, range, read, rounds, small};

const COUNTER: &[u8] = b"\x01counter";
const MARKERS: (&[u8], &[u8]) = (b"m", b"n");

/// All faults, often.
fn troubled(seed: u64) -> Faults {
    Faults {
        seed,
        not_committed: 0.1,
        unknown_result: 0.2,
        too_old_commits: 0.05,
        too_old_reads: 0.05,
        late_commits: 0.5,
        max_delay: Duration::from_millis(3),
        ..Faults::default()
    }
}

fn with(faults: Faults) -> Options {
    Options { faults: Some(faults), ..small() }
}

fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
}

/// Adds one to the counter and leaves a marker that says what the counter was.
fn count(tx: &mut Transaction, marker: &[u8]) -> Result<Committed> {
    let next = number(tx.get(COUNTER, false)?) + 1;
    tx.set(COUNTER, &next.to_be_bytes())?;
    tx.set(marker, &next.to_be_bytes())?;
    commit(tx)
}

fn marker(worker: usize, attempt: usize) -> Vec<u8> {
    format!("m{worker}.{attempt:04}").into_bytes()
}

/// What the workers were told: markers that are there for certain, perhaps, and certainly not.
#[derive(Default)]
struct Told {
    made: BTreeSet<Vec<u8>>,
    unknown: BTreeSet<Vec<u8>>,
    refused: BTreeSet<Vec<u8>>,
}

fn work(store: &Store, worker: usize, attempts: usize) -> Told {
    let mut told = Told::default();
    let mut tx = store.transaction();
    for attempt in 0..attempts {
        let marker = marker(worker, attempt);
        let Err(error) = count(&mut tx, &marker) else {
            assert!(tx.committed_version() > 0);
            told.made.insert(marker);
            tx.reset();
            continue;
        };
        assert_eq!(tx.committed_version(), -1);
        match error.code {
            code::COMMIT_UNKNOWN_RESULT => told.unknown.insert(marker),
            code::NOT_COMMITTED | code::TRANSACTION_TOO_OLD => told.refused.insert(marker),
            other => panic!("code {other}"),
        };
        assert!(tx.on_error(&error).unwrap() <= Duration::from_secs(1));
        // Without the pause the workers meet more often.
        tx.reset();
    }
    told
}

#[test]
fn answers_are_true_and_history_is_serial() {
    for_seeds(rounds(4, 160), |seed| {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), with(troubled(seed)));
        let told: Vec<Told> = thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|worker| {
                    let store = &store;
                    scope.spawn(move || work(store, worker, 150))
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        store.set_faults(None);
        check(&store, &told);
        store.close().unwrap();
        drop(store);
        check(&open(dir.path(), small()), &told);
    });
}

fn check(store: &Store, told: &[Told]) {
    let pairs = range(&mut store.transaction(), MARKERS.0, MARKERS.1).unwrap();
    let present: BTreeSet<Vec<u8>> = pairs.iter().map(|(key, _)| key.clone()).collect();
    let mut counts: Vec<u64> = pairs.into_iter().map(|(_, count)| number(Some(count))).collect();
    counts.sort_unstable();
    assert!(counts.iter().copied().eq(1..=present.len() as u64), "{counts:?}");
    assert_eq!(number(read(store, COUNTER)), present.len() as u64);
    let mut outcomes = BTreeSet::new();
    for Told { made, unknown, refused } in told {
        assert!(made.is_subset(&present) && !made.is_empty());
        assert!(refused.is_disjoint(&present) && !refused.is_empty());
        outcomes.extend(unknown.iter().map(|marker| present.contains(marker)));
    }
    assert_eq!(outcomes.len(), 2, "1021 was always the one or the other");
}

#[test]
fn a_retry_loop_arrives() {
    for_seeds(rounds(2, 80), |seed| {
        let dir = tempfile::tempdir().unwrap();
        // Each of them is certain not to be applied, so that repeating is safe.
        let faults = Faults { unknown_result: 0.0, not_committed: 0.4, ..troubled(seed) };
        let store = open(dir.path(), with(faults));
        let mut random = Random::new(seed);
        for done in 0..30 {
            let mut tx = store.transaction();
            let marker = marker(random.below(3), done);
            let mut attempts = 1;
            while let Err(error) = count(&mut tx, &marker) {
                let pause = tx.on_error(&error).unwrap();
                assert!(pause < Duration::from_millis(10) * (1 << attempts.min(7)));
                attempts += 1;
                assert!(attempts < 100);
            }
        }
        store.set_faults(None);
        assert_eq!(number(read(&store, COUNTER)), 30);
    });
}

#[test]
fn a_seed_repeats_its_faults() {
    let outcomes = |seed: u64| -> Vec<i32> {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), with(troubled(seed)));
        let mut tx = store.transaction();
        let run = |attempt: usize| {
            let outcome = count(&mut tx, &marker(0, attempt));
            tx.reset();
            outcome.map_or_else(|error| error.code, |_| 0)
        };
        (0..60).map(run).collect()
    };
    assert_eq!(outcomes(11), outcomes(11));
    assert_ne!(outcomes(11), outcomes(12));
}

#[test]
fn late_answers_change_their_order_and_none_is_lost_by_closing() {
    let dir = tempfile::tempdir().unwrap();
    let max_delay = Duration::from_millis(200);
    let store =
        open(dir.path(), with(Faults { late_commits: 1.0, max_delay, ..Faults::default() }));
    let (sender, receiver) = mpsc::channel();
    for number in 0..64 {
        let sender = sender.clone();
        let mut tx = store.transaction();
        tx.set(&[number], b"").unwrap();
        tx.commit(Box::new(move |outcome| {
            sender.send((number, outcome.is_ok(), thread::current().id())).unwrap();
        }));
    }
    drop(sender);
    let first: Vec<u8> = receiver.iter().take(8).map(|(number, ..)| number).collect();
    store.close().unwrap();
    let rest: Vec<_> = receiver.try_iter().collect();
    assert_eq!(rest.len(), 56);
    assert!(rest.iter().all(|(_, made, thread)| *made && *thread != thread::current().id()));
    let order: Vec<u8> = first.into_iter().chain(rest.iter().map(|answer| answer.0)).collect();
    assert!(!order.is_sorted());
}

#[test]
fn a_late_answer_may_start_the_next_commit_and_drop_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), with(Faults { late_commits: 1.0, ..Faults::default() }));
    let (sender, receiver) = mpsc::channel();
    let mut tx = store.transaction();
    tx.set(b"first", b"").unwrap();
    tx.commit(Box::new(move |outcome| {
        outcome.unwrap();
        let mut next = store.transaction();
        next.set(b"second", b"").unwrap();
        next.commit(Box::new(move |outcome| sender.send(outcome).unwrap()));
        drop(store);
    }));
    receiver.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
}

#[test]
fn a_transaction_that_is_too_old_stays_so_until_it_is_reset() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), with(Faults { too_old_reads: 1.0, ..Faults::default() }));
    let too_old = Error::new(code::TRANSACTION_TOO_OLD);
    let mut tx = store.transaction();
    assert!(tx.read_version().is_ok());
    assert_eq!(tx.get(b"k", true), Err(too_old.clone()));
    store.set_faults(None);
    tx.set(b"k", b"v").unwrap();
    assert_eq!(tx.get(b"other", true), Err(too_old.clone()));
    assert_eq!(commit(&mut tx), Err(too_old));
    tx.reset();
    assert_eq!(tx.get(b"k", true), Ok(None));
}

#[test]
fn a_hidden_outcome_shows_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), with(Faults { unknown_result: 1.0, ..Faults::default() }));
    let unknown = Error::new(code::COMMIT_UNKNOWN_RESULT);
    for key in 0..20 {
        let (sender, fired) = mpsc::channel();
        let mut tx = store.transaction();
        let _handle = tx.watch(b"watched", Box::new(move |outcome| sender.send(outcome).unwrap()));
        tx.set(&[key], b"v").unwrap();
        assert_eq!(commit(&mut tx), Err(unknown.clone()));
        assert_eq!(fired.recv_timeout(Duration::from_secs(5)), Ok(Err(unknown.clone())));
        assert_eq!(tx.versionstamp(), Err(Error::new(code::NO_COMMIT_VERSION)));
    }
    let made = range(&mut store.transaction(), b"", b"\xff").unwrap().len();
    assert!(made > 0 && made < 20, "{made} of 20");
}

#[test]
fn commits_of_nothing_and_reads_without_rates_meet_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let all = Faults { not_committed: 1.0, late_commits: 1.0, ..Faults::default() };
    let store = open(dir.path(), with(all));
    let mut tx = store.transaction();
    assert_eq!(tx.get(b"k", false), Ok(None));
    assert_eq!(tx.read_delay(), None);
    assert_eq!(commit(&mut tx), Ok(Committed { version: -1 }));
}
