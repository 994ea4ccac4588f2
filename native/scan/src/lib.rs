//! One batch of a query, from pointers to reply payload: decode the pointers of a packed range,
//! read and check the bodies, filter, encode what matches.
//!
//! Bodies are read in chunks of bounded size, so memory does not grow with the batch; a scan that
//! has enough results stops, and says how far it came.

mod error;
mod id_set;
mod packed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use kronotop_document::{Filter, bson_to_json};
use kronotop_segment::{Location, Volume};

pub use error::Error;
pub use id_set::IdSet;
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
    /// Whether a document may have several pairs. Only the first one that is found counts, in all
    /// batches that share an [`IdSet`].
    pub may_repeat: bool,
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
    /// Where the key of the last pair consumed stands in the packed range.
    pub last_key: Range<usize>,
    /// How many bodies were read: those of pairs that were not passed over, and maybe of some
    /// behind the last pair consumed.
    pub bodies_read: usize,
}

/// Bytes of the bodies that a packed range points at, as far as it can be read.
#[must_use]
pub fn body_bytes(packed: &[u8]) -> usize {
    let mut pairs = Pairs::new(packed);
    let mut total = 0;
    while let Some(pair) = pairs.take() {
        let pointer = Pointer::decode(pair.value);
        total += pointer.map_or(0, |pointer| pointer.location.length as usize);
    }
    total
}

/// Scans one batch.
///
/// @param seen  what the cursor has returned: such pairs are passed over, and results are added
///
/// # Errors
/// See [`Error`]; there is no partial output. A pair past the last result wanted may be damaged
/// without being noticed.
pub fn scan(
    request: &Request<'_>,
    volumes: &Volumes,
    seen: Option<&mut IdSet>,
) -> Result<Output, Error> {
    let mut scan = Scan {
        request,
        volumes,
        filter: request.filter.filter(|filter| !filter.matches_all()),
        is_checked: seen.as_ref().is_some_and(|seen| request.may_repeat || seen.is_resumed()),
        seen,
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
    seen: Option<&'a mut IdSet>,
    /// Whether `seen` may have one of the pairs.
    is_checked: bool,
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
        let pair = self.take_pair()?;
        if self.is_seen(pair)? {
            self.output.examined += 1;
            return Ok(());
        }
        self.push(pair, &[])
    }

    /// Takes the next pair. It is the last one consumed until another one is.
    fn take_pair(&mut self) -> Result<Pair<'a>, Error> {
        let pair = self.pairs.take().ok_or(Error::Packed)?;
        self.output.last_key = self.pairs.key_range(pair);
        Ok(pair)
    }

    /// Whether the cursor has returned the document of the next pair.
    fn is_seen(&mut self, pair: Pair<'_>) -> Result<bool, Error> {
        if !self.is_checked {
            return Ok(false);
        }
        let id = self.id_of(pair)?;
        Ok(self.seen.as_mut().is_some_and(|seen| seen.contains(&id)))
    }

    fn id_of(&self, pair: Pair<'_>) -> Result<[u8; ID_BYTES], Error> {
        let index = self.output.examined;
        id_of(pair.key, self.request.id_offset).ok_or(Error::Id { index })
    }

    /// Reads, filters and encodes the next pairs, until the scan is done or the chunk ends.
    fn take_chunk(&mut self) -> Result<(), Error> {
        let chunk = self.next_chunk()?;
        let bodies = self.read(&chunk)?;
        if self.filter.is_none() || chunk.len() < CHUNK_PAIRS {
            // Likely most of them are results; as JSON they are longer by about a third.
            self.output.payload.reserve(bodies.bytes.len() / 2 * 3);
            self.output.ends.reserve(chunk.len());
            self.output.matches.reserve(chunk.len());
        }
        for range in bodies.ranges {
            let pair = self.take_pair()?;
            let body = bodies.bytes.get(range).unwrap_or_default();
            if self.matches(pair, body)? {
                self.push(pair, body)?;
            } else {
                self.output.examined += 1;
            }
            if self.is_done() {
                break;
            }
        }
        Ok(())
    }

    fn matches(&mut self, pair: Pair<'_>, body: &[u8]) -> Result<bool, Error> {
        if body.is_empty() {
            return Ok(false);
        }
        let index = self.output.examined;
        let matches = match self.filter {
            Some(filter) => filter.matches(body).map_err(|error| damaged(index, &error))?,
            None => true,
        };
        Ok(matches && !self.is_seen(pair)?)
    }

    /// The pointers of the next pairs; none for a document that the cursor has returned.
    fn next_chunk(&mut self) -> Result<Vec<Option<Pointer>>, Error> {
        let Output { examined, matches, payload, .. } = &self.output;
        let (first, found) = (*examined, matches.len());
        let mut pair_limit = CHUNK_PAIRS.min(self.request.count - first);
        if self.filter.is_none() {
            pair_limit = pair_limit.min(self.request.max_results - found);
        }
        let byte_limit = CHUNK_BYTES.min(PAYLOAD_LIMIT_BYTES - payload.len());
        let mut chunk = Vec::with_capacity(pair_limit);
        let mut bytes = 0;
        let mut pairs = self.pairs.clone();
        for index in (first..).take(pair_limit) {
            let pair = pairs.take().ok_or(Error::Packed)?;
            if self.is_seen(pair)? {
                chunk.push(None);
                continue;
            }
            let pointer = Pointer::decode(pair.value).ok_or(Error::Pointer { index })?;
            bytes += pointer.location.length as usize;
            if !chunk.is_empty() && bytes > byte_limit {
                break;
            }
            chunk.push(Some(pointer));
            self.output.bodies_read += 1;
        }
        Ok(chunk)
    }

    /// Reads the bodies of a chunk, each shard's in one batch.
    fn read(&self, chunk: &[Option<Pointer>]) -> Result<Bodies, Error> {
        let mut by_shard: BTreeMap<u16, Vec<(usize, Location)>> = BTreeMap::new();
        for (place, pointer) in chunk.iter().enumerate() {
            let Some(pointer) = pointer else { continue };
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
        if self.seen.is_some() {
            let id = self.id_of(pair)?;
            if let Some(seen) = &mut self.seen {
                seen.add(id);
            }
        }
        let payload = &mut self.output.payload;
        match self.request.format {
            Format::Bson => payload.extend_from_slice(body),
            Format::Json => bson_to_json(body, payload).map_err(|error| damaged(index, &error))?,
            Format::Ids => {
                let id = id_of(pair.key, self.request.id_offset).ok_or(Error::Id { index })?;
                payload.extend_from_slice(&id);
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

/// The bodies of a chunk; a range per pair, empty where there was no pointer.
struct Bodies {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

fn id_of(key: &[u8], offset: isize) -> Option<[u8; ID_BYTES]> {
    let start = if offset < 0 { key.len().checked_add_signed(offset)? } else { offset as usize };
    key.get(start..)?.first_chunk().copied()
}

fn damaged(index: usize, reason: &dyn std::fmt::Display) -> Error {
    Error::Damaged { index, reason: reason.to_string() }
}
