//! Details of FoundationDB's semantics that its documentation leaves to its source.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kronotop_kv::error::code;
use kronotop_kv::{
    ConflictKind, Error, KeySelector, MutationType, Options, RangeOptions, Store, WATCH_LIMIT,
    option_code,
};
use support::{commit, open, range, read, write};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Options::default());
    (dir, store)
}

fn code_of<T: std::fmt::Debug>(result: Result<T, Error>) -> i32 {
    result.unwrap_err().code
}

const STAMP: MutationType = MutationType::SetVersionstampedValue;

#[test]
fn a_stamped_value_stays_unreadable_until_it_is_cleared() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.atomic_op(b"k", &[0; 14], STAMP).unwrap();
    tx.set(b"k", b"known").unwrap();
    assert_eq!(code_of(tx.get(b"k", false)), code::ACCESSED_UNREADABLE);
    assert_eq!(code_of(range(&mut tx, b"a", b"z")), code::ACCESSED_UNREADABLE);
    tx.clear(b"k").unwrap();
    assert_eq!(tx.get(b"k", false).unwrap(), None);
    tx.set(b"k", b"known").unwrap();
    assert_eq!(tx.get(b"k", false).unwrap().as_deref(), Some(&b"known"[..]));
    let stamped_key = [&b"s"[..], &[0; 10], &1_u32.to_le_bytes()].concat();
    tx.atomic_op(&stamped_key, b"", MutationType::SetVersionstampedKey).unwrap();
    assert_eq!(code_of(range(&mut tx, b"s", b"t")), code::ACCESSED_UNREADABLE);
    tx.clear_range(b"s", b"t").unwrap();
    assert_eq!(range(&mut tx, b"s", b"t").unwrap(), []);
    commit(&mut tx).unwrap();
    assert_eq!(read(&store, b"k").as_deref(), Some(&b"known"[..]));
}

#[test]
fn a_stamped_value_can_be_read_unstamped_when_that_is_asked_for() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.set_option(option_code::BYPASS_UNREADABLE, None).unwrap();
    let operand = [&[7; 12][..], &2_u32.to_le_bytes()].concat();
    tx.atomic_op(b"k", &operand, STAMP).unwrap();
    assert_eq!(tx.get(b"k", false).unwrap(), Some(operand));
}

#[test]
fn stamped_keys_conflict_whatever_the_option_says() {
    let (_dir, store) = store();
    let mut reader = store.transaction();
    assert_eq!(range(&mut reader, b"s", b"t").unwrap(), []);
    reader.set(b"r", b"").unwrap();
    let mut writer = store.transaction();
    writer.set_option(option_code::NEXT_WRITE_NO_WRITE_CONFLICT_RANGE, None).unwrap();
    let key = [&b"s"[..], &[0; 10], &1_u32.to_le_bytes()].concat();
    writer.atomic_op(&key, b"", MutationType::SetVersionstampedKey).unwrap();
    commit(&mut writer).unwrap();
    assert_eq!(code_of(commit(&mut reader)), code::NOT_COMMITTED);
}

#[test]
fn the_metadata_version_takes_a_bare_stamp_only() {
    let (_dir, store) = store();
    let key = b"\xff/metadataVersion";
    let mut tx = store.transaction();
    let invalid = code::CLIENT_INVALID_OPERATION;
    assert_eq!(code_of(tx.set(key, b"")), invalid);
    assert_eq!(code_of(tx.atomic_op(key, &[0; 15], STAMP)), invalid);
    assert_eq!(code_of(tx.atomic_op(key, &[0; 14], MutationType::Add)), invalid);
    assert_eq!(code_of(tx.clear(key)), code::KEY_OUTSIDE_LEGAL_RANGE);
    tx.add_conflict_range(key, &[&key[..], b"\0"].concat(), ConflictKind::Read).unwrap();
    tx.atomic_op(key, &[0; 14], STAMP).unwrap();
    let stamp = commit(&mut tx).unwrap().versionstamp().unwrap();
    assert_eq!(read(&store, key).unwrap(), stamp);
}

#[test]
fn keys_end_at_10_000_bytes_and_those_of_the_system_at_30_000() {
    let (_dir, store) = store();
    let longest = vec![b'k'; 10_000];
    write(&store, &longest, b"1");
    assert_eq!(read(&store, &longest).as_deref(), Some(&b"1"[..]));
    let beyond = vec![b'k'; 10_001];
    let mut tx = store.transaction();
    assert_eq!(code_of(tx.set(&beyond, b"")), code::KEY_TOO_LARGE);
    // Bounds may be longer: they mean the same as their first 10,001 bytes.
    tx.clear_range(&[&beyond[..], b"z"].concat(), b"l").unwrap();
    commit(&mut tx).unwrap();
    assert!(read(&store, &longest).is_some());
    let mut tx = store.transaction();
    tx.clear_range(b"", &[&beyond[..], b"z"].concat()).unwrap();
    tx.set_option(option_code::ACCESS_SYSTEM_KEYS, None).unwrap();
    let of_the_system = |len: usize| [&b"\xff"[..], &vec![b's'; len - 1]].concat();
    tx.set(&of_the_system(30_000), b"2").unwrap();
    assert_eq!(code_of(tx.set(&of_the_system(30_001), b"")), code::KEY_TOO_LARGE);
    commit(&mut tx).unwrap();
    let mut tx = store.transaction();
    tx.set_option(option_code::READ_SYSTEM_KEYS, None).unwrap();
    assert_eq!(tx.get(&longest, true).unwrap(), None);
    assert_eq!(tx.get(&of_the_system(30_000), true).unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn the_size_limit_counts_what_is_left_and_only_what_is_written() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    for round in 0..150_u8 {
        tx.set(b"same", &[round; 100_000]).unwrap();
        tx.atomic_op(b"counter", &[round; 8], MutationType::Add).unwrap();
    }
    assert!(tx.approximate_size() > 15_000_000);
    commit(&mut tx).unwrap();
    assert_eq!(read(&store, b"same").unwrap(), [149; 100_000]);

    let mut reader = store.transaction();
    for round in 0..600_u32 {
        let begin = [&round.to_be_bytes()[..], &[0; 9_900]].concat();
        reader
            .add_conflict_range(&begin, &[&begin[..], &[0]].concat(), ConflictKind::Read)
            .unwrap();
    }
    assert!(reader.approximate_size() > 10_000_000);
    assert_eq!(commit(&mut reader).unwrap().version, -1);
    reader.reset();
    reader.set_option(option_code::SIZE_LIMIT, Some(&1_000_i64.to_le_bytes())).unwrap();
    reader.set(b"k", &[0; 1_000]).unwrap();
    assert_eq!(code_of(commit(&mut reader)), code::TRANSACTION_TOO_LARGE);
    assert_eq!(code_of(reader.get(b"k", false)), code::USED_DURING_COMMIT);
}

#[test]
fn a_limit_ends_the_conflict_whatever_the_end_is_counted_from() {
    let (_dir, store) = store();
    for key in [b"a", b"b", b"m", b"n"] {
        write(&store, key, b"0");
    }
    let begin = KeySelector::first_greater_or_equal("a");
    let third = KeySelector { key: b"m".to_vec(), or_equal: false, offset: 2 };
    let before = KeySelector { key: b"n".to_vec(), or_equal: false, offset: 0 };
    let one = RangeOptions { limit: 1, ..RangeOptions::default() };
    let all = RangeOptions::default();
    // What is read, what another writes then, and whether that is a conflict.
    let cases = [
        (&third, one, &b"b"[..], false),
        (&third, one, b"n", false),
        (&third, one, b"a", true),
        (&third, all, b"m", true),
        (&third, all, b"n", false),
        (&before, one, b"c", true),
        (&before, all, b"n", false),
        (&before, all, b"b", true),
    ];
    for (end, options, written, conflicts) in cases {
        let mut tx = store.transaction();
        tx.get_range(&begin, end, &options).unwrap();
        let mut writer = store.transaction();
        writer
            .add_conflict_range(written, &[written, b"\0"].concat(), ConflictKind::Write)
            .unwrap();
        commit(&mut writer).unwrap();
        tx.set(b"z", b"").unwrap();
        assert_eq!(commit(&mut tx).is_err(), conflicts, "{end:?} {options:?} {written:?}");
    }
}

#[test]
fn own_writes_may_be_switched_off_until_the_first_read() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    let version = tx.read_version().unwrap();
    tx.set_option(option_code::READ_YOUR_WRITES_DISABLE, None).unwrap();
    tx.set(b"k", b"1").unwrap();
    assert_eq!(tx.get(b"k", false).unwrap(), None);
    let again = tx.set_option(option_code::READ_YOUR_WRITES_DISABLE, None);
    assert_eq!(code_of(again), code::CLIENT_INVALID_OPERATION);
    commit(&mut tx).unwrap();
    assert_eq!(tx.read_version().unwrap(), version);
    let flag = store.transaction().set_option(option_code::READ_SYSTEM_KEYS, Some(b"x"));
    assert_eq!(code_of(flag), code::INVALID_OPTION_VALUE);
}

#[test]
fn a_watch_fires_as_soon_as_its_own_transaction_changes_the_key() {
    let (_dir, store) = store();
    write(&store, b"k", b"1");
    type Change = fn(&mut kronotop_kv::Transaction) -> kronotop_kv::Result<()>;
    let changes: [(Change, bool); 5] = [
        (|tx| tx.set(b"k", b"1"), false),
        (|tx| tx.set(b"k", b"2"), true),
        (|tx| tx.clear(b"k"), true),
        (|tx| tx.clear_range(b"a", b"k"), false),
        (|tx| tx.atomic_op(b"k", &[0], MutationType::Add), true),
    ];
    for (change, fires) in changes {
        let fired = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&fired);
        let mut tx = store.transaction();
        let on_fire = move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        tx.watch(b"k", Box::new(on_fire)).unwrap();
        change(&mut tx).unwrap();
        assert_eq!(fired.load(Ordering::SeqCst) == 1, fires);
        commit(&mut tx).unwrap();
    }
}

#[test]
fn ten_thousand_watches_fire_once_each_and_one_more_is_refused() {
    let (_dir, store) = store();
    let fired: Arc<Vec<AtomicUsize>> = Arc::new((0..WATCH_LIMIT).map(|_| 0.into()).collect());
    let (done, all_fired) = std::sync::mpsc::channel();
    let key = |number: usize| [&b"w"[..], &(number as u32).to_be_bytes()].concat();
    for batch in 0..10 {
        let mut tx = store.transaction();
        for number in batch * WATCH_LIMIT / 10..(batch + 1) * WATCH_LIMIT / 10 {
            let (fired, done) = (Arc::clone(&fired), done.clone());
            let on_fire = move |outcome: kronotop_kv::Result<()>| {
                outcome.unwrap();
                fired[number].fetch_add(1, Ordering::SeqCst);
                done.send(()).unwrap();
            };
            tx.watch(&key(number), Box::new(on_fire)).unwrap();
        }
        commit(&mut tx).unwrap();
    }
    let mut tx = store.transaction();
    let refused = tx.watch(b"one more", Box::new(|_| panic!("it was refused")));
    assert_eq!(code_of(refused), code::TOO_MANY_WATCHES);
    for half in 0..2 {
        let mut tx = store.transaction();
        for number in (half..WATCH_LIMIT).step_by(2) {
            tx.set(&key(number), b"changed").unwrap();
        }
        commit(&mut tx).unwrap();
    }
    for _ in 0..WATCH_LIMIT {
        all_fired.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    }
    write(&store, &key(0), b"again");
    assert!(fired.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    tx.reset();
    tx.watch(b"one more", Box::new(|_| ())).unwrap();
}

#[test]
fn versions_go_up_over_quick_restarts() {
    let (dir, mut store) = store();
    let mut last = 0;
    for round in 0..30 {
        let mut tx = store.transaction();
        match round % 3 {
            0 => tx.set(b"k", b"").unwrap(),
            1 => tx.add_conflict_range(b"a", b"b", ConflictKind::Write).unwrap(),
            _ => {}
        }
        let version = match commit(&mut tx).unwrap().version {
            -1 => store.transaction().read_version().unwrap(),
            version => version,
        };
        assert!(version >= last, "{version} after {last} in round {round}");
        drop(tx);
        store.close().unwrap();
        store = open(dir.path(), Options::default());
        last = store.transaction().read_version().unwrap();
        assert!(last > version, "{last} after {version} in round {round}");
    }
}
