//! Volumes.

use std::path::Path;
use std::sync::Arc;

use kronotop_segment::{Location, RealIo, Volume, VolumeOptions};
use napi::bindgen_prelude::{
    AsyncTask, Buffer, BufferSlice, PromiseRaw, Uint32Array, Uint32ArraySlice,
};
use napi::{Env, Task};
use napi_derive::napi;

use crate::convert;
use crate::error::{Result, caught, from_volume};
use crate::flush::Flusher;

/// How a volume lays out its files; both in bytes.
#[napi(object)]
pub struct VolumeHandleOptions {
    /// Length of a segment file, 1..=4 GiB.
    pub segment_size: i64,
    /// Blocks are reserved in steps of this size.
    pub preallocate_bytes: i64,
}

/// The segment files of one shard. A location is four words: segment, position, length, crc32c.
#[napi]
pub struct VolumeHandle {
    volume: Arc<Volume>,
    flusher: Arc<Flusher>,
}

impl VolumeHandle {
    pub(crate) fn volume(&self) -> Arc<Volume> {
        self.volume.clone()
    }
}

impl Drop for VolumeHandle {
    fn drop(&mut self) {
        self.flusher.close();
    }
}

#[napi]
impl VolumeHandle {
    /// Opens the volume in a directory, created when missing. No segment is open yet.
    #[napi(factory, catch_unwind)]
    pub fn open(directory: String, options: VolumeHandleOptions) -> Result<Self> {
        let options = VolumeOptions {
            segment_size: convert::unsigned(options.segment_size)?,
            preallocate_bytes: convert::unsigned(options.preallocate_bytes)?,
        };
        let volume = Volume::open(Arc::new(RealIo), Path::new(&directory), options);
        let volume = Arc::new(volume.map_err(from_volume)?);
        let flusher = Flusher::new(volume.clone());
        Ok(Self { volume, flusher })
    }

    /// Creates a segment, or reuses its stray file; durable on return.
    #[napi(catch_unwind)]
    pub fn create_segment(&self, id: u32) -> Result<()> {
        self.volume.create_segment(id).map_err(from_volume)
    }

    /// Opens a segment; returns the length in bytes that its file had.
    /// @throws MISSING_FILE
    #[napi(catch_unwind)]
    pub fn open_segment(&self, id: u32) -> Result<i64> {
        let found = self.volume.open_segment(id).map_err(from_volume)?;
        Ok(found.cast_signed())
    }

    /// Directs appends to an open segment, from byte `tail` on; seals and trims the active one.
    #[napi(catch_unwind)]
    pub fn activate(&self, id: u32, tail: i64) -> Result<()> {
        self.volume.activate(id, convert::unsigned(tail)?).map_err(from_volume)
    }

    /// Writes entries, given back to back, to the active segment; not flushed on return.
    /// Returns the locations of those that fit: after fewer than given, activate the next segment
    /// and append the rest.
    /// @throws SEGMENT_FULL, ENTRY_TOO_LARGE, OUT_OF_SPACE, POISONED
    #[napi(catch_unwind)]
    pub fn append<'env>(
        &self,
        env: &'env Env,
        bodies: &[u8],
        lengths: &[u32],
    ) -> Result<Uint32ArraySlice<'env>> {
        let locations = self.volume.append(bodies, lengths).map_err(from_volume)?;
        convert::words(env, convert::location_words(&locations))
    }

    /// As `append`, off the event loop. `bodies` and `lengths` must not change until the promise is
    /// settled.
    #[napi(catch_unwind, ts_return_type = "Promise<Uint32Array>")]
    pub fn append_async(&self, bodies: Buffer, lengths: Uint32Array) -> AsyncTask<AppendTask> {
        AsyncTask::new(AppendTask { volume: self.volume(), bodies, lengths })
    }

    /// Resolves when everything appended before the call is durable; concurrent calls share one
    /// sync. Rejects with POISONED, now and ever after, when a write or sync has failed.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn flush<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        self.flusher.flush(env)
    }

    /// Whether `flush` would have something to do or to report.
    #[napi(getter, catch_unwind)]
    pub fn needs_flush(&self) -> bool {
        self.volume.needs_flush()
    }

    /// Where the next entry goes: the active segment and its tail in bytes; null when none is.
    #[napi(getter, catch_unwind)]
    pub fn tail(&self) -> Option<VolumeTail> {
        let (segment, position) = self.volume.tail()?;
        Some(VolumeTail { segment, position: position.cast_signed() })
    }

    /// Reads entries, on this thread; returns their bytes back to back in the order asked for.
    /// @throws CORRUPTED, OUT_OF_BOUNDS, UNKNOWN_SEGMENT
    #[napi(catch_unwind)]
    pub fn read<'env>(&self, env: &'env Env, locations: &[u32]) -> Result<BufferSlice<'env>> {
        let mut output = Vec::new();
        self.volume.read(&convert::locations(locations)?, &mut output).map_err(from_volume)?;
        convert::buffer(env, output)
    }

    /// As `read`, off the event loop.
    #[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
    pub fn read_async(&self, locations: &[u32]) -> Result<AsyncTask<ReadTask>> {
        let locations = convert::locations(locations)?;
        Ok(AsyncTask::new(ReadTask { volume: self.volume(), locations }))
    }

    /// The ids of the segment files in the directory, ascending, registered or not.
    #[napi(catch_unwind)]
    pub fn segments(&self) -> Result<Vec<u32>> {
        self.volume.list().map_err(from_volume)
    }

    /// The path of a segment's file.
    #[napi(catch_unwind)]
    pub fn path(&self, id: u32) -> String {
        self.volume.path(id).to_string_lossy().into_owned()
    }

    /// The length in bytes of an open segment's file.
    #[napi(catch_unwind)]
    pub fn file_size(&self, id: u32) -> Result<i64> {
        Ok(self.volume.file_size(id).map_err(from_volume)?.cast_signed())
    }

    /// Deletes a segment's file, durably; the active segment is refused.
    #[napi(catch_unwind)]
    pub fn remove_segment(&self, id: u32) -> Result<()> {
        self.volume.remove_segment(id).map_err(from_volume)
    }

    /// Closes the files; everything but a flush that has been asked for then throws CLOSED.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.flusher.close();
        self.volume.close();
    }
}

/// The end of the bytes written.
#[napi(object)]
pub struct VolumeTail {
    /// The active segment's id.
    pub segment: u32,
    /// Byte offset of the next entry.
    pub position: i64,
}

pub struct AppendTask {
    volume: Arc<Volume>,
    bodies: Buffer,
    lengths: Uint32Array,
}

impl Task for AppendTask {
    type Output = Vec<Location>;
    type JsValue = Uint32Array;

    fn compute(&mut self) -> Result<Vec<Location>> {
        caught(|| self.volume.append(&self.bodies, &self.lengths).map_err(from_volume))
    }

    fn resolve(&mut self, _env: Env, output: Vec<Location>) -> Result<Uint32Array> {
        Ok(convert::location_words(&output).into())
    }
}

pub struct ReadTask {
    volume: Arc<Volume>,
    locations: Vec<Location>,
}

impl Task for ReadTask {
    type Output = Vec<u8>;
    type JsValue = Buffer;

    fn compute(&mut self) -> Result<Vec<u8>> {
        caught(|| {
            let mut output = Vec::new();
            self.volume.read(&self.locations, &mut output).map_err(from_volume)?;
            Ok(output)
        })
    }

    fn resolve(&mut self, _env: Env, output: Vec<u8>) -> Result<Buffer> {
        Ok(output.into())
    }
}
