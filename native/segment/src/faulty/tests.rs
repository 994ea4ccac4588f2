use super::*;

const PATH: &str = "/d/f";

fn written() -> (FaultyIo, Box<dyn File>) {
    let io = FaultyIo::new();
    let file = io.create(Path::new(PATH)).unwrap();
    io.sync_dir(Path::new("/d")).unwrap();
    file.write_all_at(&[1; 2000], 0).unwrap();
    (io, file)
}

fn read(io: &FaultyIo, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    io.open(Path::new(PATH)).unwrap().read_exact_at(&mut buffer, 0).unwrap();
    buffer
}

#[test]
fn keeps_everything_when_only_the_process_dies() {
    let (io, _file) = written();
    assert_eq!(read(&io.crash(Loss::Nothing), 2000), vec![1; 2000]);
}

#[test]
fn loses_unsynced_bytes_and_names() {
    let (io, file) = written();
    io.create(Path::new("/d/other")).unwrap();
    let lost = io.crash(Loss::Unsynced);
    assert_eq!(lost.list(Path::new("/d")).unwrap(), ["f"]);
    assert_eq!(lost.open(Path::new(PATH)).unwrap().len().unwrap(), 0);
    file.sync_data().unwrap();
    assert_eq!(read(&io.crash(Loss::Unsynced), 2000), vec![1; 2000]);
}

#[test]
fn tears_writes_between_sectors() {
    let (io, file) = written();
    file.sync_data().unwrap();
    file.write_all_at(&[2; 2000], 0).unwrap();
    let image = read(&io.crash(Loss::Random(7)), 2000);
    assert!(image.contains(&1) && image.contains(&2));
    for sector in image.chunks(512) {
        assert!(sector.iter().all(|byte| Some(byte) == sector.first()));
    }
}

#[test]
fn a_failed_sync_loses_its_bytes_though_the_next_one_succeeds() {
    let (io, file) = written();
    io.fail_sync(0);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(io.crash(Loss::Unsynced).open(Path::new(PATH)).unwrap().len().unwrap(), 0);
}

#[test]
fn a_failed_write_keeps_its_beginning() {
    let (io, file) = written();
    io.fail_write(1, 3);
    file.write_all_at(&[2; 10], 0).unwrap();
    file.write_all_at(&[3; 10], 0).unwrap_err();
    assert_eq!(read(&io, 10), [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]);
}

#[test]
fn runs_full_and_recovers() {
    let (io, file) = written();
    io.set_free_bytes(Some(4096));
    file.allocate(0, 4096).unwrap();
    assert_eq!(file.allocate(4096, 1).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.release(0, 4096).unwrap();
    file.allocate(0, 4096).unwrap();
}

#[test]
fn a_renamed_file_is_durable_after_the_directory_sync() {
    let (io, file) = written();
    file.sync_data().unwrap();
    io.rename(Path::new(PATH), Path::new("/d/g")).unwrap();
    assert_eq!(io.crash(Loss::Unsynced).list(Path::new("/d")).unwrap(), ["f"]);
    io.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(io.crash(Loss::Unsynced).list(Path::new("/d")).unwrap(), ["g"]);
}
