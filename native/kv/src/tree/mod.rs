//! The committed pairs on disk: one LMDB database.
//!
//! ```text
//! LMDB key              LMDB value
//! 00                    meta record, see below
//! 01 | key              value                      key shorter than 1,900 bytes
//! 01 | key[..1900]      bucket of long keys        see `bucket`
//! ```
//!
//! The order of the LMDB keys and, inside a bucket, of its entries is the order of the keys.
//!
//! Meta record, 32 bytes, little-endian:
//! ```text
//!  0  magic            4  "KVST"
//!  4  format version   4
//!  8  store id         8  random, made with the store
//! 16  applied version  8  commits up to this version are in the tree
//! 24  applied frame    8  log frames up to this number are in the tree
//! ```
//!
//! ORDER: a batch and its meta record are one LMDB transaction with LMDB's default, durable commit;
//! only after it may the log before it go.

mod bucket;
mod cursor;

use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};
use kronotop_segment::{Io, RealIo};
use parking_lot::Mutex;
use rustix::fs::statvfs;

use crate::error::{Error, Result, code};
use crate::merge::{Committed, Walk};
use crate::write_map::WriteMap;
use cursor::TreeCursor;

/// Keys of at least this length share LMDB keys. Part of the format.
const LONG_KEY: usize = 1900;
const META_KEY: &[u8] = &[0];
const DATA_TAG: u8 = 1;
const META_MAGIC: u32 = u32::from_le_bytes(*b"KVST");
const FORMAT_VERSION: u32 = 1;
const META_SIZE: usize = 32;
const _: () = assert!(4 + 4 + 8 + 8 + 8 == META_SIZE);

/// Read transactions at a time.
pub(crate) const MAX_READERS: u32 = 8192;

/// A read transaction that may move between threads.
pub(crate) type ReadTxn = RoTxn<'static, WithoutTls>;
type Pairs = Database<'static, Bytes, Bytes>;

/// The meta record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) store_id: u64,
    pub(crate) applied_version: i64,
    pub(crate) applied_frame: u64,
}

impl Meta {
    fn encode(&self) -> [u8; META_SIZE] {
        let mut bytes = [0; META_SIZE];
        let fields = [
            &META_MAGIC.to_le_bytes()[..],
            &FORMAT_VERSION.to_le_bytes(),
            &self.store_id.to_le_bytes(),
            &self.applied_version.to_le_bytes(),
            &self.applied_frame.to_le_bytes(),
        ];
        for (place, byte) in bytes.iter_mut().zip(fields.concat()) {
            *place = byte;
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let ([head, store_id, version, frame], []) = (words, rest) else {
            return Err(Error::corrupt("the store's meta record has a wrong length"));
        };
        let head = u64::from_le_bytes(*head);
        if head as u32 != META_MAGIC {
            return Err(Error::corrupt("the store's meta record is damaged"));
        }
        let format = (head >> 32) as u32;
        if format != FORMAT_VERSION {
            return Err(Error::corrupt(format!(
                "the store has format version {format}, this program reads {FORMAT_VERSION}"
            )));
        }
        Ok(Self {
            store_id: u64::from_le_bytes(*store_id),
            applied_version: i64::from_le_bytes(*version),
            applied_frame: u64::from_le_bytes(*frame),
        })
    }
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Tree {
    /// `None` once closed, so that the directory can be opened again in this process.
    env: Mutex<Option<Env<WithoutTls>>>,
    pairs: Pairs,
    dir: PathBuf,
}

impl Tree {
    /// Opens the tree in an existing directory, creating it with `new_meta` when there is none.
    /// `map_size` bytes of address space are reserved, or as much of it as the system allows.
    pub(crate) fn open(dir: &Path, map_size: usize, new_meta: Meta) -> Result<(Self, Meta)> {
        if !dir.join("data.mdb").exists() {
            make(dir, map_size, new_meta)?;
        }
        let (tree, stored) = Self::open_file(dir, map_size, EnvFlags::empty())?;
        let meta = stored.ok_or_else(|| Error::corrupt("the store has no meta record"));
        Ok((tree, meta.map_err(|error| error.at(dir))?))
    }

    /// Opens LMDB at `path`, a directory or with `NO_SUB_DIR` a file, and reads the meta record.
    fn open_file(path: &Path, map_size: usize, flags: EnvFlags) -> Result<(Self, Option<Meta>)> {
        let env = open_env(path, map_size, flags)?;
        // The last commit may be one whose process was killed while it was being made durable: it
        // is there, and the power may still take it back, when the log before it is gone.
        env.force_sync()?;
        if env.max_key_size() < LONG_KEY + 1 {
            return Err(Error::corrupt("this LMDB build cannot hold keys of 1,901 bytes"));
        }
        let txn = env.write_txn()?;
        let pairs = env
            .create_databases_and_commit(txn, |opener, txn| -> Result<_> {
                let pairs = opener.create_database::<Bytes, Bytes>(txn, None)?;
                Ok(CommitOrAbort::<_, ()>::Commit(pairs))
            })?
            .unwrap_commit();
        let tree = Self { env: Mutex::new(Some(env)), pairs, dir: path.to_path_buf() };
        let txn = tree.begin_read()?;
        let stored = tree.pairs.get(&txn, META_KEY)?.map(Meta::decode).transpose();
        let stored = stored.map_err(|error| error.at(path))?;
        drop(txn);
        Ok((tree, stored))
    }

    pub(crate) fn begin_read(&self) -> Result<ReadTxn> {
        Ok(self.env()?.static_read_txn()?)
    }

    /// Lets go of the files; the read transactions still open keep them until they end.
    pub(crate) fn close(&self) {
        *self.env.lock() = None;
    }

    /// True when so little room is left on the disk that a failed write is likely due to that.
    /// LMDB reports a write that was cut short as an input/output error, so its code does not say.
    pub(crate) fn is_disk_full(&self) -> bool {
        const LITTLE_ROOM_BYTES: u64 = 64 << 20;
        statvfs(&self.dir)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE_ROOM_BYTES)
    }

    fn env(&self) -> Result<Env<WithoutTls>> {
        let env = self.env.lock().clone();
        env.ok_or(Error::new(code::OPERATION_CANCELLED))
    }

    /// The version up to which commits are in the tree that `txn` sees.
    pub(crate) fn applied_version(&self, txn: &ReadTxn) -> Result<i64> {
        let meta = self.pairs.get(txn, META_KEY)?.map(Meta::decode).transpose()?;
        Ok(meta.map_or(0, |meta| meta.applied_version))
    }

    pub(crate) fn get<'t>(&self, txn: &'t ReadTxn, key: &[u8]) -> Result<Option<&'t [u8]>> {
        let (prefix, rest) = split(key);
        let value = with_tag(prefix, |name| self.pairs.get(txn, name))?;
        Ok(match rest {
            None => value,
            Some(rest) => value.and_then(|bucket| bucket::find(bucket, rest)),
        })
    }

    pub(crate) fn cursor<'t>(&self, txn: &'t ReadTxn, walk: Walk<'_>) -> Result<TreeCursor<'t>> {
        TreeCursor::new(self.pairs, txn, walk)
    }

    /// Writes everything the map holds, and the meta record; durable on return.
    pub(crate) fn apply(&self, map: &WriteMap<Committed>, meta: Meta) -> Result<()> {
        let env = self.env()?;
        let mut txn = env.write_txn()?;
        for (begin, end) in map.cleared_ranges() {
            self.delete_range(&mut txn, begin, end)?;
        }
        for (key, value) in map.entries() {
            self.write(&mut txn, key, value.as_deref())?;
        }
        self.pairs.put(&mut txn, META_KEY, &meta.encode())?;
        Ok(txn.commit()?)
    }

    fn write(&self, txn: &mut RwTxn<'_>, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (prefix, rest) = split(key);
        let Some(rest) = rest else {
            with_tag(prefix, |name| match value {
                Some(value) => self.pairs.put(txn, name, value),
                None => self.pairs.delete(txn, name).map(drop),
            })?;
            return Ok(());
        };
        self.edit_bucket(txn, prefix, |entries| bucket::replace(entries, rest, value))
    }

    fn delete_range(&self, txn: &mut RwTxn<'_>, begin: &[u8], end: &[u8]) -> Result<()> {
        let (from, from_rest) = split(begin);
        let (to, to_rest) = split(end);
        if from == to {
            // Both bounds are in one bucket: two short keys that are equal bound nothing.
            let (Some(low), Some(high)) = (from_rest, to_rest) else { return Ok(()) };
            return self.edit_bucket(txn, from, |old| bucket::without(old, low, Some(high)));
        }
        if let Some(low) = from_rest {
            self.edit_bucket(txn, from, |old| bucket::without(old, low, None))?;
        }
        if let Some(high) = to_rest {
            self.edit_bucket(txn, to, |old| bucket::without(old, &[], Some(high)))?;
        }
        let (from, to) = (tagged(from), tagged(to));
        let low = match from_rest {
            Some(_) => Bound::Excluded(&*from),
            None => Bound::Included(&*from),
        };
        self.pairs.delete_range(txn, &(low, Bound::Excluded(&*to)))?;
        Ok(())
    }

    fn edit_bucket(
        &self,
        txn: &mut RwTxn<'_>,
        prefix: &[u8],
        edit: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<()> {
        let name = tagged(prefix);
        let edited = edit(self.pairs.get(txn, &name)?.unwrap_or_default());
        if edited.is_empty() {
            self.pairs.delete(txn, &name)?;
        } else {
            self.pairs.put(txn, &name, &edited)?;
        }
        Ok(())
    }
}

/// Makes the tree of a new store: under another name, because LMDB refuses its own file when the
/// power goes while it makes it.
fn make(dir: &Path, map_size: usize, meta: Meta) -> Result<()> {
    let path = dir.join("new.mdb");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io(path.display(), &error));
        }
        _ => {}
    }
    // The store's lock keeps others away, so no file for LMDB's own.
    let (tree, _) = Tree::open_file(&path, map_size, EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK)?;
    tree.apply(&WriteMap::default(), meta)?;
    tree.close();
    drop(tree);
    // ORDER: the commit above is durable before the name that counts is there. The store syncs
    // the name at every opening: the last one may have been killed in between.
    RealIo.rename(&path, &dir.join("data.mdb")).map_err(|e| Error::io(path.display(), &e))
}

/// Splits a key at the edge; the second part is `None` for a short key.
fn split(key: &[u8]) -> (&[u8], Option<&[u8]>) {
    match key.split_at_checked(LONG_KEY) {
        Some((prefix, rest)) => (prefix, Some(rest)),
        None => (key, None),
    }
}

fn tagged(key: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(key.len() + 1);
    name.push(DATA_TAG);
    name.extend_from_slice(key);
    name
}

/// Runs `f` with the LMDB key of `key`, without an allocation for usual lengths.
fn with_tag<R>(key: &[u8], f: impl FnOnce(&[u8]) -> R) -> R {
    let mut space = [DATA_TAG; 128];
    match space.get_mut(..key.len() + 1) {
        Some(name) => {
            if let Some(tail) = name.get_mut(1..) {
                tail.copy_from_slice(key);
            }
            f(name)
        }
        None => f(&tagged(key)),
    }
}

/// Opens the environment with the largest map that the address space limit allows.
#[expect(unsafe_code, reason = "mapping a file is safe only while nobody else changes it")]
fn open_env(path: &Path, map_size: usize, flags: EnvFlags) -> Result<Env<WithoutTls>> {
    const SMALLEST_MAP: usize = 64 << 20;
    let mut size = map_size;
    loop {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(size).max_readers(MAX_READERS);
        // SAFETY: the store's lock file keeps other processes away from the directory, and this
        // process opens it once (heed refuses a second environment on one path). The flags say
        // nothing but where the file is and that LMDB takes no lock of its own.
        match unsafe { options.flags(flags).open(path) } {
            Ok(env) => return Ok(env),
            Err(heed::Error::Io(error))
                if error.kind() == std::io::ErrorKind::OutOfMemory && size > SMALLEST_MAP =>
            {
                size /= 2;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta { store_id: 1, applied_version: 2, applied_frame: 3 };

    #[test]
    fn the_meta_record_tells_damage_from_another_version() {
        let bytes = META.encode();
        assert_eq!(Meta::decode(&bytes).unwrap(), META);
        let mut future = bytes;
        future[4] = 9;
        assert!(Meta::decode(&future).unwrap_err().to_string().contains("format version 9"));
        let mut damaged = bytes;
        damaged[0] = 0;
        assert!(Meta::decode(&damaged).unwrap_err().to_string().contains("damaged"));
        assert!(Meta::decode(&bytes[1..]).is_err());
    }

    #[test]
    fn a_tree_keeps_its_pairs_and_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, meta) = Tree::open(dir.path(), 1 << 30, META).unwrap();
        assert_eq!(meta, META);
        let long = vec![b'x'; 5000];
        let mut map = WriteMap::<Committed>::default();
        map.set(long.clone().into(), Some(b"v"[..].into()), 1, 1, 1);
        tree.apply(&map, Meta { applied_frame: 4, ..META }).unwrap();
        tree.close();
        drop(tree);
        let other = Meta { store_id: 7, ..META };
        let (tree, meta) = Tree::open(dir.path(), 1 << 30, other).unwrap();
        assert_eq!(meta, Meta { applied_frame: 4, ..META });
        let txn = tree.begin_read().unwrap();
        assert_eq!(tree.get(&txn, &long).unwrap(), Some(&b"v"[..]));
        assert_eq!(tree.get(&txn, &long[1..]).unwrap(), None);
    }
}
