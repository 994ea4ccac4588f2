//! One batch of a query, from pointers to reply payload: decode the pointers of a packed range,
//! read and check the bodies, filter, encode what matches.
//!
//! Bodies are read in chunks of bounded size, so memory does not grow with the batch; a scan that
//! has enough results stops, and says how far it came.

mod error;
mod packed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use kronotop_document::{Filter, bson_to_json};
use kronotop_segment::{Location, Volume};

pub use error::Error;
pub use packed::{POINTER_BYTES, Pair, Pairs, Pointer};

/// Bytes of an `_id` at the end of, or inside, a key.
pub const ID_BYTES: usize = 12;
/// A scan stops after the result with which its payload reaches this size.
pub const PAYLOAD_LIMIT_BYTES: usize = 64 << 20;

/// Pairs whose bodies are read together, while the limit of bytes permits.
const CHUNK_PAIRS: usize = 256;
/// Body bytes read together; a chunk has one body at least.
const CHUNK_BYTES: usize = 1 << 20;

/// What each result of a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The document as it is stored.
    Bson,
    /// The document as JSON text.
    Json,
    /// The 12 bytes of the `_id`, from the key.
    Ids,
}

/// The volumes that a scan reads, by shard.
pub type Volumes = BTreeMap<u16, Arc<Volume>>;

/// What to scan.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// A packed range whose values are pointers.
    pub packed: &'a [u8],
    /// Its number of pairs.
    pub count: usize,
    /// Where the `_id` stands in a key; negative counts from the key's end. For [`Format::Ids`].
    pub id_offset: isize,
    /// Which documents to keep; `None` keeps all.
    pub filter: Option<&'a Filter>,
    /// What to return of each.
    pub format: Format,
    /// How many results to return at most.
    pub max_results: usize,
}

/// The results of a scan, in the order of the pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// How many pairs were consumed, from the first. Fewer than given: a limit was reached, and
    /// the last of them is the last result.
    pub examined: usize,
    /// The results, back to back.
    pub payload: Vec<u8>,
    /// Where each result ends in the payload.
    pub ends: Vec<u32>,
    /// Which pair each result comes from.
    pub matches: Vec<u32>,
}

/// Scans one batch.
///
/// # Errors
/// See [`Error`]; there is no partial output. A pair past the last result wanted may be damaged
/// without being noticed.
pub fn scan(request: &Request<'_>, volumes: &Volumes) -> Result<Output, Error> {
    let mut scan = Scan {
        request,
        volumes,
        filter: request.filter.filter(|filter| !filter.matches_all()),
        pairs: Pairs::new(request.packed),
        output: Output::default(),
    };
    while !scan.is_done() {
        if scan.filter.is_none() && request.format == Format::Ids {
            scan.take_id()?;
        } else {
            scan.take_chunk()?;
        }
    }
    Ok(scan.output)
}

struct Scan<'a> {
    request: &'a Request<'a>,
    volumes: &'a Volumes,
    /// `None` when every document matches.
    filter: Option<&'a Filter>,
    pairs: Pairs<'a>,
    output: Output,
}

impl<'a> Scan<'a> {
    fn is_done(&self) -> bool {
        self.output.examined == self.request.count
            || self.output.matches.len() >= self.request.max_results
            || self.output.payload.len() >= PAYLOAD_LIMIT_BYTES
    }

    fn take_id(&mut self) -> Result<(), Error> {
        let pair = self.pairs.take().ok_or(Error::Packed)?;
        self.push(pair, &[])
    }

    /// Reads, filters and encodes the next pairs, until the scan is done or the chunk ends.
    fn take_chunk(&mut self) -> Result<(), Error> {
        let chunk = self.next_chunk()?;
        let bodies = self.read(&chunk)?;
        for ((pair, _), range) in chunk.iter().zip(bodies.ranges) {
            let body = bodies.bytes.get(range).unwrap_or_default();
            let index = self.output.examined;
            let matches = match self.filter {
                Some(filter) => filter.matches(body).map_err(|error| damaged(index, &error))?,
                None => true,
            };
            if matches {
                self.push(*pair, body)?;
            } else {
                self.output.examined += 1;
            }
            if self.is_done() {
                break;
            }
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Vec<(Pair<'a>, Pointer)>, Error> {
        let Output { examined, matches, payload, .. } = &self.output;
        let mut pair_limit = CHUNK_PAIRS.min(self.request.count - examined);
        if self.filter.is_none() {
            pair_limit = pair_limit.min(self.request.max_results - matches.len());
        }
        let byte_limit = CHUNK_BYTES.min(PAYLOAD_LIMIT_BYTES - payload.len());
        let mut chunk = Vec::with_capacity(pair_limit);
        let mut bytes = 0;
        for index in (*examined..).take(pair_limit) {
            let mut after = self.pairs.clone();
            let pair = after.take().ok_or(Error::Packed)?;
            let pointer = Pointer::decode(pair.value).ok_or(Error::Pointer { index })?;
            bytes += pointer.location.length as usize;
            if !chunk.is_empty() && bytes > byte_limit {
                break;
            }
            self.pairs = after;
            chunk.push((pair, pointer));
        }
        Ok(chunk)
    }

    /// Reads the bodies of a chunk, each shard's in one batch.
    fn read(&self, chunk: &[(Pair<'_>, Pointer)]) -> Result<Bodies, Error> {
        let mut by_shard: BTreeMap<u16, Vec<(usize, Location)>> = BTreeMap::new();
        for (place, (_, pointer)) in chunk.iter().enumerate() {
            by_shard.entry(pointer.shard).or_default().push((place, pointer.location));
        }
        let mut bodies = Bodies { bytes: Vec::new(), ranges: vec![0..0; chunk.len()] };
        for (shard, wanted) in by_shard {
            let index_of =
                |nth: usize| self.output.examined + wanted.get(nth).map_or(0, |(place, _)| *place);
            let volume = self
                .volumes
                .get(&shard)
                .ok_or_else(|| Error::UnknownShard { index: index_of(0), shard })?;
            let mut start = bodies.bytes.len();
            let locations: Vec<Location> = wanted.iter().map(|(_, location)| *location).collect();
            volume.read(&locations, &mut bodies.bytes).map_err(|error| match error {
                kronotop_segment::Error::Corrupted { index }
                | kronotop_segment::Error::OutOfBounds { index, .. } => {
                    damaged(index_of(index), &error)
                }
                error => Error::Volume { shard, error },
            })?;
            for (place, location) in &wanted {
                let end = start + location.length as usize;
                if let Some(range) = bodies.ranges.get_mut(*place) {
                    *range = start..end;
                }
                start = end;
            }
        }
        Ok(bodies)
    }

    /// Adds the next pair, whose body is given, to the results.
    fn push(&mut self, pair: Pair<'_>, body: &[u8]) -> Result<(), Error> {
        let index = self.output.examined;
        let payload = &mut self.output.payload;
        match self.request.format {
            Format::Bson => payload.extend_from_slice(body),
            Format::Json => bson_to_json(body, payload).map_err(|error| damaged(index, &error))?,
            Format::Ids => {
                let id = id_of(pair.key, self.request.id_offset).ok_or(Error::Id { index })?;
                payload.extend_from_slice(id);
            }
        }
        // Lossless: the payload ends with one document after its limit, the batch has no more
        // pairs than 4 GiB of packed data holds.
        self.output.ends.push(payload.len() as u32);
        self.output.matches.push(index as u32);
        self.output.examined += 1;
        Ok(())
    }
}

/// The bodies of a chunk; a range per pair.
struct Bodies {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

fn id_of(key: &[u8], offset: isize) -> Option<&[u8]> {
    let start = if offset < 0 { key.len().checked_add_signed(offset)? } else { offset as usize };
    key.get(start..start.checked_add(ID_BYTES)?)
}

fn damaged(index: usize, reason: &dyn std::fmt::Display) -> Error {
    Error::Damaged { index, reason: reason.to_string() }
}
