//! Stores that earlier programs left behind. `test/format/fixtures/embedded-store-<version>` is one
//! as a crash leaves it: some commits in the tree, the later ones in the log.
//!
//! A new format version gets a fixture of its own, the old ones stay: `FIXTURE=<directory>` makes
//! the test below write one there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kronotop_kv::error::code;
use kronotop_kv::{MutationType, Options, Store};
use support::{Pairs, commit, open, range, small};

const FIXTURE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/format/fixtures/embedded-store-1");

/// A key that shares its LMDB key with others.
fn long_key(end: &[u8]) -> Vec<u8> {
    [&[b'l'; 1900], end].concat()
}

fn write_tree(store: &Store) {
    let mut tx = store.transaction();
    tx.set(b"", b"the empty key").unwrap();
    for number in 0..20_u8 {
        tx.set(&[b'n', number], &[number; 10]).unwrap();
    }
    for end in [&b""[..], b"\x00", b"middle", &[b'z'; 3000]] {
        tx.set(&long_key(end), end).unwrap();
    }
    tx.set(b"large", &[7; 6000]).unwrap();
    tx.set(b"counter", &5_i64.to_le_bytes()).unwrap();
    commit(&mut tx).unwrap();
}

/// Every kind of logged operation.
fn write_log(store: &Store) {
    let mut tx = store.transaction();
    tx.clear_range(b"n\x05", b"n\x0a").unwrap();
    tx.clear(b"n\x01").unwrap();
    tx.clear(&long_key(b"middle")).unwrap();
    tx.set(b"n\x02", b"set again").unwrap();
    commit(&mut tx).unwrap();
    let mut tx = store.transaction();
    tx.atomic_op(b"counter", &37_i64.to_le_bytes(), MutationType::Add).unwrap();
    tx.set(&long_key(b"later"), b"from the log").unwrap();
    commit(&mut tx).unwrap();
}

/// What the two leave together.
fn expected() -> Pairs {
    let mut pairs: Pairs = vec![(b"".to_vec(), b"the empty key".to_vec())];
    pairs.push((b"counter".to_vec(), 42_i64.to_le_bytes().to_vec()));
    pairs.push((b"large".to_vec(), vec![7; 6000]));
    pairs.push((long_key(b""), b"".to_vec()));
    pairs.push((long_key(b"\x00"), b"\x00".to_vec()));
    pairs.push((long_key(b"later"), b"from the log".to_vec()));
    pairs.push((long_key(&[b'z'; 3000]), vec![b'z'; 3000]));
    for number in (0..20_u8).filter(|number| *number != 1 && !(5..10).contains(number)) {
        let value = if number == 2 { b"set again".to_vec() } else { vec![number; 10] };
        pairs.push((vec![b'n', number], value));
    }
    pairs.sort();
    pairs
}

fn copy(from: &Path, to: &Path) {
    for part in ["tree", "log"] {
        fs::create_dir_all(to.join(part)).unwrap();
        for entry in fs::read_dir(from.join(part)).unwrap() {
            let path = entry.unwrap().path();
            // LMDB makes its reader table anew.
            if path.file_name().unwrap() != "lock.mdb" {
                fs::copy(&path, to.join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}

fn copy_of_fixture() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    dir
}

fn log_file(dir: &Path) -> PathBuf {
    fs::read_dir(dir.join("log")).unwrap().next().unwrap().unwrap().path()
}

/// Opens the store twice: what the log held must then be in the tree.
fn assert_holds_all(dir: &Path) {
    for _ in 0..2 {
        let store = open(dir, small());
        assert_eq!(range(&mut store.transaction(), b"", b"\xff").unwrap(), expected());
        store.close().unwrap();
    }
}

#[test]
fn a_store_of_format_1_is_read_and_goes_on() {
    let dir = copy_of_fixture();
    assert_holds_all(dir.path());
    let store = open(dir.path(), small());
    let mut tx = store.transaction();
    tx.set(b"new", b"").unwrap();
    let version = commit(&mut tx).unwrap().version;
    assert!(store.transaction().read_version().unwrap() >= version);
}

#[test]
fn a_store_written_now_is_read_the_same() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path(), small());
    write_tree(&store);
    store.close().unwrap();
    let log_only = Options {
        log_file_bytes: 8 << 10,
        log_reserve_bytes: 4 << 10,
        overlay_bytes: 1 << 30,
        overlay_age: Duration::from_secs(3600),
        ..small()
    };
    let store = open(dir.path(), log_only);
    write_log(&store);
    copy(dir.path(), crashed.path());
    if let Some(place) = std::env::var_os("FIXTURE") {
        copy(dir.path(), Path::new(&place));
    }
    assert_holds_all(crashed.path());
}

#[test]
fn a_tree_of_a_later_format_is_refused() {
    let dir = copy_of_fixture();
    let path = dir.path().join("tree/data.mdb");
    let mut bytes = fs::read(&path).unwrap();
    let record = [&b"KVST"[..], &1_u32.to_le_bytes()].concat();
    // LMDB keeps older copies of a page; all of them become the later format.
    let places: Vec<_> = bytes.windows(8).enumerate().filter(|(_, at)| *at == record).collect();
    let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|place| bytes[place + 4] = 2);
    fs::write(&path, bytes).unwrap();
    assert_refused(dir.path(), "tree", "format version 2, this program reads 1");
}

#[test]
fn a_log_of_a_later_format_is_refused() {
    let dir = copy_of_fixture();
    let path = log_file(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[4] = 2;
    let checksum = crc32c::crc32c(&bytes[..28]);
    bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    assert_refused(dir.path(), "log", "format version 2, this program reads 1");
}

/// Fails unless the start stops, says which part and why, and leaves the files as they were.
fn assert_refused(dir: &Path, part: &str, reason: &str) {
    let read = |dir: &Path| (fs::read(dir.join("tree/data.mdb")), fs::read(log_file(dir)));
    let (tree, log) = read(dir);
    let error = Store::open(dir, small()).unwrap_err();
    assert_eq!(error.code, code::FILE_CORRUPT);
    let message = error.to_string();
    assert!(message.contains(reason), "{message}");
    assert!(message.contains(dir.join(part).to_str().unwrap()), "{message}");
    let (tree_after, log_after) = read(dir);
    assert_eq!(tree.unwrap(), tree_after.unwrap());
    assert_eq!(log.unwrap(), log_after.unwrap());
}
