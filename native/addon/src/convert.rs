//! Between JavaScript's typed arrays and Rust's values.

use kronotop_segment::Location;
use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Uint32ArraySlice};

use crate::error::{Result, invalid_argument};

/// Words of a location: segment, position, length, crc32c.
const LOCATION_WORDS: usize = 4;
/// Up to this size a copy costs less than memory that JavaScript has to give back later.
const COPY_LIMIT_BYTES: usize = 16 << 10;

pub(crate) fn locations(words: &[u32]) -> Result<Vec<Location>> {
    let (locations, rest) = words.as_chunks::<LOCATION_WORDS>();
    if !rest.is_empty() {
        return Err(invalid_argument("a location has four words"));
    }
    let decode = |&[segment, position, length, crc32c]: &[u32; LOCATION_WORDS]| Location {
        segment,
        position,
        length,
        crc32c,
    };
    Ok(locations.iter().map(decode).collect())
}

pub(crate) fn location_words(locations: &[Location]) -> Vec<u32> {
    let encode = |location: &Location| {
        [location.segment, location.position, location.length, location.crc32c]
    };
    locations.iter().flat_map(encode).collect()
}

pub(crate) fn buffer(env: &Env, bytes: Vec<u8>) -> Result<BufferSlice<'_>> {
    if bytes.len() <= COPY_LIMIT_BYTES {
        BufferSlice::copy_from(env, &bytes)
    } else {
        BufferSlice::from_data(env, bytes)
    }
}

pub(crate) fn words(env: &Env, words: Vec<u32>) -> Result<Uint32ArraySlice<'_>> {
    if size_of_val(words.as_slice()) <= COPY_LIMIT_BYTES {
        Uint32ArraySlice::copy_from(env, &words)
    } else {
        Uint32ArraySlice::from_data(env, words)
    }
}

/// A byte count or offset; JavaScript's numbers hold every one that a file can have.
pub(crate) fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| invalid_argument("a number must not be negative"))
}
