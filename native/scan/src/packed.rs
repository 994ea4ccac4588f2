//! The packed form of a range read, and the pointer that its values hold.
//!
//! ```text
//! packed:   [ key length u32le | value length u32le | key | value ] [ … ]
//! pointer:  [ shard u16be | segment u32be | position u32be | length u32be | crc32c u32be ]
//! ```

use std::ops::Range;

use kronotop_segment::Location;

/// Bytes of an encoded pointer.
pub const POINTER_BYTES: usize = 18;

/// Where a document's body is: the shard, and the place in its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// The shard whose volume holds the body.
    pub shard: u16,
    /// The place in that volume.
    pub location: Location,
}

const _: () = assert!(POINTER_BYTES == size_of::<u16>() + size_of::<Location>());

impl Pointer {
    /// Decodes a pointer; `None` unless `value` has exactly its length.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (shard, rest) = value.split_first_chunk::<2>()?;
        let (segment, rest) = rest.split_first_chunk::<4>()?;
        let (position, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let crc32c: [u8; 4] = rest.try_into().ok()?;
        Some(Self {
            shard: u16::from_be_bytes(*shard),
            location: Location {
                segment: u32::from_be_bytes(*segment),
                position: u32::from_be_bytes(*position),
                length: u32::from_be_bytes(*length),
                crc32c: u32::from_be_bytes(crc32c),
            },
        })
    }

    /// Encodes the pointer; [`Pointer::decode`] reverses it.
    #[must_use]
    pub fn encode(&self) -> [u8; POINTER_BYTES] {
        let Location { segment, position, length, crc32c } = self.location;
        let mut bytes = [0; POINTER_BYTES];
        let (shard, words) = bytes.split_at_mut(2);
        shard.copy_from_slice(&self.shard.to_be_bytes());
        for (word, value) in words.chunks_exact_mut(4).zip([segment, position, length, crc32c]) {
            word.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }
}

/// One pair of a packed range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// Walks a packed range.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    length: usize,
    rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// A walk from the first pair.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self { length: data.len(), rest: data }
    }

    /// Takes the next pair; `None` where the data ends or is cut short.
    pub fn take(&mut self) -> Option<Pair<'a>> {
        let (key_length, rest) = self.rest.split_first_chunk::<4>()?;
        let (value_length, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
        self.rest = rest;
        Some(Pair { key, value })
    }

    /// Where the key of the pair that was taken last stands in the packed range.
    pub(crate) fn key_range(&self, taken: Pair<'_>) -> Range<usize> {
        let end = self.length - self.rest.len() - taken.value.len();
        end - taken.key.len()..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_eighteen_bytes_big_endian() {
        let location =
            Location { segment: 0x0102_0304, position: 5, length: 6, crc32c: 0xfffe_fdfc };
        let pointer = Pointer { shard: 0x0a0b, location };
        let bytes = pointer.encode();
        let expected = [0x0a, 0x0b, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0xff, 0xfe, 0xfd, 0xfc];
        assert_eq!(bytes, expected);
        assert_eq!(Pointer::decode(&bytes), Some(pointer));
        assert_eq!(Pointer::decode(&bytes[1..]), None);
        assert_eq!(Pointer::decode(&[bytes.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn walks_pairs_and_stops_where_data_is_cut() {
        let data = [1, 0, 0, 0, 2, 0, 0, 0, b'k', b'v', b'w', 0, 0, 0, 0, 0, 0, 0, 0];
        let mut pairs = Pairs::new(&data);
        assert_eq!(pairs.take(), Some(Pair { key: b"k", value: b"vw" }));
        assert_eq!(pairs.take(), Some(Pair { key: b"", value: b"" }));
        assert_eq!(pairs.take(), None);
        for cut in 0..11 {
            assert_eq!(Pairs::new(&data[..cut]).take(), None, "{cut}");
        }
    }
}
