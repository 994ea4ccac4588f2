//! What single transactions and pairs of them do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::mpsc;
use std::time::Duration;

use kronotop_kv::error::code;
use kronotop_kv::{
    ConflictKind, Error, KeySelector, MutationType, Options, RangeOptions, Store, StreamingMode,
    Transaction, option_code,
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

fn stamped(prefix: &[u8]) -> Vec<u8> {
    let offset = (prefix.len() as u32).to_le_bytes();
    [prefix, &[0; 10], &offset].concat()
}

#[test]
fn reads_its_own_writes_and_others_only_after_their_commit() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.set(b"a", b"1").unwrap();
    tx.set(b"", b"empty key").unwrap();
    assert_eq!(tx.get(b"a", false).unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(read(&store, b"a"), None);
    let version = commit(&mut tx).unwrap().version;
    assert_eq!(tx.committed_version(), version);
    assert_eq!(read(&store, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(read(&store, b"").as_deref(), Some(&b"empty key"[..]));
    let mut later = store.transaction();
    assert!(later.read_version().unwrap() >= version);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let (_dir, store) = store();
    write(&store, b"a", b"1");
    let mut tx = store.transaction();
    assert_eq!(tx.get(b"b", true).unwrap(), None);
    write(&store, b"a", b"2");
    write(&store, b"b", b"2");
    assert_eq!(range(&mut tx, b"", b"\xff").unwrap(), [(b"a".to_vec(), b"1".to_vec())]);
    assert_eq!(tx.get(b"a", true).unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn conflicts_exactly_over_what_was_read() {
    let (_dir, store) = store();
    for key in [b"a", b"b", b"c", b"d"] {
        write(&store, key, b"0");
    }
    let first_two = RangeOptions { limit: 2, ..RangeOptions::default() };
    let last_two = RangeOptions { reverse: true, ..first_two };
    for (options, hit, miss) in [(first_two, &b"b"[..], b"b\0"), (last_two, b"c\0", b"b\0")] {
        for (key, outcome) in [(hit, Some(code::NOT_COMMITTED)), (&miss[..], None)] {
            let mut tx = store.transaction();
            let all = KeySelector::first_greater_or_equal;
            let pairs = tx.get_range(&all("a"), &all("e"), &options).unwrap();
            assert_eq!((pairs.count, pairs.more), (2, true));
            write(&store, key, b"1");
            tx.set(b"z", b"").unwrap();
            assert_eq!(commit(&mut tx).err().map(|e| e.code), outcome, "{key:?}");
            let mut undo = store.transaction();
            undo.clear(b"b\0").unwrap();
            undo.clear(b"c\0").unwrap();
            commit(&mut undo).unwrap();
        }
    }
}

#[test]
fn blind_writes_snapshot_reads_and_own_writes_do_not_conflict() {
    let (_dir, store) = store();
    let mut blind = store.transaction();
    let mut snapshot = store.transaction();
    let mut own = store.transaction();
    snapshot.get(b"k", true).unwrap();
    own.read_version().unwrap();
    own.set(b"k", b"own").unwrap();
    own.clear_range(b"x", b"y").unwrap();
    own.get(b"k", false).unwrap();
    assert_eq!(range(&mut own, b"x", b"y").unwrap(), []);
    write(&store, b"k", b"other");
    write(&store, b"x", b"other");
    blind.set(b"k", b"blind").unwrap();
    snapshot.set(b"k", b"snapshot").unwrap();
    for mut tx in [blind, snapshot, own] {
        commit(&mut tx).unwrap();
    }
    assert_eq!(read(&store, b"k").as_deref(), Some(&b"own"[..]));
}

#[test]
fn explicit_conflict_ranges_and_the_option_against_them_count() {
    let (_dir, store) = store();
    let mut reader = store.transaction();
    reader.read_version().unwrap();
    reader.add_conflict_range(b"a", b"c", ConflictKind::Read).unwrap();
    reader.set(b"r", b"").unwrap();
    let mut silent = store.transaction();
    silent.set_option(option_code::NEXT_WRITE_NO_WRITE_CONFLICT_RANGE, None).unwrap();
    silent.set(b"b", b"").unwrap();
    commit(&mut silent).unwrap();
    let mut writer = store.transaction();
    writer.add_conflict_range(b"c", b"d", ConflictKind::Write).unwrap();
    assert!(commit(&mut writer).unwrap().version > 0);
    commit(&mut reader).unwrap();

    let mut reader = store.transaction();
    reader.get(b"b", false).unwrap();
    reader.set(b"r", b"").unwrap();
    let mut writer = store.transaction();
    writer.add_conflict_range(b"a", b"c", ConflictKind::Write).unwrap();
    commit(&mut writer).unwrap();
    assert_eq!(code_of(commit(&mut reader)), code::NOT_COMMITTED);
}

#[test]
fn stamps_keys_and_values_with_the_commit_version() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.atomic_op(&stamped(b"k"), b"v", MutationType::SetVersionstampedKey).unwrap();
    tx.atomic_op(b"v", &stamped(b"p"), MutationType::SetVersionstampedValue).unwrap();
    assert_eq!(code_of(tx.get(b"v", false)), code::ACCESSED_UNREADABLE);
    assert_eq!(code_of(range(&mut tx, b"k", b"l")), code::ACCESSED_UNREADABLE);
    assert_eq!(tx.get(b"m", false).unwrap(), None);
    let stamp = commit(&mut tx).unwrap().versionstamp().unwrap();
    assert_eq!(tx.versionstamp().unwrap(), stamp);
    assert_eq!(read(&store, &[b"k", &stamp[..]].concat()).as_deref(), Some(&b"v"[..]));
    assert_eq!(read(&store, b"v").unwrap(), [b"p", &stamp[..]].concat());
    let mut bad = store.transaction();
    let beyond = [&[0; 12][..], &3_u32.to_le_bytes()].concat();
    let result = bad.atomic_op(&beyond, b"", MutationType::SetVersionstampedKey);
    assert_eq!(code_of(result), code::CLIENT_INVALID_OPERATION);
    assert_eq!(code_of(store.transaction().versionstamp()), code::NO_COMMIT_VERSION);
}

#[test]
fn a_clear_after_a_stamped_key_covers_it_and_one_before_does_not() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.clear_range(b"a", b"z").unwrap();
    tx.atomic_op(&stamped(b"kept"), b"", MutationType::SetVersionstampedKey).unwrap();
    tx.atomic_op(&stamped(b"gone"), b"", MutationType::SetVersionstampedKey).unwrap();
    tx.clear_range(b"gone", b"gonf").unwrap();
    commit(&mut tx).unwrap();
    let pairs = range(&mut store.transaction(), b"", b"\xff").unwrap();
    assert_eq!(pairs.len(), 1);
    assert!(pairs[0].0.starts_with(b"kept"));
}

#[test]
fn atomic_operations_fold_over_the_value_at_the_commit() {
    let (_dir, store) = store();
    write(&store, b"n", &[1]);
    let mut tx = store.transaction();
    tx.read_version().unwrap();
    tx.atomic_op(b"n", &[1], MutationType::Add).unwrap();
    write(&store, b"n", &[10]);
    tx.atomic_op(b"n", &[1], MutationType::Add).unwrap();
    assert_eq!(tx.get(b"n", true).unwrap(), Some(vec![3]));
    commit(&mut tx).unwrap();
    assert_eq!(read(&store, b"n"), Some(vec![12]));
}

#[test]
fn limits_and_illegal_keys_have_their_codes() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    assert_eq!(code_of(tx.set(&[0; 10_001], b"")), code::KEY_TOO_LARGE);
    assert_eq!(code_of(tx.set(b"k", &[0; 100_001])), code::VALUE_TOO_LARGE);
    assert_eq!(code_of(tx.set(b"\xff", b"")), code::KEY_OUTSIDE_LEGAL_RANGE);
    assert_eq!(code_of(tx.get(b"\xff\x01", false)), code::KEY_OUTSIDE_LEGAL_RANGE);
    assert_eq!(code_of(tx.clear_range(b"b", b"a")), code::INVERTED_RANGE);
    let exact = RangeOptions { mode: StreamingMode::Exact, ..RangeOptions::default() };
    let all = KeySelector::first_greater_or_equal;
    let result = tx.get_range(&all(""), &all("\u{7f}"), &exact);
    assert_eq!(code_of(result), code::EXACT_MODE_WITHOUT_LIMITS);
    assert_eq!(tx.get(&[0; 10_001], false).unwrap(), None);
    assert_eq!(tx.get(b"\xff/metadataVersion", false).unwrap(), None);
    for key in 0..101_u32 {
        tx.set(&key.to_be_bytes(), &[0; 100_000]).unwrap();
    }
    assert!(tx.approximate_size() > 10_000_000);
    assert_eq!(code_of(commit(&mut tx)), code::TRANSACTION_TOO_LARGE);
    let mut system = store.transaction();
    system.set_option(option_code::ACCESS_SYSTEM_KEYS, None).unwrap();
    system.set(b"\xff/x", b"").unwrap();
    commit(&mut system).unwrap();
    assert_eq!(code_of(system.set_option(9999, None)), code::INVALID_OPTION);
}

#[test]
fn calls_during_and_after_commit_or_cancel_are_refused() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.set(b"a", b"").unwrap();
    commit(&mut tx).unwrap();
    assert_eq!(code_of(tx.set(b"a", b"")), code::USED_DURING_COMMIT);
    assert_eq!(code_of(commit(&mut tx)), code::USED_DURING_COMMIT);
    tx.reset();
    tx.set(b"a", b"").unwrap();
    tx.cancel();
    assert_eq!(code_of(tx.get(b"a", false)), code::TRANSACTION_CANCELLED);
    assert_eq!(code_of(commit(&mut tx)), code::TRANSACTION_CANCELLED);
    tx.reset();
    assert_eq!(commit(&mut tx).unwrap().version, -1);
}

#[test]
fn on_error_retries_what_may_succeed_up_to_the_limit() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.set(b"a", b"").unwrap();
    let conflict = Error::new(code::NOT_COMMITTED);
    let pause = tx.on_error(&conflict).unwrap();
    assert!(pause <= Duration::from_millis(10));
    assert_eq!(tx.approximate_size(), 0);
    let limit = 2_i64.to_le_bytes();
    tx.set_option(option_code::RETRY_LIMIT, Some(&limit)).unwrap();
    tx.on_error(&conflict).unwrap();
    assert_eq!(code_of(tx.on_error(&conflict)), code::NOT_COMMITTED);
    let mut tx = store.transaction();
    assert_eq!(code_of(tx.on_error(&Error::new(code::KEY_TOO_LARGE))), code::KEY_TOO_LARGE);
    tx.set_option(option_code::TIMEOUT, Some(&1_i64.to_le_bytes())).unwrap();
    std::thread::sleep(Duration::from_millis(3));
    assert_eq!(code_of(tx.get(b"a", false)), code::TRANSACTION_TIMED_OUT);
}

#[test]
fn selectors_beyond_the_ends_give_the_ends() {
    let (_dir, store) = store();
    for key in [b"b", b"d"] {
        write(&store, key, b"");
    }
    let mut tx = store.transaction();
    let mut key = |selector: KeySelector| tx.get_key(&selector, false).unwrap();
    assert_eq!(key(KeySelector::last_less_than("b")), b"");
    assert_eq!(key(KeySelector::last_less_or_equal("b")), b"b");
    assert_eq!(key(KeySelector::first_greater_than("b")), b"d");
    assert_eq!(key(KeySelector::first_greater_than("d")), b"\xff");
    assert_eq!(key(KeySelector { key: b"a".to_vec(), or_equal: false, offset: 2 }), b"d");
    assert_eq!(key(KeySelector { key: b"a".to_vec(), or_equal: false, offset: 9 }), b"\xff");
    assert_eq!(key(KeySelector { key: b"e".to_vec(), or_equal: false, offset: -1 }), b"b");
    assert_eq!(key(KeySelector { key: b"e".to_vec(), or_equal: false, offset: -9 }), b"");
    assert_eq!(key(KeySelector::last_less_or_equal(*b"\xff")), b"d");
}

#[test]
fn watches_fire_when_the_value_is_another_one() {
    let (_dir, store) = store();
    write(&store, b"w", b"1");
    let (sender, receiver) = mpsc::channel();
    let set = |name: &'static str, change: Option<&[u8]>| {
        let mut tx = store.transaction();
        let sender = sender.clone();
        let on_fire = Box::new(move |outcome| sender.send((name, outcome)).unwrap());
        let handle = tx.watch(b"w", on_fire).unwrap();
        if let Some(value) = change {
            write(&store, b"w", value);
        }
        commit(&mut tx).unwrap();
        handle
    };
    let wait = || receiver.recv_timeout(Duration::from_secs(5)).unwrap();
    set("changed before the commit", Some(b"2"));
    assert_eq!(wait(), ("changed before the commit", Ok(())));
    set("changed after", None);
    write(&store, b"w", b"2");
    assert!(receiver.recv_timeout(Duration::from_millis(30)).is_err());
    write(&store, b"w", b"3");
    assert_eq!(wait(), ("changed after", Ok(())));
    set("cancelled", None).cancel();
    assert_eq!(wait(), ("cancelled", Err(Error::new(code::OPERATION_CANCELLED))));
    set("cleared", None);
    let mut tx = store.transaction();
    tx.clear_range(b"", b"\xff").unwrap();
    commit(&mut tx).unwrap();
    assert_eq!(wait(), ("cleared", Ok(())));
    set("closed", None);
    store.close().unwrap();
    assert_eq!(wait(), ("closed", Err(Error::new(code::OPERATION_CANCELLED))));
}

#[test]
fn watches_that_never_commit_are_cancelled() {
    let (_dir, store) = store();
    let (sender, receiver) = mpsc::channel();
    let mut tx = store.transaction();
    let watch = |tx: &mut Transaction| {
        let sender = sender.clone();
        tx.watch(b"w", Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
    };
    watch(&mut tx);
    tx.reset();
    watch(&mut tx);
    tx.on_error(&Error::new(code::NOT_COMMITTED)).unwrap();
    watch(&mut tx);
    tx.cancel();
    for _ in 0..3 {
        assert_eq!(receiver.try_recv().unwrap(), Err(Error::new(code::TRANSACTION_CANCELLED)));
    }
}

#[test]
fn options_for_and_against_own_writes_in_snapshot_reads_are_weighed() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    tx.set(b"a", b"own").unwrap();
    tx.set_option(option_code::SNAPSHOT_RYW_DISABLE, None).unwrap();
    tx.set_option(option_code::SNAPSHOT_RYW_DISABLE, None).unwrap();
    tx.set_option(option_code::SNAPSHOT_RYW_ENABLE, None).unwrap();
    assert_eq!(tx.get(b"a", true).unwrap(), None);
    tx.set_option(option_code::SNAPSHOT_RYW_ENABLE, None).unwrap();
    assert_eq!(tx.get(b"a", true).unwrap().as_deref(), Some(&b"own"[..]));
}

#[test]
fn exact_mode_takes_a_limit_in_bytes_too() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    for key in 0..10 {
        tx.set(&[key], &[0; 99]).unwrap();
    }
    let (begin, end) =
        (KeySelector::first_greater_or_equal(*b""), KeySelector::first_greater_or_equal(*b"\xff"));
    let exact = RangeOptions { mode: StreamingMode::Exact, ..RangeOptions::default() };
    let limited = RangeOptions { target_bytes: 300, ..exact };
    assert_eq!(tx.get_range(&begin, &end, &limited).unwrap().count, 3);
    assert_eq!(code_of(tx.get_range(&begin, &end, &exact)), code::EXACT_MODE_WITHOUT_LIMITS);
}

#[test]
fn versions_are_time_and_go_on_after_a_reopen() {
    let (dir, store) = store();
    let first = store.transaction().read_version().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let second = store.transaction().read_version().unwrap();
    assert!((90_000..2_000_000).contains(&(second - first)), "{}", second - first);
    let committed = write(&store, b"a", b"").version;
    drop(store);
    let store = open(dir.path(), Options::default());
    assert!(store.transaction().read_version().unwrap() >= committed);
}

#[test]
fn a_closed_store_answers_that_it_is() {
    let (_dir, store) = store();
    store.close().unwrap();
    assert_eq!(code_of(store.transaction().get(b"a", false)), code::OPERATION_CANCELLED);
    let mut blind = store.transaction();
    blind.set(b"a", b"1").unwrap();
    assert_eq!(code_of(commit(&mut blind)), code::OPERATION_CANCELLED);
}

#[test]
fn a_transaction_older_than_five_seconds_is_too_old() {
    let (_dir, store) = store();
    write(&store, b"a", b"1");
    let mut reader = store.transaction();
    reader.get(b"a", false).unwrap();
    let mut writer = store.transaction();
    writer.get(b"a", false).unwrap();
    writer.set(b"a", b"2").unwrap();
    let mut blind = store.transaction();
    blind.set(b"b", b"2").unwrap();
    std::thread::sleep(Duration::from_millis(5_100));
    assert_eq!(code_of(reader.get(b"b", true)), code::TRANSACTION_TOO_OLD);
    assert_eq!(code_of(commit(&mut writer)), code::TRANSACTION_TOO_OLD);
    commit(&mut blind).unwrap();
    assert_eq!(read(&store, b"a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn read_versions_of_the_future_and_of_another_life_are_refused() {
    let (_dir, store) = store();
    let now = store.transaction().read_version().unwrap();
    for (version, expected) in
        [(now + 60_000_000, code::FUTURE_VERSION), (now - 6_000_000, code::TRANSACTION_TOO_OLD)]
    {
        let mut tx = store.transaction();
        tx.set_read_version(version).unwrap();
        assert_eq!(code_of(tx.get(b"a", false)), expected);
    }
    let mut tx = store.transaction();
    assert_eq!(code_of(tx.set_read_version(0)), code::VERSION_INVALID);
    tx.read_version().unwrap();
    assert_eq!(code_of(tx.set_read_version(now)), code::READ_VERSION_ALREADY_SET);
}

#[test]
fn range_sizes_and_split_points_cover_the_range() {
    let (_dir, store) = store();
    let mut tx = store.transaction();
    for key in 0..1000_u32 {
        tx.set(&key.to_be_bytes(), &[7; 96]).unwrap();
    }
    commit(&mut tx).unwrap();
    let mut tx = store.transaction();
    assert_eq!(tx.estimated_range_size(b"", b"\xff").unwrap(), 100_000);
    let points = tx.split_points(b"", b"\xff", 30_000).unwrap();
    assert_eq!(points.len(), 5);
    assert!(points.is_sorted());
}
