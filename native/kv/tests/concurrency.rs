//! Many threads on one store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kronotop_kv::error::code;
use kronotop_kv::{MutationType, Options, Store, Transaction, VERSION_WINDOW};
use kronotop_powerloss::Random;
use kronotop_segment::faulty::FaultyIo;
use support::{commit, open, range, read, small, write};

/// Runs `body` in a transaction until it commits.
fn run(store: &Store, mut body: impl FnMut(&mut Transaction)) {
    let mut tx = store.transaction();
    loop {
        body(&mut tx);
        match commit(&mut tx) {
            Ok(_) => return,
            Err(error) => drop(tx.on_error(&error).unwrap()),
        }
    }
}

fn number(value: Option<Vec<u8>>) -> i64 {
    value.map_or(0, |value| i64::from_le_bytes(value.try_into().unwrap()))
}

#[test]
fn transfers_never_make_or_lose_money_in_any_snapshot() {
    const ACCOUNTS: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), small());
    run(&store, |tx| {
        for account in 0..ACCOUNTS {
            tx.set(&[account as u8], &100_i64.to_le_bytes()).unwrap();
        }
    });
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let checker = scope.spawn(|| {
            let mut checks = 0;
            while !done.load(Ordering::Relaxed) {
                let pairs = range(&mut store.transaction(), b"", b"\xf0").unwrap();
                let sum: i64 = pairs.into_iter().map(|(_, value)| number(Some(value))).sum();
                assert_eq!(sum, 100 * ACCOUNTS as i64);
                checks += 1;
            }
            checks
        });
        let workers: Vec<_> = (0..4)
            .map(|seed| {
                let store = &store;
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..200 {
                        let from = [random.below(ACCOUNTS) as u8];
                        let to = [random.below(ACCOUNTS) as u8];
                        run(store, |tx| {
                            let balance = number(tx.get(&from, false).unwrap());
                            tx.set(&from, &(balance - 7).to_le_bytes()).unwrap();
                            let balance = number(tx.get(&to, false).unwrap());
                            tx.set(&to, &(balance + 7).to_le_bytes()).unwrap();
                            tx.atomic_op(b"\xf1", &1_i64.to_le_bytes(), MutationType::Add).unwrap();
                        });
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
        assert!(checker.join().unwrap() > 10);
    });
    assert_eq!(number(store.transaction().get(b"\xf1", true).unwrap()), 800);
}

#[test]
fn a_callback_may_start_the_next_commit_and_drop_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), small());
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut tx = store.transaction();
    tx.set(b"first", b"").unwrap();
    tx.commit(Box::new(move |outcome| {
        outcome.unwrap();
        let mut next = store.transaction();
        next.set(b"second", b"").unwrap();
        next.commit(Box::new(move |outcome| sender.send(outcome).unwrap()));
        drop(store);
    }));
    receiver.recv().unwrap().unwrap();
}

#[test]
fn the_first_commit_after_a_pause_leaves_no_old_version_to_reads() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), Options { io: Arc::new(io.clone()), ..small() });
    let before = store.transaction().read_version().unwrap();
    let pause = Duration::from_millis(60);
    thread::sleep(pause);
    io.pause_syncs();
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut tx = store.transaction();
    tx.set(b"k", b"v").unwrap();
    tx.commit(Box::new(move |outcome| sender.send(outcome).unwrap()));
    while io.sync_waiting() == 0 {
        thread::yield_now();
    }
    let mut reader = store.transaction();
    let version = reader.read_version().unwrap();
    assert!(version - before >= pause.as_micros() as i64, "{version} is old");
    assert_eq!(reader.get(b"k", true).unwrap(), None);
    io.resume_syncs();
    assert!(receiver.recv().unwrap().unwrap().version > version);
}

/// Commits until a read at an earlier version finds another answer than the value of that time;
/// returns the answer and how much older that version is than the newest one then.
fn read_back_until_refused(options: Options) -> (i32, i64) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), options);
    run(&store, |tx| tx.set(b"k", b"first").unwrap());
    let version = store.transaction().read_version().unwrap();
    loop {
        run(&store, |tx| tx.set(b"k", &[b'v'; 500]).unwrap());
        let mut tx = store.transaction();
        tx.set_read_version(version).unwrap();
        match tx.get(b"k", true) {
            Ok(value) => assert_eq!(value.as_deref(), Some(&b"first"[..])),
            Err(error) => {
                return (error.code, store.transaction().read_version().unwrap() - version);
            }
        }
    }
}

#[test]
fn earlier_versions_can_be_read_for_as_long_as_memory_allows() {
    let (refused, age) = read_back_until_refused(small());
    assert_eq!(refused, code::TRANSACTION_TOO_OLD);
    assert!(age > VERSION_WINDOW / 2, "refused after {age} us");
    let (refused, age) = read_back_until_refused(Options { history_bytes: 0, ..small() });
    assert_eq!(refused, code::TRANSACTION_TOO_OLD);
    assert!(age < VERSION_WINDOW / 2, "refused after {age} us only");
}

#[test]
fn conflicts_are_known_for_as_long_as_memory_allows() {
    let commit_after_many = |options: Options| {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), options);
        let mut tx = store.transaction();
        tx.get(b"read", false).unwrap();
        tx.set(b"written", b"").unwrap();
        for number in 0..200_u32 {
            run(&store, |tx| tx.set(&number.to_be_bytes(), b"").unwrap());
        }
        commit(&mut tx).map(drop).map_err(|error| error.code)
    };
    assert_eq!(commit_after_many(small()), Ok(()));
    let forgetful = Options { conflict_bytes: 8 << 10, ..small() };
    assert_eq!(commit_after_many(forgetful), Err(code::TRANSACTION_TOO_OLD));
}

#[test]
fn readers_beyond_the_bound_are_refused_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), small());
    write(&store, b"a", b"first");
    let mut held = Vec::new();
    // More than the tree has room for.
    for _ in 0..8_300 {
        let mut tx = store.transaction();
        match tx.get(b"a", true) {
            Ok(_) => held.push(tx),
            Err(error) => assert_eq!(error.code, code::PROCESS_BEHIND),
        }
    }
    // Several overlays move to the tree meanwhile.
    for round in 0..50_u8 {
        write(&store, &[round], &[round; 1000]);
        thread::sleep(Duration::from_millis(2));
    }
    drop(held);
    assert_eq!(read(&store, b"a").as_deref(), Some(&b"first"[..]));
    store.close().unwrap();
}
