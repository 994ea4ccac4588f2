//! Several openers of one directory: the first owns the store, the others follow it. Here they are
//! in one process; `test/crash/shared-store.test.ts` has processes of their own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use kronotop_kv::error::code;
use kronotop_kv::{
    ConflictKind, Error, KeySelector, MutationType, Options, RangeOptions, Store, Transaction,
};
use support::{Pairs, commit, range, read, small, write};

const HANG: Duration = Duration::from_secs(20);

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

/// An owner and a follower.
fn both() -> (tempfile::TempDir, Store, Store) {
    let dir = tempfile::tempdir().unwrap();
    let owner = open(dir.path());
    let follower = open(dir.path());
    (dir, owner, follower)
}

fn code_of<T: std::fmt::Debug>(result: Result<T, Error>) -> i32 {
    result.unwrap_err().code
}

fn watch(tx: &mut Transaction, key: &[u8]) -> Receiver<Result<(), Error>> {
    let (sender, receiver) = mpsc::channel();
    tx.watch(key, Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
    receiver
}

#[test]
fn each_sees_what_the_others_commit() {
    let (dir, owner, follower) = both();
    let third = open(dir.path());
    let version = write(&follower, b"a", b"1").version;
    assert!(owner.transaction().read_version().unwrap() >= version);
    assert_eq!(read(&owner, b"a").as_deref(), Some(&b"1"[..]));
    let version = write(&owner, b"a", b"2").version;
    assert!(third.transaction().read_version().unwrap() >= version);
    assert_eq!(read(&third, b"a").as_deref(), Some(&b"2"[..]));
    assert_eq!(read(&follower, b"b"), None);
}

#[test]
fn what_one_reads_and_another_writes_conflicts() {
    let (_dir, owner, follower) = both();
    for (reader, writer) in [(&owner, &follower), (&follower, &owner)] {
        let mut tx = reader.transaction();
        tx.get(b"a", false).unwrap();
        tx.set(b"b", b"").unwrap();
        let mut blind = reader.transaction();
        blind.get(b"a", true).unwrap();
        blind.set(b"c", b"").unwrap();
        let mut ranged = reader.transaction();
        ranged.read_version().unwrap();
        ranged.add_conflict_range(b"", b"m", ConflictKind::Read).unwrap();
        ranged.set(b"d", b"").unwrap();
        write(writer, b"a", b"");
        assert_eq!(code_of(commit(&mut tx)), code::NOT_COMMITTED);
        assert_eq!(code_of(commit(&mut ranged)), code::NOT_COMMITTED);
        commit(&mut blind).unwrap();
    }
}

#[test]
fn every_kind_of_write_arrives() {
    let (_dir, owner, follower) = both();
    write(&owner, b"sum", &[5, 0]);
    write(&owner, b"gone", b"");
    write(&owner, b"range/1", b"");
    write(&owner, b"range/3", b"");
    let mut tx = follower.transaction();
    tx.clear(b"gone").unwrap();
    tx.set(b"range/2", b"hidden").unwrap();
    tx.clear_range(b"range/", b"range0").unwrap();
    tx.set(b"range/3", b"later").unwrap();
    tx.atomic_op(b"sum", &[1, 0], MutationType::Add).unwrap();
    tx.atomic_op(b"sum", &[3, 0], MutationType::BitXor).unwrap();
    tx.atomic_op(b"v\0\0\0\0", b"", MutationType::Max).unwrap();
    let key = [&b"key/"[..], &[0; 10], &4_u32.to_le_bytes()].concat();
    tx.atomic_op(&key, b"stamped", MutationType::SetVersionstampedKey).unwrap();
    let value = [&[0; 10][..], b"tail", &0_u32.to_le_bytes()].concat();
    tx.atomic_op(b"value", &value, MutationType::SetVersionstampedValue).unwrap();
    let stamp = commit(&mut tx).unwrap().versionstamp().unwrap();
    assert_eq!(tx.versionstamp().unwrap(), stamp);
    let wanted: Pairs = [
        ([&b"key/"[..], &stamp].concat(), b"stamped".to_vec()),
        (b"range/3".to_vec(), b"later".to_vec()),
        (b"sum".to_vec(), vec![6 ^ 3, 0]),
        (b"v\0\0\0\0".to_vec(), Vec::new()),
        (b"value".to_vec(), [&stamp[..], b"tail"].concat()),
    ]
    .into();
    assert_eq!(range(&mut owner.transaction(), b"", b"\xff").unwrap(), wanted);
    assert_eq!(range(&mut follower.transaction(), b"", b"\xff").unwrap(), wanted);
}

#[test]
fn a_follower_reads_ranges_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Store::open(dir.path(), small()).unwrap();
    let follower = open(dir.path());
    let key = |n: usize| format!("k{n:05}").into_bytes();
    for part in 0..10 {
        let mut tx = owner.transaction();
        for n in part * 300..(part + 1) * 300 {
            tx.set(&key(n), &vec![n as u8; 300 + n % 50]).unwrap();
        }
        commit(&mut tx).unwrap();
    }
    let all = range(&mut owner.transaction(), b"", b"\xff").unwrap();
    assert_eq!(all.len(), 3000);
    let mut tx = follower.transaction();
    assert_eq!(range(&mut tx, b"", b"\xff").unwrap(), all);
    assert_eq!(tx.estimated_range_size(b"", b"\xff").unwrap(), {
        all.iter().map(|(key, value)| (key.len() + value.len()) as i64).sum::<i64>()
    });
    // Own writes hide most of it: the walk seeks over what they clear.
    tx.clear_range(&key(10), &key(2_990)).unwrap();
    tx.set(&key(1_500), b"own").unwrap();
    let mut left: Pairs = [&all[..10], &all[2_990..]].concat();
    left.insert(10, (key(1_500), b"own".to_vec()));
    assert_eq!(range(&mut tx, b"", b"\xff").unwrap(), left);
    let (begin, end) =
        (KeySelector::first_greater_or_equal(*b""), KeySelector::first_greater_or_equal(*b"\xff"));
    let options = RangeOptions { limit: 15, reverse: true, ..RangeOptions::default() };
    let last = tx.get_range(&begin, &end, &options).unwrap();
    let last: Pairs = last.pairs().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    left.reverse();
    assert_eq!(last, left[..15]);
    let far = KeySelector { key: key(0), or_equal: false, offset: 2_000 };
    assert_eq!(follower.transaction().get_key(&far, false).unwrap(), key(1_999));
}

#[test]
fn watches_reach_over_processes_and_to_the_next_owner() {
    let (dir, owner, follower) = both();
    let mut tx = follower.transaction();
    let (changed, kept, cancelled) =
        (watch(&mut tx, b"a"), watch(&mut tx, b"b"), watch(&mut tx, b"c"));
    commit(&mut tx).unwrap();
    let mut handled = follower.transaction();
    let (sender, ended) = mpsc::channel();
    let handle =
        handled.watch(b"c", Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
    commit(&mut handled).unwrap();
    handle.cancel();
    assert_eq!(code_of(ended.recv_timeout(HANG).unwrap()), code::OPERATION_CANCELLED);
    write(&owner, b"a", b"1");
    changed.recv_timeout(HANG).unwrap().unwrap();
    owner.close().unwrap();
    // One of the others is the owner now; what was set before holds.
    let other = open(dir.path());
    write(&other, b"b", b"1");
    kept.recv_timeout(HANG).unwrap().unwrap();
    write(&follower, b"c", b"1");
    cancelled.recv_timeout(HANG).unwrap().unwrap();
    assert!(kept.try_recv().is_err());
    let mut tx = follower.transaction();
    let closed = watch(&mut tx, b"d");
    commit(&mut tx).unwrap();
    follower.close().unwrap();
    assert_eq!(code_of(closed.recv_timeout(HANG).unwrap()), code::OPERATION_CANCELLED);
}

#[test]
fn a_transaction_does_not_outlive_the_owner_it_read_from() {
    let (dir, owner, follower) = both();
    write(&owner, b"a", b"1");
    let open_one = || {
        let mut tx = follower.transaction();
        tx.get(b"a", false).unwrap();
        tx.set(b"b", b"").unwrap();
        tx
    };
    let (mut reads, mut commits) = (open_one(), open_one());
    let mut unread = follower.transaction();
    unread.set(b"c", b"").unwrap();
    owner.close().unwrap();
    assert_eq!(code_of(reads.get(b"b2", false)), code::TRANSACTION_TOO_OLD);
    // A read without a version waits for the next owner.
    assert_eq!(read(&follower, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(code_of(commit(&mut commits)), code::TRANSACTION_TOO_OLD);
    commit(&mut unread).unwrap();
    let again = open(dir.path());
    assert_eq!(read(&again, b"b"), None);
    assert_eq!(read(&again, b"c").as_deref(), Some(&b""[..]));
}

#[test]
fn ownership_goes_round_under_load_and_loses_nothing() {
    const WRITES: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let mut stores: Vec<Store> =
        (0..3).map(|_| Store::open(dir.path(), small()).unwrap()).collect();
    let add = |store: &Store| {
        let mut tx = store.transaction();
        loop {
            let count = tx.get(b"count", false);
            let outcome = count.and_then(|count| {
                let count = count.map_or(0, |count| u32::from_le_bytes(count.try_into().unwrap()));
                tx.set(b"count", &(count + 1).to_le_bytes())?;
                commit(&mut tx)
            });
            match outcome {
                Ok(_) => return,
                // No owner was killed, so nothing is in doubt.
                Err(error) if error.code == code::COMMIT_UNKNOWN_RESULT => panic!("{error}"),
                Err(error) => drop(tx.on_error(&error).unwrap()),
            }
        }
    };
    let (first, rest) = (stores[0].clone(), stores[1].clone());
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| (0..WRITES).for_each(|_| add(&rest)));
        (0..WRITES / 2).for_each(|_| add(&first));
        first.close().unwrap();
        worker.join().unwrap();
    });
    stores[0] = Store::open(dir.path(), small()).unwrap();
    stores[1].close().unwrap();
    add(&stores[2]);
    add(&stores[0]);
    let total = (WRITES + WRITES / 2 + 2) as u32;
    assert_eq!(read(&stores[2], b"count"), Some(total.to_le_bytes().into()));
}

#[test]
fn a_process_that_cannot_take_over_says_why_and_goes_on_trying() {
    let (dir, owner, follower) = both();
    write(&owner, b"a", b"1");
    let other = tempfile::tempdir().unwrap();
    let foreign = open(other.path());
    write(&foreign, b"a", b"2");
    let logs = std::fs::read_dir(other.path().join("log")).unwrap();
    let log = logs.map(|entry| entry.unwrap().path()).min().unwrap();
    let astray = dir.path().join("log/00000000000000ff.log");
    std::fs::copy(log, &astray).unwrap();
    owner.close().unwrap();
    let deadline = Instant::now() + HANG;
    let error = loop {
        match follower.transaction().get(b"a", false) {
            Err(error) if error.code != code::TRANSACTION_TOO_OLD => break error,
            outcome => assert!(Instant::now() < deadline, "{outcome:?}"),
        }
    };
    assert_eq!(error.code, code::FILE_CORRUPT);
    assert!(error.to_string().contains("belongs to another store"), "{error}");
    let mut blind = follower.transaction();
    blind.set(b"b", b"").unwrap();
    assert_eq!(code_of(commit(&mut blind)), code::FILE_CORRUPT);
    std::fs::remove_file(astray).unwrap();
    while follower.transaction().get(b"a", false).is_err() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(read(&follower, b"a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_connection_that_talks_nonsense_is_ended_and_harms_nobody() {
    let (dir, owner, follower) = both();
    let hello = [&5_u32.to_le_bytes()[..], b"h", &1_u32.to_le_bytes()].concat();
    let frame = |body: &[u8]| [&(body.len() as u32).to_le_bytes()[..], body].concat();
    let nonsense = [
        frame(b"?"),
        frame(b""),
        frame(b"g12"),
        frame(b"c"),
        u32::MAX.to_le_bytes().to_vec(),
        [&hello[..], &frame(b"zzz")].concat(),
    ];
    for bytes in nonsense {
        let mut stream = UnixStream::connect(dir.path().join("socket")).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        // Ends with the connection, at once or after the welcome.
        let _ = stream.read_to_end(&mut answer).map_err(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        });
    }
    write(&follower, b"a", b"1");
    assert_eq!(read(&owner, b"a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_path_longer_than_a_socket_address_works() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
    let (owner, follower) = (open(&deep), open(&deep));
    write(&follower, b"a", b"1");
    assert_eq!(read(&owner, b"a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn an_owner_that_does_not_serve_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let owner = open(dir.path());
    std::fs::remove_file(dir.path().join("socket")).unwrap();
    let patience = Duration::from_millis(20);
    let impatient = Options { owner_patience: patience, ..Options::default() };
    let error = Store::open(dir.path(), impatient).unwrap_err();
    assert_eq!(error.code, code::IO_ERROR);
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    write(&owner, b"a", b"1");
}
