//! Messages: their fields and their frames.
//!
//! ```text
//! frame    length of the rest u32 | kind u8 | fields
//! bytes    length u32 | bytes            numbers are little-endian
//! ```

use std::io::{self, BufReader, Read};
use std::os::unix::net::UnixStream;

use rustix::net::{SendFlags, send};

use crate::error::{Error, Result};

/// Both ends must have the same.
pub(crate) const PROTOCOL: u32 = 1;

/// No message is longer: a commit of the largest size with all of its conflict ranges is shorter.
const FRAME_LIMIT: usize = 128 << 20;

/// A frame being written.
#[derive(Debug)]
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    pub(crate) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        // Larger ones do not fit into a frame.
        self.0.extend_from_slice(&(count as u32).to_le_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.byte(1).bytes(bytes),
            None => self.byte(0),
        }
    }

    pub(crate) fn outcome(&mut self, outcome: &Result<i64>) -> &mut Self {
        match outcome {
            Ok(version) => self.number(0).number(*version),
            Err(error) => self.number(i64::from(error.code)).bytes(error.to_string().as_bytes()),
        }
    }

    /// Sends the frame. A peer that is gone is an error, never a signal.
    pub(crate) fn send(mut self, stream: &UnixStream) -> std::result::Result<(), Unsent> {
        let length = (self.0.len() - 4) as u32;
        if let Some(place) = self.0.first_chunk_mut::<4>() {
            *place = length.to_le_bytes();
        }
        let mut rest = self.0.as_slice();
        while !rest.is_empty() {
            match send(stream, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return Err(Unsent { whole: rest.len() == self.0.len(), error: error.into() });
                }
            }
        }
        Ok(())
    }
}

/// A frame could not be sent.
#[derive(Debug)]
pub(crate) struct Unsent {
    /// The other end got nothing of it.
    pub(crate) whole: bool,
    error: io::Error,
}

impl From<Unsent> for io::Error {
    fn from(unsent: Unsent) -> Self {
        unsent.error
    }
}

/// Receives the next frame into `buffer`, its length cut off; false at the end of the stream.
pub(crate) fn receive(
    stream: &mut BufReader<UnixStream>,
    buffer: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut length = [0; 4];
    if let Err(error) = stream.read_exact(&mut length) {
        let ended = error.kind() == io::ErrorKind::UnexpectedEof;
        return if ended { Ok(false) } else { Err(error) };
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_LIMIT {
        return Err(malformed());
    }
    buffer.resize(length, 0);
    stream.read_exact(buffer)?;
    Ok(true)
}

/// What a peer sent makes no sense.
pub(crate) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed message")
}

/// The fields of a received frame, taken one by one; `None` when they end too early.
#[derive(Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(crate) fn number(&mut self) -> Option<i64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(i64::from_le_bytes(*bytes))
    }

    pub(crate) fn count(&mut self) -> Option<usize> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes) as usize)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn optional(&mut self) -> Option<Option<&'a [u8]>> {
        match self.byte()? {
            0 => Some(None),
            _ => Some(Some(self.bytes()?)),
        }
    }

    pub(crate) fn outcome(&mut self) -> Option<Result<i64>> {
        match i32::try_from(self.number()?).ok()? {
            0 => Some(Ok(self.number()?)),
            code => {
                let text = str::from_utf8(self.bytes()?).ok()?;
                Some(Err(Error::with_message(code, text)))
            }
        }
    }

    /// Some when everything was taken.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A range at a version, as a follower asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RangeRequest<'a> {
    pub(crate) version: i64,
    pub(crate) begin: &'a [u8],
    pub(crate) end: &'a [u8],
    pub(crate) reverse: bool,
    pub(crate) pairs: usize,
    pub(crate) bytes: usize,
}

/// What a follower sends, but for commits: those are in `commits`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// First on every connection; answered with `Welcome`.
    Hello {
        protocol: u32,
    },
    ReadVersion,
    Get {
        version: i64,
        key: &'a [u8],
    },
    Range(RangeRequest<'a>),
    /// Answered with `Fired` when the value is no longer the expected one.
    Watch {
        id: i64,
        key: &'a [u8],
        expected: Option<&'a [u8]>,
    },
    Unwatch {
        id: i64,
    },
}

/// The kind of a commit's frame.
pub(crate) const COMMIT: u8 = b'c';

impl<'a> Request<'a> {
    pub(crate) fn encode(&self) -> Frame {
        match *self {
            Self::Hello { protocol } => {
                let mut frame = Frame::new(b'h');
                frame.count(protocol as usize);
                frame
            }
            Self::ReadVersion => Frame::new(b'v'),
            Self::Get { version, key } => {
                let mut frame = Frame::new(b'g');
                frame.number(version).bytes(key);
                frame
            }
            Self::Range(RangeRequest { version, begin, end, reverse, pairs, bytes }) => {
                let mut frame = Frame::new(b'r');
                frame.number(version).bytes(begin).bytes(end).byte(u8::from(reverse));
                frame.count(pairs.min(u32::MAX as usize)).count(bytes.min(u32::MAX as usize));
                frame
            }
            Self::Watch { id, key, expected } => {
                let mut frame = Frame::new(b'w');
                frame.number(id).bytes(key).optional(expected);
                frame
            }
            Self::Unwatch { id } => {
                let mut frame = Frame::new(b'u');
                frame.number(id);
                frame
            }
        }
    }

    pub(crate) fn decode(frame: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(frame);
        let request = match fields.byte()? {
            b'h' => Self::Hello { protocol: fields.count()? as u32 },
            b'v' => Self::ReadVersion,
            b'g' => Self::Get { version: fields.number()?, key: fields.bytes()? },
            b'r' => Self::Range(RangeRequest {
                version: fields.number()?,
                begin: fields.bytes()?,
                end: fields.bytes()?,
                reverse: fields.byte()? != 0,
                pairs: fields.count()?,
                bytes: fields.count()?,
            }),
            b'w' => Self::Watch {
                id: fields.number()?,
                key: fields.bytes()?,
                expected: fields.optional()?,
            },
            b'u' => Self::Unwatch { id: fields.number()? },
            _ => return None,
        };
        fields.end()?;
        Some(request)
    }
}

/// What the owner sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// To `Hello`: the owner's protocol and reign.
    Welcome { protocol: u32, reign: i64 },
    /// To `ReadVersion`, or to any read that failed.
    Outcome(Result<i64>),
    /// To `Get`.
    Value(Option<&'a [u8]>),
    /// To `Range`: pairs packed as in [`crate::RangeResult`]; whether the range holds more.
    Pairs { more: bool, data: &'a [u8] },
    /// To a commit: its version.
    Committed { id: i64, outcome: Result<i64> },
    /// To `Watch`.
    Fired { id: i64, outcome: Result<i64> },
}

impl<'a> Reply<'a> {
    pub(crate) fn encode(&self) -> Frame {
        match self {
            Self::Welcome { protocol, reign } => {
                let mut frame = Frame::new(b'H');
                frame.count(*protocol as usize).number(*reign);
                frame
            }
            Self::Outcome(outcome) => {
                let mut frame = Frame::new(b'O');
                frame.outcome(outcome);
                frame
            }
            Self::Value(value) => {
                let mut frame = Frame::new(b'V');
                frame.optional(*value);
                frame
            }
            Self::Pairs { more, data } => {
                let mut frame = Frame::new(b'P');
                frame.byte(u8::from(*more)).bytes(data);
                frame
            }
            Self::Committed { id, outcome } => {
                let mut frame = Frame::new(b'C');
                frame.number(*id).outcome(outcome);
                frame
            }
            Self::Fired { id, outcome } => {
                let mut frame = Frame::new(b'F');
                frame.number(*id).outcome(outcome);
                frame
            }
        }
    }

    pub(crate) fn decode(frame: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(frame);
        let reply = match fields.byte()? {
            b'H' => Self::Welcome { protocol: fields.count()? as u32, reign: fields.number()? },
            b'O' => Self::Outcome(fields.outcome()?),
            b'V' => Self::Value(fields.optional()?),
            b'P' => Self::Pairs { more: fields.byte()? != 0, data: fields.bytes()? },
            b'C' => Self::Committed { id: fields.number()?, outcome: fields.outcome()? },
            b'F' => Self::Fired { id: fields.number()?, outcome: fields.outcome()? },
            _ => return None,
        };
        // A later protocol says so in a welcome that may be longer.
        if !matches!(reply, Self::Welcome { .. }) {
            fields.end()?;
        }
        Some(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(frame: Frame) -> Vec<u8> {
        frame.0[4..].to_vec()
    }

    #[test]
    fn requests_and_replies_survive_the_wire_and_cut_ones_do_not() {
        let range =
            RangeRequest { version: 7, begin: b"a", end: b"", reverse: true, pairs: 3, bytes: 4 };
        let requests = [
            Request::Hello { protocol: 3 },
            Request::ReadVersion,
            Request::Get { version: -1, key: b"k" },
            Request::Range(range),
            Request::Watch { id: 9, key: b"", expected: None },
            Request::Watch { id: 9, key: b"w", expected: Some(b"v") },
            Request::Unwatch { id: 9 },
        ];
        for request in requests {
            let sent = body(request.encode());
            assert_eq!(Request::decode(&sent).as_ref(), Some(&request));
            assert_eq!(Request::decode(&sent[..sent.len() - 1]), None, "{request:?}");
            assert_eq!(Request::decode(&[&sent[..], b"x"].concat()), None, "{request:?}");
        }
        let failed = || Err(Error::with_message(1510, "the disk is full"));
        let replies = [
            Reply::Welcome { protocol: 1, reign: 5 },
            Reply::Outcome(Ok(8)),
            Reply::Outcome(failed()),
            Reply::Value(None),
            Reply::Value(Some(b"")),
            Reply::Pairs { more: true, data: b"xyz" },
            Reply::Committed { id: 1, outcome: failed() },
            Reply::Fired { id: 1, outcome: Ok(0) },
        ];
        for reply in replies {
            let sent = body(reply.encode());
            assert_eq!(Reply::decode(&sent).as_ref(), Some(&reply));
            assert_eq!(Reply::decode(&sent[..sent.len() - 1]), None, "{reply:?}");
        }
    }
}
