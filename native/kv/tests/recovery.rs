//! What a store finds after a crash: every acknowledged commit, each transaction all or nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use kronotop_kv::error::code;
use kronotop_kv::{Error, Options, Store};
use kronotop_powerloss::Random;
use kronotop_segment::Io;
use kronotop_segment::faulty::{FaultyIo, Loss};
use support::{commit, for_seeds, open, range, read, rounds, small, write};

/// Commits are in the log only: nothing moves to the tree.
fn log_only(io: &FaultyIo) -> Options {
    Options {
        overlay_bytes: 1 << 30,
        overlay_age: Duration::from_secs(3600),
        io: Arc::new(io.clone()),
        ..small()
    }
}

/// A store whose process "dies": its tree stays as it was at that moment.
struct Dying {
    dir: tempfile::TempDir,
    store: Store,
    io: FaultyIo,
}

impl Dying {
    fn new(options: impl FnOnce(&FaultyIo) -> Options) -> Self {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let store = open(dir.path(), options(&io));
        Self { dir, store, io }
    }

    /// Ends the store without what closing does and gives the disk that the next start finds.
    fn die(self, loss: Loss) -> (tempfile::TempDir, FaultyIo) {
        let data = self.dir.path().join("tree/data.mdb");
        let (tree, io) = (std::fs::read(&data).unwrap(), self.io.crash(loss));
        self.io.resume_syncs();
        drop(self.store.close());
        std::fs::remove_file(self.dir.path().join("tree/lock.mdb")).unwrap();
        std::fs::write(&data, tree).unwrap();
        (self.dir, io)
    }
}

fn log_file(dir: &Path, io: &FaultyIo) -> PathBuf {
    let log = dir.join("log");
    log.join(io.list(&log).unwrap().pop().unwrap())
}

/// One transaction: `parts` keys that only together make sense.
fn write_parts(store: &Store, id: u32, parts: u8, on_done: kronotop_kv::OnCommitted) {
    let mut tx = store.transaction();
    for part in 0..parts {
        tx.set(&[&id.to_be_bytes()[..], &[part, parts]].concat(), &[part; 50]).unwrap();
    }
    tx.commit(on_done);
}

/// The transactions found, each with all of its parts.
fn whole_transactions(store: &Store) -> Vec<u32> {
    let pairs = range(&mut store.transaction(), b"", b"\xfe").unwrap();
    let mut ids: Vec<u32> = Vec::new();
    for group in pairs.chunk_by(|(a, _), (b, _)| a[..4] == b[..4]) {
        let parts = usize::from(group[0].0[5]);
        assert_eq!(group.len(), parts, "a transaction is there in part");
        ids.push(u32::from_be_bytes(group[0].0[..4].try_into().unwrap()));
    }
    ids
}

#[test]
fn keeps_what_was_acknowledged_and_drops_a_torn_tail() {
    for_seeds(rounds(30, 1200), |seed| {
        let mut random = Random::new(seed);
        let dying = Dying::new(log_only);
        let (sender, receiver) = mpsc::channel();
        let mut start = |id: u32| {
            let sender = sender.clone();
            let parts = 1 + random.below(5) as u8;
            write_parts(&dying.store, id, parts, Box::new(move |_| sender.send(id).unwrap_or(())));
        };
        (0..40).for_each(&mut start);
        let acknowledged: Vec<u32> = receiver.iter().take(40).collect();
        dying.io.pause_syncs();
        (100..120).for_each(&mut start);
        while dying.io.sync_waiting() == 0 {
            std::thread::yield_now();
        }
        let (dir, io) = dying.die(Loss::Random(seed));
        let store = open(dir.path(), log_only(&io));
        let found = whole_transactions(&store);
        assert!(acknowledged.iter().all(|id| found.contains(id)));
        write(&store, b"\xfe", b"goes on");
        drop(store);
        let again = open(dir.path(), log_only(&io));
        assert_eq!(whole_transactions(&again), found);
    });
}

#[test]
fn commits_in_several_log_files_and_partly_in_the_tree_are_all_found() {
    for_seeds(rounds(10, 400), |seed| {
        let mut random = Random::new(seed);
        // Small files and overlays, and no apply by age: the last commits stay in the log.
        let options =
            |io: &FaultyIo| Options { overlay_bytes: 30_000, log_file_bytes: 9000, ..log_only(io) };
        let dying = Dying::new(options);
        for id in 0..100 {
            let (sender, receiver) = mpsc::channel();
            let parts = 1 + random.below(5) as u8;
            let on_done = Box::new(move |outcome| sender.send(outcome).unwrap());
            write_parts(&dying.store, id, parts, on_done);
            receiver.recv().unwrap().unwrap();
        }
        // The applier is idle once it has let go of the files of its last job.
        std::thread::sleep(Duration::from_millis(100));
        let (dir, io) = dying.die(Loss::Unsynced);
        let store = open(dir.path(), options(&io));
        assert_eq!(whole_transactions(&store), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn what_was_recovered_survives_the_next_power_loss() {
    for_seeds(rounds(20, 800), |seed| {
        let mut random = Random::new(seed);
        // Now and then recovery itself has to move commits to the tree.
        let overlay_bytes = if random.chance(2) { 1 << 30 } else { 300 };
        let options = |io: &FaultyIo| Options { overlay_bytes, ..log_only(io) };
        let mut dying = Dying::new(options);
        let mut expected = Vec::new();
        for round in 0..6_u32 {
            for id in round * 10..round * 10 + 1 + random.below(5) as u32 {
                let (sender, receiver) = mpsc::channel();
                write_parts(&dying.store, id, 3, Box::new(move |it| sender.send(it).unwrap()));
                receiver.recv().unwrap().unwrap();
                expected.push(id);
            }
            let (dir, io) = dying.die(Loss::Unsynced);
            let store = open(dir.path(), options(&io));
            assert_eq!(whole_transactions(&store), expected);
            dying = Dying { dir, store, io };
        }
    });
}

#[test]
fn a_commit_seen_by_a_recovery_is_there_after_the_next_one() {
    let dying = Dying::new(log_only);
    write(&dying.store, b"a", b"1");
    dying.io.pause_syncs();
    let mut tx = dying.store.transaction();
    tx.set(b"b", b"2").unwrap();
    tx.commit(Box::new(|_| {}));
    while dying.io.sync_waiting() == 0 {
        std::thread::yield_now();
    }
    // The process dies, not the machine: what was written and not flushed can be read.
    let (dir, io) = dying.die(Loss::Nothing);
    let store = open(dir.path(), log_only(&io));
    assert_eq!(read(&store, b"b"), Some(b"2".to_vec()));
    write(&store, b"c", b"3");
    let (dir, io) = Dying { dir, store, io }.die(Loss::Unsynced);
    let store = open(dir.path(), log_only(&io));
    assert_eq!(
        [read(&store, b"b"), read(&store, b"c")],
        [Some(b"2".to_vec()), Some(b"3".to_vec())]
    );
}

#[test]
fn a_damaged_frame_that_was_durable_stops_the_start() {
    // A byte of the first frame's payload, and one of its log id.
    for offset in [32 + 60, 32 + 8] {
        let dying = Dying::new(log_only);
        for key in [b"a", b"b", b"c"] {
            write(&dying.store, key, &[7; 100]);
        }
        let path = log_file(dying.dir.path(), &dying.io);
        let (dir, io) = dying.die(Loss::Nothing);
        io.damage(&path, offset).unwrap();
        let error = Store::open(dir.path(), log_only(&io)).unwrap_err();
        assert_eq!(error.code, code::FILE_CORRUPT);
        assert!(error.to_string().contains("frame 1 was durable"), "{error}");
        assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
        // Nothing was changed meanwhile: with the damage undone all is there.
        io.damage(&path, offset).unwrap();
        let store = open(dir.path(), log_only(&io));
        assert_eq!(read(&store, b"c"), Some(vec![7; 100]));
    }
}

#[test]
fn a_damaged_file_header_stops_the_start() {
    let dying = Dying::new(log_only);
    write(&dying.store, b"a", b"1");
    let path = log_file(dying.dir.path(), &dying.io);
    let (dir, io) = dying.die(Loss::Nothing);
    io.damage(&path, 10).unwrap();
    let error = Store::open(dir.path(), log_only(&io)).unwrap_err();
    assert_eq!(error.code, code::FILE_CORRUPT);
    assert!(error.to_string().contains("header"), "{error}");
}

#[test]
fn a_failed_flush_is_unknown_and_the_last_commit() {
    let dying = Dying::new(log_only);
    write(&dying.store, b"a", b"1");
    dying.io.fail_sync(0);
    let mut tx = dying.store.transaction();
    tx.set(b"a", b"2").unwrap();
    assert_eq!(commit(&mut tx).unwrap_err().code, code::COMMIT_UNKNOWN_RESULT);
    let mut tx = dying.store.transaction();
    tx.set(b"b", b"2").unwrap();
    assert_eq!(commit(&mut tx).unwrap_err().code, code::IO_ERROR);
    assert_eq!(read(&dying.store, b"a").as_deref(), Some(&b"1"[..]));
    assert!(dying.store.close().is_err());
    let (dir, io) = dying.die(Loss::Unsynced);
    let store = open(dir.path(), log_only(&io));
    assert_eq!(read(&store, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(read(&store, b"b"), None);
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_room() {
    let dying = Dying::new(log_only);
    write(&dying.store, b"a", b"1");
    dying.io.set_free_bytes(Some(0));
    let big = |value: u8| -> Result<_, Error> {
        let mut tx = dying.store.transaction();
        tx.clear_range(b"", b"b").unwrap();
        tx.set(b"big", &[value; 60_000]).unwrap();
        commit(&mut tx)
    };
    assert_eq!(big(1).unwrap_err().code, code::IO_ERROR);
    assert_eq!(read(&dying.store, b"big"), None);
    assert_eq!(read(&dying.store, b"a").as_deref(), Some(&b"1"[..]));
    dying.io.set_free_bytes(None);
    write(&dying.store, b"c", b"3");
    assert_eq!(read(&dying.store, b"a").as_deref(), Some(&b"1"[..]));
    big(2).unwrap();
    assert_eq!(read(&dying.store, b"big"), Some(vec![2; 60_000]));
    assert_eq!(read(&dying.store, b"a"), None);
}

#[test]
fn a_tree_left_half_made_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let unfinished = dir.path().join("tree/new.mdb");
    std::fs::create_dir(dir.path().join("tree")).unwrap();
    std::fs::write(&unfinished, [0; 8192]).unwrap();
    let store = open(dir.path(), small());
    write(&store, b"a", b"1");
    store.close().unwrap();
    assert!(!unfinished.exists());
    drop(store);
    assert_eq!(read(&open(dir.path(), small()), b"a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_clean_close_leaves_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), small());
    for id in 0..200_u32 {
        write(&store, &id.to_be_bytes(), &[1; 100]);
    }
    store.close().unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("log")).unwrap().count(), 0);
    let store = open(dir.path(), small());
    assert_eq!(range(&mut store.transaction(), b"", b"\xff").unwrap().len(), 200);
}

const CHILD_DIR: &str = "KRONOTOP_KV_CHILD_DIR";
const CHILD_FIRST: &str = "KRONOTOP_KV_CHILD_FIRST";

/// The child of the next test: commits and prints what was acknowledged until it is killed.
#[test]
fn child_commits_until_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let first: u32 = std::env::var(CHILD_FIRST).unwrap().parse().unwrap();
    let store = open(Path::new(&dir), small());
    let (sender, receiver) = mpsc::sync_channel(8);
    for id in first.. {
        let done = sender.clone();
        let on_done = Box::new(move |outcome: Result<_, Error>| {
            outcome.unwrap();
            println!("ack {id}");
            std::io::stdout().flush().unwrap();
            done.send(()).unwrap();
        });
        write_parts(&store, id, 1 + (id % 7) as u8, on_done);
        if id >= first + 8 {
            receiver.recv().unwrap();
        }
    }
}

#[test]
fn acknowledged_commits_survive_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<u32> = Vec::new();
    for round in 0..5_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_commits_until_killed", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .env(CHILD_FIRST, (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wanted = 150 + 37 * round;
        while let Some(Ok(line)) = lines.next() {
            if let Some((_, id)) = line.split_once("ack ") {
                acknowledged.push(id.parse().unwrap());
                wanted -= 1;
                if wanted == 0 {
                    child.kill().unwrap();
                }
                wanted = wanted.max(1);
            }
        }
        child.wait().unwrap();
        let store = open(dir.path(), small());
        let found = whole_transactions(&store);
        let lost: Vec<_> =
            acknowledged.iter().filter(|id| found.binary_search(id).is_err()).collect();
        assert!(lost.is_empty(), "lost {lost:?}");
    }
    assert!(acknowledged.len() > 500);
}
