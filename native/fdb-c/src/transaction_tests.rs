//! The parts that the store does not do itself: deferred errors, stamps, callbacks under no lock,
//! sharing of one store by several databases.

use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

fn open(directory: &TempDir) -> Database {
    Database::open(Some(directory.path().to_owned())).unwrap()
}

fn wait(future: &Arc<Future>) -> i32 {
    future.block_until_ready().unwrap();
    future.error()
}

fn value(future: &Arc<Future>) -> Option<Vec<u8>> {
    let read = future.read(|outcome| match outcome {
        Outcome::Value(value) => Ok(value.clone()),
        _ => Err(-1),
    });
    read.unwrap()
}

fn stamp(future: &Arc<Future>) -> Vec<u8> {
    let read = future.read(|outcome| match outcome {
        Outcome::Key(key) => Ok(key.clone()),
        _ => Err(-1),
    });
    read.unwrap()
}

fn put(transaction: &Transaction, key: &[u8], value: &[u8]) {
    transaction.write(|kv| kv.set(key, value));
}

#[test]
fn databases_of_one_directory_share_the_store() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (open(&directory), open(&directory));
    let writer = Transaction::begin(&first).unwrap();
    put(&writer, b"k", b"v");
    assert_eq!(wait(&writer.commit()), 0);
    drop(first);
    let reader = Transaction::begin(&second).unwrap();
    // The transaction alone keeps the store open.
    drop((writer, second));
    assert_eq!(value(&reader.get(b"k", false)).as_deref(), Some(&b"v"[..]));
    drop(reader);
    let again = open(&directory);
    let reader = Transaction::begin(&again).unwrap();
    assert_eq!(value(&reader.get(b"k", true)).as_deref(), Some(&b"v"[..]));
}

#[test]
fn a_failed_write_fails_reads_and_the_commit_until_reset() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    let stamp = transaction.versionstamp();
    put(&transaction, &[0; 20_000], b"v");
    put(&transaction, b"k", &[0; 200_000]);
    assert_eq!(wait(&transaction.get(b"k", false)), code::KEY_TOO_LARGE);
    assert_eq!(wait(&transaction.watch(b"k")), code::KEY_TOO_LARGE);
    assert_eq!(wait(&transaction.commit()), code::KEY_TOO_LARGE);
    assert_eq!(wait(&stamp), code::KEY_TOO_LARGE);
    transaction.reset();
    assert_eq!(wait(&transaction.get(b"k", false)), 0);
}

#[test]
fn a_stamp_is_asked_for_before_the_commit() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    put(&transaction, b"k", b"v");
    let before = transaction.versionstamp();
    assert!(!before.is_ready());
    assert_eq!(wait(&transaction.commit()), 0);
    assert_eq!(wait(&before), 0);
    assert_eq!(stamp(&before)[..8], transaction.committed_version().to_be_bytes());
    assert_eq!(wait(&transaction.versionstamp()), code::USED_DURING_COMMIT);
}

/// A transaction whose commit is answered late.
fn committing(database: &Database) -> (Transaction, Arc<Future>, Arc<Future>) {
    database.set_faults(Some(b"seed=1 late_commits=1 max_delay_ms=400")).unwrap();
    let transaction = Transaction::begin(database).unwrap();
    put(&transaction, b"k", b"v");
    let stamp = transaction.versionstamp();
    let commit = transaction.commit();
    (transaction, commit, stamp)
}

#[test]
fn a_call_during_the_commit_fails_it_unless_that_is_switched_off() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let (transaction, commit, stamp) = committing(&database);
    assert_eq!(wait(&transaction.get(b"k", false)), code::USED_DURING_COMMIT);
    assert_eq!((wait(&commit), wait(&stamp)), (code::USED_DURING_COMMIT, code::USED_DURING_COMMIT));
    assert_eq!(wait(&transaction.on_error(code::NOT_COMMITTED)), code::USED_DURING_COMMIT);
    assert_eq!(wait(&transaction.read_version()), code::USED_DURING_COMMIT);
    transaction.reset();
    assert_eq!(wait(&transaction.get(b"k", false)), 0);

    let (transaction, commit, _) = committing(&database);
    transaction.set_option(option_code::USED_DURING_COMMIT_PROTECTION_DISABLE, None).unwrap();
    put(&transaction, b"k", b"too late");
    assert_eq!(wait(&transaction.commit()), code::USED_DURING_COMMIT);
    assert_eq!(wait(&commit), 0);
}

#[test]
fn a_commit_is_given_up_with_its_transaction() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let cancelled = (code::TRANSACTION_CANCELLED, code::TRANSACTION_CANCELLED);
    let (transaction, commit, stamp) = committing(&database);
    transaction.cancel();
    assert_eq!((wait(&commit), wait(&stamp)), cancelled);
    let (transaction, commit, stamp) = committing(&database);
    transaction.reset();
    assert_eq!((wait(&commit), wait(&stamp)), cancelled);
    let (transaction, commit, stamp) = committing(&database);
    drop(transaction);
    assert_eq!((wait(&commit), wait(&stamp)), cancelled);
}

#[test]
fn an_error_that_no_retry_helps_ends_the_transaction() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    assert_eq!(wait(&transaction.on_error(code::KEY_TOO_LARGE)), code::KEY_TOO_LARGE);
    assert_eq!(wait(&transaction.get(b"k", false)), code::TRANSACTION_CANCELLED);
    assert_eq!(wait(&transaction.on_error(code::NOT_COMMITTED)), code::TRANSACTION_CANCELLED);
    transaction.reset();
    assert_eq!(wait(&transaction.get(b"k", false)), 0);
}

#[test]
fn bad_options_and_conflict_ranges_fail_what_follows() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    assert_eq!(transaction.set_option(9_999, None), Err(code::INVALID_OPTION));
    let bad_value = Some(&b"1"[..]);
    assert_eq!(transaction.set_option(option_code::TIMEOUT, bad_value), Err(2006));
    assert_eq!(transaction.set_option(option_code::RETRY_LIMIT, bad_value), Ok(()));
    assert_eq!(wait(&transaction.get(b"k", false)), code::INVALID_OPTION_VALUE);
    transaction.reset();
    let conflict = |begin, end| transaction.add_conflict_range(begin, end, ConflictKind::Read);
    assert_eq!(conflict(b"b", b"a"), Err(code::INVERTED_RANGE));
    assert_eq!(wait(&transaction.get(b"k", false)), 0);
    assert_eq!(conflict(b"a", b"\xff\x01"), Ok(()));
    assert_eq!(wait(&transaction.commit()), code::KEY_OUTSIDE_LEGAL_RANGE);
}

#[test]
fn watches_are_counted_by_database() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (open(&directory), open(&directory));
    first.store.set_watch_limit(2);
    let transaction = Transaction::begin(&first).unwrap();
    let (one, two) = (transaction.watch(b"k"), transaction.watch(b"l"));
    assert_eq!(wait(&transaction.watch(b"m")), code::TOO_MANY_WATCHES);
    let other = Transaction::begin(&second).unwrap();
    assert!(!other.watch(b"m").is_ready());
    one.cancel();
    let three = transaction.watch(b"m");
    assert!(!three.is_ready() && !two.is_ready());
    assert_eq!(wait(&transaction.commit()), 0);
    drop(transaction);
    let writer = Transaction::begin(&first).unwrap();
    put(&writer, b"l", b"v");
    assert_eq!(wait(&writer.commit()), 0);
    assert_eq!(wait(&two), 0);
    let transaction = Transaction::begin(&first).unwrap();
    assert!(!transaction.watch(b"k").is_ready());
}

#[test]
fn special_keys_and_addresses_tell_about_the_store() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    let path = value(&transaction.get(b"\xff\xff/cluster_file_path", false)).unwrap();
    let canonical = directory.path().canonicalize().unwrap();
    assert_eq!(path, canonical.as_os_str().as_encoded_bytes());
    let status = value(&transaction.get(b"\xff\xff/status/json", false)).unwrap();
    assert!(String::from_utf8(status).unwrap().contains(r#""database_available":true"#));
    assert_eq!(wait(&transaction.get(b"\xff\xff/nothing", false)), 2113);
    let addresses = transaction.addresses();
    let text = addresses.read(|outcome| match outcome {
        Outcome::Texts { texts, .. } => Ok(texts.clone()),
        _ => Err(-1),
    });
    assert_eq!(text.unwrap(), [c"127.0.0.1:0".to_owned()]);
    transaction.write_keys(b"\xff\xff/management/x", None, |_| panic!("it is not stored"));
    assert_eq!(wait(&transaction.commit()), 2114);
}

#[test]
fn stamps_end_with_their_transaction() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let read_only = Transaction::begin(&database).unwrap();
    let none = read_only.versionstamp();
    assert_eq!(wait(&read_only.commit()), 0);
    assert_eq!(wait(&none), code::NO_COMMIT_VERSION);
    let dropped = Transaction::begin(&database).unwrap();
    let never = dropped.versionstamp();
    drop(dropped);
    assert_eq!(wait(&never), code::TRANSACTION_CANCELLED);
}

#[test]
fn callbacks_may_use_the_transaction() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Arc::new(Transaction::begin(&database).unwrap());
    let (sender, received) = mpsc::channel();
    for future in [transaction.watch(b"k"), transaction.versionstamp()] {
        let (transaction, sender) = (Arc::downgrade(&transaction), sender.clone());
        let callback = move |ready: &Arc<Future>| {
            let version = transaction.upgrade().map(|it| it.committed_version());
            sender.send((ready.error(), version)).unwrap();
        };
        future.add_callback(Box::new(callback));
    }
    transaction.cancel();
    for _ in 0..2 {
        let (error, version) = received.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!((error, version), (code::TRANSACTION_CANCELLED, Some(-1)));
    }
}

#[test]
fn a_watch_fires_once_and_can_be_cancelled() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let watcher = Transaction::begin(&database).unwrap();
    let (fires, ends) = (watcher.watch(b"k"), watcher.watch(b"k"));
    assert_eq!(wait(&watcher.commit()), 0);
    drop(watcher);
    ends.cancel();
    assert_eq!(wait(&ends), code::OPERATION_CANCELLED);
    assert!(!fires.is_ready());
    let writer = Transaction::begin(&database).unwrap();
    put(&writer, b"k", b"v");
    assert_eq!(wait(&writer.commit()), 0);
    assert_eq!(wait(&fires), 0);
}

#[test]
fn long_reads_are_answered_elsewhere() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    for i in 0..2000_u16 {
        put(&transaction, &i.to_be_bytes(), &[7; 100]);
    }
    let options = RangeOptions { limit: 5000, mode: StreamingMode::Exact, ..Default::default() };
    let (begin, end) = (KeySelector::first_greater_or_equal([0]), vec![0xfe]);
    let range =
        transaction.get_range(begin, KeySelector::first_greater_or_equal(end.clone()), options);
    let size = transaction.estimated_range_size(&[], &end);
    let points = transaction.split_points(&[], &end, 50_000);
    // Those reads see what was there when they were asked for, and outlive the transaction.
    transaction.write(|kv| kv.clear_range(&[], &[0xfe]));
    drop((transaction, database));
    assert_eq!((wait(&range), wait(&size), wait(&points)), (0, 0, 0));
    let count = range.read(|outcome| match outcome {
        Outcome::Pairs { range, .. } => Ok(range.count),
        _ => Err(-1),
    });
    assert_eq!(count, Ok(2000));
}

#[test]
fn exact_reads_of_large_values_are_long_too() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    for i in 0..10_u8 {
        put(&transaction, &[i], &[7; 50_000]);
    }
    let bound = |key: u8| KeySelector::first_greater_or_equal([key]);
    let read = |limit| {
        let options = RangeOptions { limit, mode: StreamingMode::Exact, ..Default::default() };
        let range = transaction.get_range(bound(0), bound(0xfe), options);
        let inline = range.is_ready();
        let count = |outcome: &mut Outcome| match outcome {
            Outcome::Pairs { range, .. } => Ok((range.count, range.more)),
            _ => Err(-1),
        };
        assert_eq!(wait(&range) == 0, limit > 0);
        (inline, range.read(count))
    };
    assert_eq!(read(1), (true, Ok((1, true))));
    assert_eq!(read(2), (true, Ok((2, true))));
    assert_eq!(read(9).1, Ok((9, true)));
    assert_eq!(read(1000).1, Ok((10, false)));
    assert_eq!(read(0), (true, Err(code::EXACT_MODE_WITHOUT_LIMITS)));
}

#[test]
fn late_reads_are_answered_in_any_order_by_another_thread() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    database.set_faults(Some(b"seed=3 late_reads=1 max_delay_ms=60")).unwrap();
    let transaction = Transaction::begin(&database).unwrap();
    let (sender, received) = mpsc::channel();
    for number in 0..24_u8 {
        put(&transaction, &[number], &[number]);
        let sender = sender.clone();
        let callback = move |read: &Arc<Future>| {
            assert_eq!(value(read), Some(vec![number]));
            sender.send((number, std::thread::current().id())).unwrap();
        };
        // A later write does not change what an earlier read found.
        let read = transaction.get(&[number], false);
        put(&transaction, &[number], b"later");
        read.add_callback(Box::new(callback));
    }
    let answers: Vec<_> = received.iter().take(24).collect();
    assert!(answers.iter().any(|(_, thread)| *thread != std::thread::current().id()));
    assert!(!answers.iter().is_sorted_by_key(|(number, _)| *number));
    database.set_faults(None).unwrap();
    assert!(Transaction::begin(&database).unwrap().get(b"k", false).is_ready());
    let refused = database.set_faults(Some(b"late_reads=2")).unwrap_err();
    assert_eq!(refused.code, code::INVALID_OPTION_VALUE);
}

#[test]
fn late_reads_end_with_their_attempt() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    database.set_faults(Some(b"late_reads=1 max_delay_ms=1000")).unwrap();
    let cancelled = |transaction: &Transaction, end: &dyn Fn()| {
        let reads: Vec<_> = (0..8).map(|key| transaction.get(&[key], false)).collect();
        end();
        assert!(reads.iter().any(|read| read.error() == code::TRANSACTION_CANCELLED));
        assert!(reads.iter().all(|read| read.is_ready()));
    };
    let transaction = Transaction::begin(&database).unwrap();
    cancelled(&transaction, &|| drop(transaction.on_error(code::NOT_COMMITTED)));
    cancelled(&transaction, &|| transaction.reset());
    cancelled(&transaction, &|| transaction.cancel());
    transaction.reset();
    let last = transaction.get(b"k", false);
    drop(transaction);
    assert_eq!(last.error(), code::TRANSACTION_CANCELLED);
}

#[test]
fn a_cluster_file_and_a_missing_directory_say_so() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fdb.cluster");
    std::fs::write(&file, "a:b@127.0.0.1:4500").unwrap();
    let error = Database::open(Some(file)).err().unwrap();
    assert_eq!(error.code, code::UNSUPPORTED_OPERATION);
    assert!(error.to_string().contains("is a cluster file"));
    let error = Database::open(Some(directory.path().join("none"))).err().unwrap();
    assert_eq!(error.code, crate::errors::NO_CLUSTER_FILE_FOUND);
}
