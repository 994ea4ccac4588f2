//! Batches of a query.

use std::sync::Arc;

use kronotop_document::Filter;
use kronotop_scan::{Format, Output, Request, Volumes, scan};
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
    /// at, on this thread: for small batches.
    /// @throws DAMAGED, UNKNOWN_SHARD, UNKNOWN_SEGMENT, INVALID_PACKED
    #[napi(catch_unwind)]
    pub fn scan<'env>(
        &self,
        env: &'env Env,
        packed: &[u8],
        filter: Option<&FilterHandle>,
        options: ScanOptions,
    ) -> Result<ScanResult<'env>> {
        let filter = filter.map(FilterHandle::filter);
        let output = scan(&request(packed, filter.as_deref(), options), &self.volumes);
        result(env, output.map_err(from_scan)?)
    }

    /// As `scan`, off the event loop. `packed` must not change until the promise is settled.
    #[napi(catch_unwind, ts_return_type = "Promise<ScanResult>")]
    pub fn scan_async(
        &self,
        packed: Buffer,
        filter: Option<&FilterHandle>,
        options: ScanOptions,
    ) -> AsyncTask<ScanTask> {
        let filter = filter.map(FilterHandle::filter);
        AsyncTask::new(ScanTask { volumes: self.volumes.clone(), packed, filter, options })
    }
}

pub struct ScanTask {
    volumes: Arc<Volumes>,
    packed: Buffer,
    filter: Option<Arc<Filter>>,
    options: ScanOptions,
}

impl<'task> ScopedTask<'task> for ScanTask {
    type Output = Output;
    type JsValue = ScanResult<'task>;

    fn compute(&mut self) -> Result<Output> {
        caught(|| {
            let request = request(&self.packed, self.filter.as_deref(), self.options);
            scan(&request, &self.volumes).map_err(from_scan)
        })
    }

    fn resolve(&mut self, env: &'task Env, output: Output) -> Result<ScanResult<'task>> {
        result(env, output)
    }
}

fn request<'a>(packed: &'a [u8], filter: Option<&'a Filter>, options: ScanOptions) -> Request<'a> {
    Request {
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
    }
}

fn result(env: &Env, output: Output) -> Result<ScanResult<'_>> {
    Ok(ScanResult {
        // Lossless: no more pairs than the 32-bit count asked for.
        examined: output.examined as u32,
        payload: convert::buffer(env, output.payload)?,
        ends: convert::words(env, output.ends)?,
        matches: convert::words(env, output.matches)?,
    })
}
