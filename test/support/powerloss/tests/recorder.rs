//! The recorder sees what a process does, and the images hold what they must.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kronotop_powerloss::{Cut, KILL, PRELOAD, ROOT, Random, Recording, Snapshot, Trace, library};

/// Set in the process under the recorder: where it works.
const DIR: &str = "POWERLOSS_TEST_DIR";

const O_DSYNC: i32 = 0o10_000;

struct Recorded {
    dir: tempfile::TempDir,
    trace: PathBuf,
}

impl Recorded {
    fn trace(&self) -> Trace {
        Trace::read(&self.trace).unwrap()
    }

    fn real(&self) -> Snapshot {
        Snapshot::read(&self.dir.path().join("disk")).unwrap()
    }

    /// What power losses at a moment leave of a file, all different ones.
    fn images(&self, moment: usize, path: &str) -> BTreeSet<Option<Vec<u8>>> {
        let trace = self.trace();
        let mut found = BTreeSet::new();
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let cut = Cut::at(moment, &mut random);
            let mut image = trace.image(&Snapshot::default(), &cut, &mut random);
            found.insert(image.0.remove(path).flatten());
        }
        found
    }

    /// The moment right behind a note.
    fn moment(&self, note: &str) -> usize {
        let trace = self.trace();
        let is_there = |moment: &usize| trace.notes(*moment).any(|text| text == note);
        (0..=trace.len()).find(is_there).unwrap()
    }
}

/// Runs `work` in another process under the recorder: the test `name` itself, which must call this
/// first. `None` on a system without one.
fn record(name: &str, work: impl FnOnce(&Path, &Recording)) -> Option<Recorded> {
    if let Some(dir) = std::env::var_os(DIR) {
        let dir = Path::new(&dir);
        let root = dir.join("disk");
        let recording = Recording::start(&root, &dir.join("trace")).unwrap();
        work(&root, &recording);
        recording.finish().unwrap();
        std::process::exit(0);
    }
    let Some(library) = library() else {
        println!("SKIPPED the recorder of power loss: it needs a 64-bit Linux");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    fs::create_dir(path.join("disk")).unwrap();
    let ended = command(name).env(DIR, &path).env(PRELOAD, library).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let trace = path.join("trace");
    Some(Recorded { dir, trace })
}

fn command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]);
    command
}

fn sync_dir(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

#[test]
fn nothing_lost_is_the_real_directory() {
    let recorded = record("nothing_lost_is_the_real_directory", |root, _| {
        fs::create_dir(root.join("inner")).unwrap();
        fs::write(root.join("inner/plain"), [1; 3000]).unwrap();
        let mut appended =
            OpenOptions::new().create(true).append(true).open(root.join("appended")).unwrap();
        for byte in 0..10 {
            appended.write_all(&[byte; 100]).unwrap();
        }
        let sized = File::create_new(root.join("sized")).unwrap();
        sized.write_all_at(b"far", 5000).unwrap();
        sized.set_len(5002).unwrap();
        sized.set_len(9000).unwrap();
        let parts = [b"one".as_slice(), b"two"].map(std::io::IoSlice::new);
        assert_eq!((&sized).write_vectored(&parts).unwrap(), 6);
        for name in ["gone", "old"] {
            fs::write(root.join(name), name).unwrap();
        }
        fs::remove_file(root.join("gone")).unwrap();
        fs::rename(root.join("old"), root.join("appended")).unwrap();
        // The inode of a removed file is given away again.
        fs::write(root.join("again"), b"new").unwrap();
        fs::write(root.join("again"), b"s").unwrap();
        fs::create_dir(root.join("short-lived")).unwrap();
        fs::remove_dir(root.join("short-lived")).unwrap();
    });
    let Some(recorded) = recorded else { return };
    let trace = recorded.trace();
    let cut = Cut::nothing_lost(trace.len());
    let image = trace.image(&Snapshot::default(), &cut, &mut Random::new(0));
    assert_eq!(image.difference(&recorded.real()), None);
    assert_eq!(image.0["appended"], Some(b"old".to_vec()));
}

#[test]
fn flushed_bytes_are_in_every_image_and_others_in_some() {
    let recorded = record("flushed_bytes_are_in_every_image_and_others_in_some", |root, notes| {
        let file = File::create_new(root.join("file")).unwrap();
        file.write_all_at(&[1; 4096], 0).unwrap();
        file.sync_data().unwrap();
        sync_dir(root);
        notes.note("flushed");
        file.write_all_at(&[2; 1024], 0).unwrap();
        file.write_all_at(&[3; 1024], 2048).unwrap();
        file.write_all_at(&[4; 100], 4096).unwrap();
        notes.note("written");
        file.sync_data().unwrap();
        notes.note("flushed again");
    });
    let Some(recorded) = recorded else { return };
    let flushed = recorded.images(recorded.moment("flushed"), "file");
    assert_eq!(flushed, BTreeSet::from([Some(vec![1; 4096])]));
    let written = recorded.images(recorded.moment("written"), "file");
    let has = |wanted: &dyn Fn(&[u8]) -> bool| {
        written.iter().any(|image| image.as_deref().is_some_and(wanted))
    };
    assert!(has(&|bytes| *bytes == [1; 4096]), "all lost");
    assert!(has(&|bytes| bytes.len() == 4196 && bytes[0] == 2 && bytes[2048] == 3), "all kept");
    assert!(has(&|bytes| bytes[0] == 1 && bytes[2048] == 3), "a later write without the earlier");
    assert!(has(&|bytes| bytes[0] == 1 && bytes[512] == 2), "a torn write");
    assert!(has(&|bytes| bytes.len() == 4096 && bytes[0] == 2), "a length that is lost");
    for bytes in written.iter().map(|image| image.as_deref().unwrap()) {
        let sectors = bytes[..4096].chunks(512);
        assert!(sectors.into_iter().all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        assert!(bytes.len() == 4096 || bytes.len() == 4196);
        assert_eq!(bytes[1024..2048], [1; 1024]);
    }
    assert_eq!(recorded.images(recorded.moment("flushed again"), "file").len(), 1);
}

#[test]
fn a_write_through_is_durable_alone() {
    let recorded = record("a_write_through_is_durable_alone", |root, notes| {
        let file = File::create_new(root.join("file")).unwrap();
        file.set_len(4096).unwrap();
        file.sync_all().unwrap();
        sync_dir(root);
        let mut through = OpenOptions::new();
        let through = through.write(true).custom_flags(O_DSYNC).open(root.join("file")).unwrap();
        file.write_all_at(&[1; 512], 0).unwrap();
        through.write_all_at(&[2; 512], 512).unwrap();
        notes.note("written");
    });
    let Some(recorded) = recorded else { return };
    let images = recorded.images(recorded.moment("written"), "file");
    let images: Vec<Vec<u8>> = images.into_iter().map(Option::unwrap).collect();
    assert_eq!(images.len(), 2);
    assert!(images.iter().all(|bytes| bytes[512..1024] == [2; 512]));
}

#[test]
fn names_are_durable_with_their_directory() {
    let recorded = record("names_are_durable_with_their_directory", |root, notes| {
        fs::write(root.join("a"), b"a").unwrap();
        File::open(root.join("a")).unwrap().sync_all().unwrap();
        notes.note("made");
        sync_dir(root);
        notes.note("durable");
        fs::rename(root.join("a"), root.join("b")).unwrap();
        fs::remove_file(root.join("b")).unwrap();
        notes.note("removed");
    });
    let Some(recorded) = recorded else { return };
    let [there, gone] = [Some(b"a".to_vec()), None];
    let images = |note, path| recorded.images(recorded.moment(note), path);
    let both = BTreeSet::from([there.clone(), gone.clone()]);
    assert_eq!(images("made", "a"), both);
    assert_eq!(images("durable", "a"), BTreeSet::from([there]));
    assert_eq!(images("removed", "a"), both);
    assert_eq!(images("removed", "b"), both);
}

#[test]
fn a_restarted_process_inherits_what_was_not_flushed() {
    let recorded = record("a_restarted_process_inherits_what_was_not_flushed", |root, notes| {
        let file = File::create_new(root.join("file")).unwrap();
        sync_dir(root);
        file.write_all_at(&[1; 512], 0).unwrap();
        notes.note("killed");
        let second = root.with_file_name("second-trace");
        notes.finish().unwrap();
        let notes = Recording::start(root, &second).unwrap();
        notes.note("started");
        let file = OpenOptions::new().write(true).open(root.join("file")).unwrap();
        file.sync_data().unwrap();
        notes.note("flushed");
        notes.finish().unwrap();
        std::process::exit(0);
    });
    let Some(recorded) = recorded else { return };
    let (killed, second) =
        (recorded.moment("killed"), recorded.trace.with_file_name("second-trace"));
    let trace = Trace::read_restarted(&recorded.trace, killed, &second).unwrap();
    let lost = |note: &str| {
        let is_there = |moment: &usize| trace.notes(*moment).any(|text| text == note);
        let moment = (0..=trace.len()).find(is_there).unwrap();
        (0..300).any(|seed| {
            let mut random = Random::new(seed);
            let cut = Cut::at(moment, &mut random);
            let image = trace.image(&Snapshot::default(), &cut, &mut random);
            image.0["file"] != Some(vec![1; 512])
        })
    };
    assert!(lost("started"));
    assert!(!lost("flushed"));
}

#[test]
fn a_call_that_images_do_not_know_is_refused() {
    let recorded = record("a_call_that_images_do_not_know_is_refused", |root, _| {
        fs::write(root.join("from"), [1; 10_000]).unwrap();
        fs::copy(root.join("from"), root.join("to")).unwrap();
    });
    let Some(recorded) = recorded else { return };
    assert!(Trace::read(&recorded.trace).is_err());
}

/// The child of the next test.
#[test]
fn child_writes_until_killed() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let file = File::create_new(Path::new(&root).join("file")).unwrap();
    for byte in 1..=3 {
        file.write_all_at(&[byte; 100], 0).unwrap();
    }
}

#[test]
fn kills_before_during_and_after_a_call() {
    let Some(library) = library() else { return };
    let found = |call: &str| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mut child = command("child_writes_until_killed");
        let status = child.env(PRELOAD, library).env(ROOT, &root).env(KILL, call).status().unwrap();
        assert_eq!(status.signal(), Some(9));
        Snapshot::read(&root).unwrap().0.remove("file")
    };
    assert_eq!(found("1 before"), None);
    assert_eq!(found("1 after"), Some(Some(Vec::new())));
    assert_eq!(found("3 before"), Some(Some(vec![1; 100])));
    assert_eq!(found("3 during"), Some(Some([[2; 50], [1; 50]].concat())));
    assert_eq!(found("3 after"), Some(Some(vec![2; 100])));
}
