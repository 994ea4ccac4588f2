//! The bytes of log files: header, frames, transactions.
//!
//! All numbers are little-endian. File header, 32 bytes:
//! ```text
//!  0  magic           4  "KVLG"
//!  4  format version  4
//!  8  store id        8  as in the tree's meta record
//! 16  log id          8
//! 24  zero            4
//! 28  checksum        4  crc32c of the bytes before it
//! ```
//!
//! Frame, at a multiple of 8:
//! ```text
//!  0  magic           4  "KVFR"
//!  4  checksum        4  crc32c of store id, then of the frame from offset 8 to the payload's end
//!  8  log id          8
//! 16  frame number    8
//! 24  durable frame   8  the frames up to this number were durable when this one was written
//! 32  last version    8  of the payload's commits
//! 40  payload length  4
//! 44  commit count    4
//! 48  payload, then zeros up to a multiple of 8
//! ```
//!
//! Payload, per commit: version 8, length of its operations 4, then per operation: kind 1, first
//! length 4, second length 4, first bytes, second bytes. Kinds: 1 clear range (begin, end), 2 set
//! (key, value), 3 clear key (key, nothing). They hold in that order.

use crate::error::{Error, Result};

pub(super) const HEADER_SIZE: usize = 32;
const _: () = assert!(4 + 4 + 8 + 8 + 4 + 4 == HEADER_SIZE);
pub(super) const FRAME_HEADER_SIZE: usize = 48;
const _: () = assert!(4 + 4 + 8 + 8 + 8 + 8 + 4 + 4 == FRAME_HEADER_SIZE);
pub(super) const ALIGNMENT: usize = 8;
const _: () =
    assert!(HEADER_SIZE.is_multiple_of(ALIGNMENT) && FRAME_HEADER_SIZE.is_multiple_of(ALIGNMENT));

const FILE_MAGIC: u32 = u32::from_le_bytes(*b"KVLG");
pub(super) const FRAME_MAGIC: [u8; 4] = *b"KVFR";
const FORMAT_VERSION: u32 = 1;

const CLEAR_RANGE: u8 = 1;
const SET: u8 = 2;
const CLEAR_KEY: u8 = 3;

/// The identity of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) store_id: u64,
    pub(super) log_id: u64,
}

impl FileHeader {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_SIZE);
        bytes.extend_from_slice(&FILE_MAGIC.to_le_bytes());
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.store_id.to_le_bytes());
        bytes.extend_from_slice(&self.log_id.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header; `None` when it is torn or damaged.
    ///
    /// # Errors
    /// When the file has another format version.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>> {
        let Some((covered, checksum)) = bytes.split_last_chunk::<4>() else { return Ok(None) };
        if crc32c::crc32c(covered) != u32::from_le_bytes(*checksum) {
            return Ok(None);
        }
        let mut fields = Fields(covered);
        let (Some(FILE_MAGIC), Some(format)) = (fields.u32(), fields.u32()) else {
            return Ok(None);
        };
        if format != FORMAT_VERSION {
            return Err(Error::corrupt(format!(
                "the commit log has format version {format}, this program reads {FORMAT_VERSION}"
            )));
        }
        let (Some(store_id), Some(log_id)) = (fields.u64(), fields.u64()) else { return Ok(None) };
        Ok(Some(Self { store_id, log_id }))
    }
}

/// The fields of a frame beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameInfo {
    pub(super) log_id: u64,
    pub(super) number: u64,
    pub(super) durable: u64,
    pub(super) last_version: i64,
}

/// Builds the frame of one group of commits, reusing its buffer.
#[derive(Debug, Default)]
pub(crate) struct GroupEncoder {
    bytes: Vec<u8>,
    commits: u32,
    /// Where the length of the present commit's operations goes.
    length_at: usize,
}

impl GroupEncoder {
    /// Starts a new group.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(FRAME_HEADER_SIZE, 0);
        self.commits = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.commits == 0
    }

    /// Starts a commit.
    pub(crate) fn begin_commit(&mut self, version: i64) {
        self.commits += 1;
        self.bytes.extend_from_slice(&version.to_le_bytes());
        self.length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
    }

    pub(crate) fn clear_range(&mut self, begin: &[u8], end: &[u8]) {
        self.operation(CLEAR_RANGE, begin, end);
    }

    /// Sets a key, or clears it when the value is `None`.
    pub(crate) fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.operation(SET, key, value),
            None => self.operation(CLEAR_KEY, key, &[]),
        }
    }

    /// Ends the present commit.
    pub(crate) fn end_commit(&mut self) {
        let length = (self.bytes.len() - self.length_at - 4) as u32;
        self.patch(self.length_at, &length.to_le_bytes());
    }

    fn operation(&mut self, kind: u8, first: &[u8], second: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&(first.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(second.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(first);
        self.bytes.extend_from_slice(second);
    }

    fn patch(&mut self, at: usize, field: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
    }

    /// The frame's length once finished.
    pub(crate) fn frame_len(&self) -> usize {
        self.bytes.len().next_multiple_of(ALIGNMENT)
    }

    /// The finished frame.
    pub(super) fn finish(&mut self, store_id: u64, info: FrameInfo) -> &[u8] {
        let payload = (self.bytes.len() - FRAME_HEADER_SIZE) as u32;
        self.patch(0, &FRAME_MAGIC);
        self.patch(8, &info.log_id.to_le_bytes());
        self.patch(16, &info.number.to_le_bytes());
        self.patch(24, &info.durable.to_le_bytes());
        self.patch(32, &info.last_version.to_le_bytes());
        self.patch(40, &payload.to_le_bytes());
        self.patch(44, &self.commits.to_le_bytes());
        let covered = self.bytes.get(8..).unwrap_or_default();
        let checksum = checksum(store_id, covered);
        self.patch(4, &checksum.to_le_bytes());
        self.bytes.resize(self.frame_len(), 0);
        &self.bytes
    }
}

/// The store id is random and known to nobody outside: bytes that a user stored cannot pass for a
/// frame.
fn checksum(store_id: u64, covered: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&store_id.to_le_bytes()), covered)
}

/// The frame of log `header.log_id` at the start of `bytes`: its fields, payload, and length with
/// padding. `None` when there is no whole frame.
pub(super) fn decode_frame(header: FileHeader, bytes: &[u8]) -> Option<(FrameInfo, &[u8], usize)> {
    let mut fields = Fields(bytes.get(4..FRAME_HEADER_SIZE)?);
    if !bytes.starts_with(&FRAME_MAGIC) {
        return None;
    }
    let stored = fields.u32()?;
    let info = FrameInfo {
        log_id: fields.u64()?,
        number: fields.u64()?,
        durable: fields.u64()?,
        last_version: fields.u64()?.cast_signed(),
    };
    if info.log_id != header.log_id {
        return None;
    }
    let end = FRAME_HEADER_SIZE.checked_add(fields.u32()? as usize)?;
    if checksum(header.store_id, bytes.get(8..end)?) != stored {
        return None;
    }
    Some((info, bytes.get(FRAME_HEADER_SIZE..end)?, end.next_multiple_of(ALIGNMENT)))
}

/// One logged operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation<'a> {
    ClearRange(&'a [u8], &'a [u8]),
    Write(&'a [u8], Option<&'a [u8]>),
}

/// Calls `visit` with the version of each operation in a payload, in order.
///
/// # Errors
/// When the payload, whose checksum was right, does not parse: another program wrote it.
pub(super) fn read_payload<'a>(
    payload: &'a [u8],
    mut visit: impl FnMut(i64, Operation<'a>),
) -> Result<()> {
    let mut fields = Fields(payload);
    let malformed = || Error::corrupt("a commit log frame does not parse");
    while !fields.0.is_empty() {
        let version = fields.u64().ok_or_else(malformed)?.cast_signed();
        let length = fields.u32().ok_or_else(malformed)?;
        let mut operations = Fields(fields.take(length).ok_or_else(malformed)?);
        while !operations.0.is_empty() {
            visit(version, operations.operation().ok_or_else(malformed)?);
        }
    }
    Ok(())
}

/// Reads fields off the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn u32(&mut self) -> Option<u32> {
        let (field, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*field))
    }

    fn u64(&mut self) -> Option<u64> {
        let (field, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*field))
    }

    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        Some(taken)
    }

    fn operation(&mut self) -> Option<Operation<'a>> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let (first_len, second_len) = (self.u32()?, self.u32()?);
        let (first, second) = (self.take(first_len)?, self.take(second_len)?);
        match *kind {
            CLEAR_RANGE => Some(Operation::ClearRange(first, second)),
            SET => Some(Operation::Write(first, Some(second))),
            CLEAR_KEY => Some(Operation::Write(first, None)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FileHeader = FileHeader { store_id: 7, log_id: 3 };
    const INFO: FrameInfo = FrameInfo { log_id: 3, number: 9, durable: 8, last_version: 55 };

    fn frame() -> Vec<u8> {
        let mut encoder = GroupEncoder::default();
        encoder.clear();
        encoder.begin_commit(54);
        encoder.clear_range(b"a", b"b");
        encoder.write(b"k", Some(b"value"));
        encoder.end_commit();
        encoder.begin_commit(55);
        encoder.write(b"k", None);
        encoder.end_commit();
        encoder.finish(HEADER.store_id, INFO).to_vec()
    }

    #[test]
    fn frames_come_back_as_they_were_written() {
        let bytes = frame();
        let (info, payload, len) = decode_frame(HEADER, &bytes).unwrap();
        assert_eq!((info, len), (INFO, bytes.len()));
        let mut seen = Vec::new();
        read_payload(payload, |version, operation| seen.push((version, operation))).unwrap();
        let expected = [
            (54, Operation::ClearRange(b"a", b"b")),
            (54, Operation::Write(b"k", Some(b"value"))),
            (55, Operation::Write(b"k", None)),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn any_changed_byte_but_padding_makes_a_frame_invalid() {
        let bytes = frame();
        let payload_end = FRAME_HEADER_SIZE + decode_frame(HEADER, &bytes).unwrap().1.len();
        for at in 0..payload_end {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode_frame(HEADER, &damaged).is_none(), "byte {at}");
        }
        for end in 0..payload_end {
            assert!(decode_frame(HEADER, &bytes[..end]).is_none());
        }
        assert!(decode_frame(FileHeader { store_id: 8, ..HEADER }, &bytes).is_none());
    }

    #[test]
    fn file_headers_tell_damage_from_another_version() {
        let bytes = HEADER.encode();
        assert_eq!(bytes.len(), HEADER_SIZE);
        assert_eq!(FileHeader::decode(&bytes).unwrap(), Some(HEADER));
        let mut torn = bytes.clone();
        torn[9] ^= 1;
        assert_eq!(FileHeader::decode(&torn).unwrap(), None);
        let mut future = bytes[..HEADER_SIZE - 4].to_vec();
        future[4] = 2;
        future.extend_from_slice(&crc32c::crc32c(&future).to_le_bytes());
        assert!(FileHeader::decode(&future).unwrap_err().to_string().contains("version 2"));
    }
}
