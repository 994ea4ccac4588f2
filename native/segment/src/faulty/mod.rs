//! A disk in memory that can lose power, tear writes, fail and run full.
//!
//! The process sees every change at once. A change is durable after the sync that covers it:
//! bytes after a sync of their file, names after a sync of their directory. [`FaultyIo::crash`]
//! returns the disk as it may look after the process or the machine has died. A failed sync drops
//! what it should have made durable, as Linux does: a later sync of the same file succeeds and
//! proves nothing.

mod content;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::io::{File, Io};
use content::{Change, Content};

/// What a crash takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The process dies, the machine lives: nothing is lost.
    Nothing,
    /// Power fails before any unsynced change has reached the disk.
    Unsynced,
    /// Power fails in the middle: each unsynced sector and a prefix of the unsynced name changes
    /// are kept or lost as the seed says.
    Random(u64),
}

/// See the module's header. Clones share the disk.
#[derive(Debug, Clone, Default)]
pub struct FaultyIo {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    disk: Mutex<Disk>,
    resumed: Condvar,
}

#[derive(Debug, Default, Clone)]
struct Disk {
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: Vec<NameChange>,
    files: BTreeMap<u64, Inode>,
    next_file: u64,
    faults: Faults,
    sync_count: u64,
    sync_waiting: u64,
}

#[derive(Debug, Default, Clone)]
struct Inode {
    current: Content,
    durable: Content,
    pending: Vec<Change>,
    /// End of the blocks that count against the free space.
    held: u64,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Debug, Default, Clone)]
struct Faults {
    failing_sync: Option<u64>,
    failing_write: Option<(u64, usize)>,
    free_bytes: Option<u64>,
    syncs_paused: bool,
}

impl FaultyIo {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `after` more syncs of files succeed, then fails one.
    pub fn fail_sync(&self, after: u64) {
        self.shared.disk.lock().faults.failing_sync = Some(after);
    }

    /// Lets `after` more writes succeed, then fails one of which the first `kept_bytes` arrive.
    pub fn fail_write(&self, after: u64, kept_bytes: usize) {
        self.shared.disk.lock().faults.failing_write = Some((after, kept_bytes));
    }

    /// Bounds the bytes that can still be reserved; `None` is an endless disk.
    pub fn set_free_bytes(&self, free_bytes: Option<u64>) {
        self.shared.disk.lock().faults.free_bytes = free_bytes;
    }

    /// Makes syncs of files wait inside the call until [`FaultyIo::resume_syncs`].
    pub fn pause_syncs(&self) {
        self.shared.disk.lock().faults.syncs_paused = true;
    }

    /// Ends [`FaultyIo::pause_syncs`].
    pub fn resume_syncs(&self) {
        self.shared.disk.lock().faults.syncs_paused = false;
        self.shared.resumed.notify_all();
    }

    /// How many syncs of files have ended, failed ones included.
    #[must_use]
    pub fn sync_count(&self) -> u64 {
        self.shared.disk.lock().sync_count
    }

    /// How many syncs of files are held up by [`FaultyIo::pause_syncs`].
    #[must_use]
    pub fn sync_waiting(&self) -> u64 {
        self.shared.disk.lock().sync_waiting
    }

    /// Changes one byte of a file behind everyone's back, durably: a damaged disk.
    ///
    /// # Errors
    /// `NotFound` when there is no such file, `UnexpectedEof` when it is shorter.
    pub fn damage(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut disk = self.shared.disk.lock();
        let id = disk.find(path)?;
        let inode = disk.inode(id)?;
        let mut byte = [0];
        if !inode.current.read(&mut byte, offset) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let change = Change::Write { offset, bytes: byte.iter().map(|byte| byte ^ 0xff).collect() };
        inode.current.apply(&change);
        inode.durable.apply(&change);
        Ok(())
    }

    /// The disk as the next start may find it, without the faults set here. Open files of this
    /// disk do not reach the new one.
    #[must_use]
    pub fn crash(&self, loss: Loss) -> FaultyIo {
        let mut disk = self.shared.disk.lock().clone();
        disk.faults = Faults::default();
        disk.sync_count = 0;
        disk.sync_waiting = 0;
        match loss {
            Loss::Nothing => {}
            Loss::Unsynced => disk.lose(&mut |_| 0, &mut || false),
            Loss::Random(seed) => {
                let state = std::cell::Cell::new(seed);
                disk.lose(&mut |count| below(&state, count + 1), &mut || below(&state, 2) == 1);
            }
        }
        // What a process wrote and did not sync is still at risk when only the process died.
        if loss != Loss::Nothing {
            disk.settle();
        }
        FaultyIo { shared: Arc::new(Shared { disk: Mutex::new(disk), ..Shared::default() }) }
    }
}

impl Disk {
    fn find(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename_in(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
        match change {
            NameChange::Link(path, id) => {
                names.insert(path.clone(), *id);
            }
            NameChange::Unlink(path) => {
                names.remove(path);
            }
            NameChange::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
        }
    }

    fn change_name(&mut self, change: NameChange) {
        Self::rename_in(&mut self.names, &change);
        self.pending_names.push(change);
    }

    /// Falls back to what is durable, plus what the two choices keep of the rest.
    fn lose(&mut self, prefix: &mut dyn FnMut(u64) -> u64, keep: &mut dyn FnMut() -> bool) {
        let kept = prefix(self.pending_names.len() as u64);
        self.names = std::mem::take(&mut self.durable_names);
        for (_, change) in (0..kept).zip(&self.pending_names) {
            Self::rename_in(&mut self.names, change);
        }
        for inode in self.files.values_mut() {
            inode.current = std::mem::take(&mut inode.durable);
            for change in &inode.pending {
                inode.current.apply_torn(change, keep);
            }
        }
    }

    /// Declares everything that is visible to be durable.
    fn settle(&mut self) {
        self.durable_names = self.names.clone();
        self.pending_names.clear();
        let names = &self.names;
        self.files.retain(|id, _| names.values().any(|named| named == id));
        for inode in self.files.values_mut() {
            inode.durable = inode.current.clone();
            inode.pending.clear();
        }
    }
}

/// A number below `count` from a SplitMix64 sequence.
fn below(state: &std::cell::Cell<u64>, count: u64) -> u64 {
    state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
    let mut value = state.get();
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (value ^ (value >> 31)) % count
}

impl Io for FaultyIo {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut disk = self.shared.disk.lock();
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = disk.next_file;
        disk.next_file += 1;
        disk.files.insert(id, Inode::default());
        disk.change_name(NameChange::Link(path.to_path_buf(), id));
        Ok(Box::new(FaultyFile { shared: self.shared.clone(), id }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let id = self.shared.disk.lock().find(path)?;
        Ok(Box::new(FaultyFile { shared: self.shared.clone(), id }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.shared.disk.lock();
        let id = disk.find(path)?;
        let held = std::mem::take(&mut disk.inode(id)?.held);
        disk.faults.free_bytes = disk.faults.free_bytes.map(|free| free + held);
        disk.change_name(NameChange::Unlink(path.to_path_buf()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.shared.disk.lock();
        disk.find(from)?;
        disk.change_name(NameChange::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.shared.disk.lock();
        for change in std::mem::take(&mut disk.pending_names) {
            let (NameChange::Link(name, _)
            | NameChange::Unlink(name)
            | NameChange::Rename(_, name)) = &change;
            if name.parent() == Some(path) {
                Disk::rename_in(&mut disk.durable_names, &change);
            } else {
                disk.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let disk = self.shared.disk.lock();
        let inside = disk.names.keys().filter(|name| name.parent() == Some(path));
        Ok(inside.filter_map(|name| name.file_name()).map(OsString::from).collect())
    }
}

#[derive(Debug)]
struct FaultyFile {
    shared: Arc<Shared>,
    id: u64,
}

impl FaultyFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut disk = self.shared.disk.lock();
        let inode = disk.inode(self.id)?;
        inode.current.apply(&change);
        inode.pending.push(change);
        Ok(())
    }
}

impl File for FaultyFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let complete = self.shared.disk.lock().inode(self.id)?.current.read(buffer, offset);
        if complete { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let failing = self.shared.disk.lock().faults.failing_write.take();
        if let Some((0, kept)) = failing {
            let arrived = bytes.get(..kept).unwrap_or(bytes).to_vec();
            self.change(Change::Write { offset, bytes: arrived })?;
            return Err(io::Error::other("injected write failure"));
        }
        self.shared.disk.lock().faults.failing_write =
            failing.map(|(after, kept)| (after - 1, kept));
        self.change(Change::Write { offset, bytes: bytes.to_vec() })
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.shared.disk.lock();
        // ORDER: a sync covers what was written before it was called, not what arrives meanwhile.
        let covered = std::mem::take(&mut disk.inode(self.id)?.pending);
        disk.sync_waiting += 1;
        while disk.faults.syncs_paused {
            self.shared.resumed.wait(&mut disk);
        }
        disk.sync_waiting -= 1;
        disk.sync_count += 1;
        let failing = disk.faults.failing_sync.take();
        if failing == Some(0) {
            return Err(io::Error::other("injected sync failure"));
        }
        disk.faults.failing_sync = failing.map(|after| after - 1);
        let durable = &mut disk.inode(self.id)?.durable;
        for change in &covered {
            durable.apply(change);
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        let mut disk = self.shared.disk.lock();
        let free = disk.faults.free_bytes;
        let inode = disk.inode(self.id)?;
        let needed = offset.saturating_add(length).saturating_sub(inode.held);
        if free.is_some_and(|free| free < needed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inode.held += needed;
        disk.faults.free_bytes = free.map(|free| free - needed);
        Ok(())
    }

    fn release(&self, offset: u64, length: u64) -> io::Result<()> {
        self.change(Change::Release { offset, length })?;
        let mut disk = self.shared.disk.lock();
        let inode = disk.inode(self.id)?;
        let freed = inode.held.saturating_sub(offset);
        inode.held -= freed;
        disk.faults.free_bytes = disk.faults.free_bytes.map(|free| free + freed);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::SetLen(length))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.shared.disk.lock().inode(self.id)?.current.len)
    }
}
