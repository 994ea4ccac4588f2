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
fn a_stamp_asked_for_before_or_after_the_commit_is_the_same() {
    let directory = TempDir::new().unwrap();
    let database = open(&directory);
    let transaction = Transaction::begin(&database).unwrap();
    put(&transaction, b"k", b"v");
    let before = transaction.versionstamp();
    assert!(!before.is_ready());
    assert_eq!(wait(&transaction.commit()), 0);
    assert_eq!(wait(&before), 0);
    assert_eq!(stamp(&before), stamp(&transaction.versionstamp()));
    assert_eq!(stamp(&before)[..8], transaction.committed_version().to_be_bytes());
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
        future.set_callback(Box::new(callback)).unwrap();
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
        read.set_callback(Box::new(callback)).unwrap();
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
