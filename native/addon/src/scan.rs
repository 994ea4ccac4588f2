//! Batches of a query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kronotop_document::Filter;
use kronotop_scan::{Format, IdSet, Output, Request, Volumes, body_bytes, scan};
use napi::bindgen_prelude::{AsyncTask, Buffer, BufferSlice, Uint32ArraySlice};
use napi::{Env, ScopedTask};
use napi_derive::napi;

use crate::convert;
use crate::document::FilterHandle;
use crate::error::{Result, caught, from_scan};
use crate::volume::VolumeHandle;

/// What a scan returns of each document: itself, its JSON text, or its 12-byte `_id`.
#[napi(string_enum = "lowercase")]
#[derive(Clone, Copy)]
pub enum ScanFormat {
    Bson,
    Json,
    Ids,
}

/// How to scan a batch.
#[napi(object)]
#[derive(Clone, Copy)]
pub struct ScanOptions {
    /// Pairs in the packed range.
    pub count: u32,
    /// Where the `_id` stands in a key; negative counts from the key's end. For format `ids`.
    pub id_offset: i32,
    /// What to return.
    pub format: ScanFormat,
    /// Results at most.
    pub max_results: u32,
    /// Whether a document may have several pairs; only the first counts, with `returned`.
    pub may_repeat: bool,
    /// The cursor's id in `returned`; 0 if absent.
    pub cursor: Option<u32>,
}

/// The results of a scan, in the order of the pairs.
#[napi(object, object_from_js = false)]
pub struct ScanResult<'env> {
    /// Pairs consumed; fewer than given when a limit was reached, at the last result.
    pub examined: u32,
    /// The results, back to back.
    pub payload: BufferSlice<'env>,
    /// Where each result ends in the payload.
    pub ends: Uint32ArraySlice<'env>,
    /// Which pair each result comes from.
    pub matches: Uint32ArraySlice<'env>,
    /// Where the key of the last pair consumed stands in the packed range.
    pub key_start: u32,
    /// Its end.
    pub key_end: u32,
    /// How many bodies were read.
    pub bodies_read: u32,
}

/// What each cursor of a session has returned.
#[napi]
#[derive(Default)]
pub struct IdSets {
    sets: Mutex<HashMap<u32, Arc<Mutex<IdSet>>>>,
}

#[napi]
impl IdSets {
    /// Of a session without cursors.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a batch of a cursor: forgets what the last one returned, unless it was committed.
    #[napi(catch_unwind)]
    pub fn begin(&self, cursor: u32) {
        lock(&self.set(cursor)).begin();
    }

    /// The batch counts.
    #[napi(catch_unwind)]
    pub fn commit(&self, cursor: u32) {
        lock(&self.set(cursor)).commit();
    }

    /// Forgets a cursor.
    #[napi(catch_unwind)]
    pub fn drop(&self, cursor: u32) {
        lock(&self.sets).remove(&cursor);
    }
}

impl IdSets {
    fn set(&self, cursor: u32) -> Arc<Mutex<IdSet>> {
        lock(&self.sets).entry(cursor).or_default().clone()
    }
}

/// A panic while a set was locked has failed its batch, which the next one forgets.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The volumes that scans read, by shard.
#[napi]
#[derive(Default)]
pub struct ScanContext {
    volumes: Arc<Volumes>,
}

#[napi]
impl ScanContext {
    /// A context without volumes.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets scans read a shard from a volume, in place of the one that it had.
    #[napi(catch_unwind)]
    pub fn set_volume(&mut self, shard: u16, volume: &VolumeHandle) {
        Arc::make_mut(&mut self.volumes).insert(shard, volume.volume());
    }

    /// Forgets a shard's volume.
    #[napi(catch_unwind)]
    pub fn remove_volume(&mut self, shard: u16) {
        Arc::make_mut(&mut self.volumes).remove(&shard);
    }

    /// Reads, checks, filters and encodes the documents that a packed range of pointers points
    /// at, on this thread: for small batches. Null when the bodies have more than so many bytes.
    /// @throws DAMAGED, UNKNOWN_SHARD, UNKNOWN_SEGMENT, INVALID_PACKED
    #[napi(catch_unwind)]
    pub fn scan<'env>(
        &self,
        env: &'env Env,
        packed: &[u8],
        filter: Option<&FilterHandle>,
        returned: Option<&IdSets>,
        options: ScanOptions,
        max_body_bytes: u32,
    ) -> Result<Option<ScanResult<'env>>> {
        if body_bytes(packed) > max_body_bytes as usize {
            return Ok(None);
        }
        let filter = filter.map(FilterHandle::filter);
        let seen = returned.map(|sets| sets.set(options.cursor.unwrap_or(0)));
        let output = run(packed, filter.as_deref(), seen.as_deref(), options, &self.volumes)?;
        result(env, output).map(Some)
    }

    /// As `scan`, off the event loop, whatever the size. `packed` must not change until the
    /// promise is settled, nor may the cursor be used.
    #[napi(catch_unwind, ts_return_type = "Promise<ScanResult>")]
    pub fn scan_async(
        &self,
        packed: Buffer,
        filter: Option<&FilterHandle>,
        returned: Option<&IdSets>,
        options: ScanOptions,
    ) -> AsyncTask<ScanTask> {
        let filter = filter.map(FilterHandle::filter);
        let seen = returned.map(|sets| sets.set(options.cursor.unwrap_or(0)));
        AsyncTask::new(ScanTask { volumes: self.volumes.clone(), packed, filter, seen, options })
    }
}

pub struct ScanTask {
    volumes: Arc<Volumes>,
    packed: Buffer,
    filter: Option<Arc<Filter>>,
    seen: Option<Arc<Mutex<IdSet>>>,
    options: ScanOptions,
}

impl<'task> ScopedTask<'task> for ScanTask {
    type Output = Output;
    type JsValue = ScanResult<'task>;

    fn compute(&mut self) -> Result<Output> {
        caught(|| {
            let Self { volumes, packed, filter, seen, options } = self;
            run(packed, filter.as_deref(), seen.as_deref(), *options, volumes)
        })
    }

    fn resolve(&mut self, env: &'task Env, output: Output) -> Result<ScanResult<'task>> {
        result(env, output)
    }
}

fn run(
    packed: &[u8],
    filter: Option<&Filter>,
    seen: Option<&Mutex<IdSet>>,
    options: ScanOptions,
    volumes: &Volumes,
) -> Result<Output> {
    let request = Request {
        packed,
        count: options.count as usize,
        id_offset: options.id_offset as isize,
        filter,
        format: match options.format {
            ScanFormat::Bson => Format::Bson,
            ScanFormat::Json => Format::Json,
            ScanFormat::Ids => Format::Ids,
        },
        max_results: options.max_results as usize,
        may_repeat: options.may_repeat,
    };
    let mut seen = seen.map(lock);
    scan(&request, volumes, seen.as_deref_mut()).map_err(from_scan)
}

fn result(env: &Env, output: Output) -> Result<ScanResult<'_>> {
    Ok(ScanResult {
        // Lossless: no more pairs than the 32-bit count asked for.
        examined: output.examined as u32,
        payload: convert::buffer(env, output.payload)?,
        ends: convert::words(env, output.ends)?,
        matches: convert::words(env, output.matches)?,
        // Lossless: a packed range has far less than 4 GiB.
        key_start: output.last_key.start as u32,
        key_end: output.last_key.end as u32,
        bodies_read: output.bodies_read as u32,
    })
}
