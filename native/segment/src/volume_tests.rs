use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use crate::faulty::{FaultyIo, Loss};
use crate::{Error, Io, Location, RealIo, Volume, VolumeOptions};

const SIZE: u64 = 4096;
const STEP: u64 = 1024;

fn directory() -> PathBuf {
    PathBuf::from("/volume")
}

fn open(io: &FaultyIo) -> Volume {
    let options = VolumeOptions { segment_size: SIZE, preallocate_bytes: STEP };
    Volume::open(Arc::new(io.clone()), &directory(), options).unwrap()
}

/// A volume whose segment 0 is active and empty.
fn writable(io: &FaultyIo) -> Volume {
    let volume = open(io);
    volume.create_segment(0).unwrap();
    volume.activate(0, 0).unwrap();
    volume
}

fn append_one(volume: &Volume, body: &[u8]) -> Location {
    let locations = volume.append(body, &[body.len() as u32]).unwrap();
    assert_eq!(locations.len(), 1);
    locations[0]
}

fn read(volume: &Volume, locations: &[Location]) -> Vec<u8> {
    let mut output = Vec::new();
    volume.read(locations, &mut output).unwrap();
    output
}

#[test]
fn appends_back_to_back_and_reads_in_any_order() {
    let volume = writable(&FaultyIo::new());
    let locations = volume.append(b"onethree", &[3, 5]).unwrap();
    let places: Vec<_> = locations.iter().map(|l| (l.segment, l.position, l.length)).collect();
    assert_eq!(places, [(0, 0, 3), (0, 3, 5)]);
    assert_eq!(append_one(&volume, b"!").position, 8);
    assert_eq!(read(&volume, &locations), b"onethree");
    assert_eq!(read(&volume, &[locations[1], locations[0], locations[1]]), b"threeonethree");
    assert_eq!(volume.tail(), Some((0, 9)));
}

#[test]
fn a_full_segment_takes_what_fits_and_the_next_one_the_rest() {
    let io = FaultyIo::new();
    let volume = writable(&io);
    let body = vec![7; 1500];
    let bytes = body.repeat(3);
    let fitting = volume.append(&bytes, &[1500; 3]).unwrap();
    assert_eq!(fitting.len(), 2);
    assert!(matches!(volume.append(&body, &[1500]), Err(Error::SegmentFull)));

    volume.create_segment(1).unwrap();
    volume.activate(1, 0).unwrap();
    let next = append_one(&volume, &body);
    assert_eq!((next.segment, next.position), (1, 0));
    assert_eq!(read(&volume, &[next, fitting[0]]), body.repeat(2));
    assert!(matches!(volume.activate(0, 0), Err(Error::Sealed(0))));
    assert_eq!(volume.file_size(0).unwrap(), SIZE);
    assert_eq!(volume.list().unwrap(), [0, 1]);
}

#[test]
fn rejects_entries_that_can_never_fit_and_lengths_that_do_not_add_up() {
    let volume = writable(&FaultyIo::new());
    let error = volume.append(&[0; 4097], &[4097]).unwrap_err();
    assert_eq!(error.to_string(), "entry size exceeds the limit of 4096 bytes");
    assert!(matches!(volume.append(b"ab", &[1]), Err(Error::InvalidEntries)));
    assert!(matches!(volume.append(b"ab", &[2, 0]), Err(Error::InvalidEntries)));
    assert_eq!(volume.append(b"", &[]).unwrap(), []);

    let options = VolumeOptions { segment_size: 1 << 32, preallocate_bytes: STEP };
    let large = Volume::open(Arc::new(FaultyIo::new()), &directory(), options).unwrap();
    let error = large.append(&[], &[16_777_217]).unwrap_err();
    assert_eq!(error.to_string(), "entry size exceeds the limit of 16777216 bytes");
}

#[test]
fn the_last_byte_of_a_four_gib_segment_is_addressable() {
    let options = VolumeOptions { segment_size: 1 << 32, preallocate_bytes: STEP };
    let volume = Volume::open(Arc::new(FaultyIo::new()), &directory(), options).unwrap();
    volume.create_segment(0).unwrap();
    volume.activate(0, (1 << 32) - 1).unwrap();
    let last = append_one(&volume, b"z");
    assert_eq!(last.position, u32::MAX);
    assert_eq!(read(&volume, &[last]), b"z");
    assert!(matches!(volume.append(b"z", &[1]), Err(Error::SegmentFull)));
}

#[test]
fn needs_an_active_segment() {
    let volume = open(&FaultyIo::new());
    assert!(matches!(volume.append(b"a", &[1]), Err(Error::NoActiveSegment)));
    assert!(matches!(volume.activate(3, 0), Err(Error::UnknownSegment(3))));
    assert!(matches!(volume.open_segment(3), Err(Error::MissingFile(3))));
    volume.create_segment(3).unwrap();
    assert!(matches!(volume.activate(3, SIZE + 1), Err(Error::InvalidTail)));
}

#[test]
fn activating_again_never_moves_the_tail_back() {
    let volume = writable(&FaultyIo::new());
    append_one(&volume, b"abc");
    volume.activate(0, 0).unwrap();
    assert_eq!(append_one(&volume, b"d").position, 3);
    volume.activate(0, 100).unwrap();
    assert_eq!(append_one(&volume, b"e").position, 100);
}

#[test]
fn reuses_a_stray_file_and_lengthens_a_short_one() {
    let io = FaultyIo::new();
    io.create(&directory().join("0000000000000000005")).unwrap();
    let volume = open(&io);
    volume.create_segment(5).unwrap();
    assert_eq!(volume.file_size(5).unwrap(), SIZE);
    volume.create_segment(5).unwrap();

    let reopened = open(&io.crash(Loss::Unsynced));
    assert_eq!(reopened.open_segment(5).unwrap(), SIZE);
}

#[test]
fn a_created_segment_survives_power_loss() {
    let io = FaultyIo::new();
    open(&io).create_segment(9).unwrap();
    let reopened = open(&io.crash(Loss::Unsynced));
    assert_eq!(reopened.list().unwrap(), [9]);
    assert_eq!(reopened.open_segment(9).unwrap(), SIZE);
}

#[test]
fn removes_segments_but_not_the_active_one() {
    let io = FaultyIo::new();
    let volume = writable(&io);
    let location = append_one(&volume, b"abc");
    assert!(matches!(volume.remove_segment(0), Err(Error::Active(0))));
    volume.create_segment(1).unwrap();
    volume.activate(1, 0).unwrap();
    volume.remove_segment(0).unwrap();
    assert!(matches!(volume.remove_segment(0), Err(Error::MissingFile(0))));
    assert!(matches!(volume.read(&[location], &mut Vec::new()), Err(Error::UnknownSegment(0))));
    assert_eq!(open(&io.crash(Loss::Unsynced)).list().unwrap(), [1]);
}

#[test]
fn flush_makes_sealed_and_active_bytes_durable() {
    let io = FaultyIo::new();
    let volume = writable(&io);
    let old = append_one(&volume, b"old");
    volume.create_segment(1).unwrap();
    volume.activate(1, 0).unwrap();
    let new = append_one(&volume, b"new");
    assert!(volume.needs_flush());
    volume.flush().unwrap();
    assert!(!volume.needs_flush());

    let reopened = open(&io.crash(Loss::Unsynced));
    reopened.open_segment(0).unwrap();
    reopened.open_segment(1).unwrap();
    assert_eq!(read(&reopened, &[old, new]), b"oldnew");
}

#[test]
fn flush_without_unsynced_bytes_makes_no_sync() {
    let io = FaultyIo::new();
    let volume = writable(&io);
    append_one(&volume, b"a");
    volume.flush().unwrap();
    let before = io.sync_count();
    volume.flush().unwrap();
    assert_eq!(io.sync_count(), before);
}

#[test]
fn appends_that_wait_share_one_sync() {
    let io = FaultyIo::new();
    let volume = Arc::new(writable(&io));
    let flush = |volume: &Arc<Volume>| {
        let volume = volume.clone();
        thread::spawn(move || volume.flush())
    };
    let before = io.sync_count();
    append_one(&volume, b"first");
    io.pause_syncs();
    let leader = flush(&volume);
    while io.sync_waiting() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let followers: Vec<_> = (0..8)
        .map(|_| {
            append_one(&volume, b"later");
            flush(&volume)
        })
        .collect();
    thread::sleep(Duration::from_millis(20));
    io.resume_syncs();
    leader.join().unwrap().unwrap();
    for follower in followers {
        follower.join().unwrap().unwrap();
    }
    assert!(!volume.needs_flush());
    assert_eq!(io.sync_count() - before, 2);
}

#[test]
fn a_failed_flush_poisons_the_segment_for_ever() {
    let io = FaultyIo::new();
    let volume = writable(&io);
    append_one(&volume, b"lost");
    io.fail_sync(0);
    for _ in 0..3 {
        assert!(matches!(volume.flush(), Err(Error::Poisoned { segment: 0, .. })));
        assert!(volume.needs_flush());
        assert!(matches!(volume.append(b"a", &[1]), Err(Error::Poisoned { segment: 0, .. })));
    }
    assert!(matches!(volume.activate(0, 0), Err(Error::Poisoned { segment: 0, .. })));
    // The next segment takes writes, but the volume stays loud about what was lost.
    volume.create_segment(1).unwrap();
    volume.activate(1, 0).unwrap();
    append_one(&volume, b"a");
    assert!(matches!(volume.flush(), Err(Error::Poisoned { segment: 0, .. })));
}

#[test]
fn a_failed_write_poisons_the_segment_but_reads_go_on() {
    let io = FaultyIo::new();
    let volume = writable(&io);
    let kept = append_one(&volume, b"kept");
    io.fail_write(0, 2);
    assert!(matches!(volume.append(b"torn", &[4]), Err(Error::Poisoned { segment: 0, .. })));
    assert!(matches!(volume.append(b"more", &[4]), Err(Error::Poisoned { segment: 0, .. })));
    assert!(volume.flush().is_err());
    assert_eq!(read(&volume, &[kept]), b"kept");
}

#[test]
fn a_full_disk_is_no_poison() {
    let io = FaultyIo::new();
    io.set_free_bytes(Some(STEP));
    let volume = writable(&io);
    append_one(&volume, &[1; 1000]);
    assert!(matches!(volume.append(&[2; 100], &[100]), Err(Error::OutOfSpace)));
    assert!(matches!(volume.create_segment(1), Err(Error::OutOfSpace)));
    assert_eq!(volume.list().unwrap(), [0]);
    volume.flush().unwrap();
    io.set_free_bytes(Some(STEP));
    assert_eq!(append_one(&volume, &[2; 100]).position, 1000);
}

#[test]
fn sealing_gives_the_unused_blocks_back() {
    let io = FaultyIo::new();
    io.set_free_bytes(Some(2 * STEP));
    let volume = writable(&io);
    append_one(&volume, &[1; 24]);
    volume.create_segment(1).unwrap();
    assert!(matches!(volume.create_segment(2), Err(Error::OutOfSpace)));
    volume.activate(1, 0).unwrap();
    io.set_free_bytes(Some(STEP));
    volume.create_segment(2).unwrap();
}

#[test]
fn names_the_damaged_entry() {
    let io = FaultyIo::new();
    let volume = writable(&io);
    let locations = volume.append(&[5; 30], &[10; 3]).unwrap();
    io.damage(&volume.path(0), 12).unwrap();
    let mut output = b"before".to_vec();
    let reversed = [locations[2], locations[1], locations[0]];
    let error = volume.read(&reversed, &mut output).unwrap_err();
    assert!(matches!(error, Error::Corrupted { index: 1 }));
    assert_eq!(output, b"before");
    assert_eq!(read(&volume, &[locations[0], locations[2]]), [5; 20]);
}

#[test]
fn refuses_locations_that_no_entry_can_have() {
    let volume = writable(&FaultyIo::new());
    let good = append_one(&volume, b"abc");
    for (position, length) in [(4090, 7), (u32::MAX, 1), (0, u32::MAX)] {
        let bad = Location { position, length, ..good };
        let error = volume.read(&[good, bad], &mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::OutOfBounds { index: 1, .. }), "{error}");
    }
    let error = volume.read(&[Location { position: 9999, ..good }], &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "OUTOFBOUND position: 9999, length: 3 but size: 4096");
}

#[test]
fn a_closed_volume_answers_closed() {
    let volume = writable(&FaultyIo::new());
    let location = append_one(&volume, b"abc");
    volume.close();
    assert!(matches!(volume.append(b"a", &[1]), Err(Error::Closed)));
    assert!(matches!(volume.read(&[location], &mut Vec::new()), Err(Error::Closed)));
    assert!(matches!(volume.create_segment(1), Err(Error::Closed)));
}

#[test]
fn works_on_the_real_file_system() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("a/b/segments");
    let options = VolumeOptions { segment_size: 8 << 20, preallocate_bytes: 1 << 20 };
    let open = || Volume::open(Arc::new(RealIo), &directory, options).unwrap();
    let volume = open();
    volume.create_segment(0).unwrap();
    volume.activate(0, 0).unwrap();
    let bodies: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n; 90_000]).collect();
    let locations = volume.append(&bodies.concat(), &[90_000; 40]).unwrap();
    volume.create_segment(1).unwrap();
    volume.activate(1, 0).unwrap();
    volume.flush().unwrap();
    std::fs::write(directory.join("notes.txt"), "x").unwrap();

    let volume = open();
    assert_eq!(volume.list().unwrap(), [0, 1]);
    assert_eq!(volume.open_segment(0).unwrap(), 8 << 20);
    let backwards: Vec<_> = locations.iter().rev().copied().collect();
    let expected: Vec<u8> = bodies.iter().rev().flatten().copied().collect();
    assert_eq!(read(&volume, &backwards), expected);
    assert_eq!(read(&volume, &locations), bodies.concat());
    assert_blocks_were_released(&volume.path(0), 40 * 90_000);
}

fn assert_blocks_were_released(path: &Path, tail: u64) {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).unwrap();
    assert_eq!(metadata.len(), 8 << 20);
    assert!(metadata.blocks() * 512 < tail + (64 << 10), "{} blocks held", metadata.blocks());
}

/// One step of a volume's life; sizes are in bytes.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u32>),
    Flush,
    FailSync,
    FailWrite,
    Roll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(1..700u32, 1..5).prop_map(Step::Append),
        3 => Just(Step::Flush),
        1 => Just(Step::FailSync),
        1 => Just(Step::FailWrite),
        1 => Just(Step::Roll),
    ]
}

/// A volume under test, with the entries that it must not lose.
struct Model {
    io: FaultyIo,
    volume: Volume,
    active: u32,
    written: Vec<(Location, Vec<u8>)>,
    durable: usize,
}

impl Model {
    fn run(steps: &[Step]) -> Self {
        let io = FaultyIo::new();
        let volume = writable(&io);
        let mut model = Model { io, volume, active: 0, written: Vec::new(), durable: 0 };
        for step in steps {
            match step {
                Step::Append(lengths) => model.append(lengths),
                Step::Flush => {
                    if model.volume.flush().is_ok() {
                        model.durable = model.written.len();
                    }
                }
                Step::FailSync => model.io.fail_sync(0),
                Step::FailWrite => model.io.fail_write(0, 100),
                Step::Roll => model.roll(),
            }
        }
        model
    }

    fn append(&mut self, lengths: &[u32]) {
        let bodies: Vec<Vec<u8>> = (self.written.len()..)
            .zip(lengths)
            .map(|(number, &length)| {
                (0..length)
                    .map(|at| (number as u32).wrapping_mul(31).wrapping_add(at) as u8)
                    .collect()
            })
            .collect();
        match self.volume.append(&bodies.concat(), lengths) {
            Ok(locations) => self.written.extend(locations.into_iter().zip(bodies)),
            Err(Error::SegmentFull) => self.roll(),
            Err(Error::Poisoned { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn roll(&mut self) {
        // An injected sync failure may hit the creation, which then leaves no segment behind.
        if self.volume.create_segment(self.active + 1).is_ok() {
            self.active += 1;
            self.volume.activate(self.active, 0).unwrap();
        }
    }

    /// Reads entries back on the disk that a crash has left.
    fn assert_survive(&self, loss: Loss, count: usize) {
        let volume = open(&self.io.crash(loss));
        for id in volume.list().unwrap() {
            volume.open_segment(id).unwrap();
        }
        let (locations, bodies): (Vec<_>, Vec<_>) =
            self.written.iter().take(count).cloned().unzip();
        assert_eq!(read(&volume, &locations), bodies.concat());
    }
}

proptest! {
    #[test]
    fn flushed_entries_survive_power_loss(
        steps in prop::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let model = Model::run(&steps);
        model.assert_survive(Loss::Unsynced, model.durable);
        model.assert_survive(Loss::Random(seed), model.durable);
    }

    #[test]
    fn written_entries_survive_process_death(steps in prop::collection::vec(step(), 1..40)) {
        let model = Model::run(&steps);
        model.assert_survive(Loss::Nothing, model.written.len());
    }

    #[test]
    fn a_batched_read_equals_single_reads(
        lengths in prop::collection::vec(1..600u32, 1..60),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
    ) {
        let mut model = Model::run(&[]);
        for length in lengths {
            model.append(&[length]);
        }
        let picked: Vec<_> = picks.iter().map(|pick| pick.get(&model.written)).collect();
        let locations: Vec<_> = picked.iter().map(|(location, _)| *location).collect();
        let expected: Vec<u8> = picked.iter().flat_map(|(_, body)| body.clone()).collect();
        prop_assert_eq!(read(&model.volume, &locations), expected);
    }
}
