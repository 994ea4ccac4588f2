//! Documents made from parts of others: written front to back, never larger than a document may be.

use crate::raw::{self, Damaged, Element, Elements};
use crate::{Error, MAX_DOCUMENT_BYTES};

/// The end of a byte vector that one document is appended to.
///
/// INVARIANT: the vector is never longer than `limit`.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
}

impl<'a> Output<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Output<'a> {
        let limit = out.len() + MAX_DOCUMENT_BYTES;
        Output { out, limit }
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > self.limit - self.out.len() {
            return Err(Error::TooLarge);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Opens a document or array and returns where it starts.
    pub(crate) fn begin(&mut self) -> Result<usize, Error> {
        let start = self.out.len();
        self.bytes(&[0; 4])?;
        Ok(start)
    }

    /// Closes the document that starts at `start`.
    pub(crate) fn end(&mut self, start: usize) -> Result<(), Error> {
        self.bytes(&[0])?;
        let length = u32::try_from(self.out.len() - start).map_err(|_| Error::TooLarge)?;
        if let Some(slot) = self.out.get_mut(start..start + 4) {
            slot.copy_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    /// Writes what stands before the value of a field.
    #[inline]
    pub(crate) fn named(&mut self, kind: u8, name: &[u8]) -> Result<(), Error> {
        self.bytes(&[kind])?;
        self.bytes(name)?;
        self.bytes(&[0])
    }

    /// Writes what stands before the value of an array element.
    pub(crate) fn numbered(&mut self, kind: u8, mut position: usize) -> Result<(), Error> {
        let mut digits = [0_u8; 20];
        let mut count = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (position % 10) as u8;
            position /= 10;
            count += 1;
            if position == 0 {
                break;
            }
        }
        self.named(kind, digits.get(digits.len() - count..).unwrap_or_default())
    }
}

/// A document or array that is copied in long stretches, except for elements that are left out.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    bytes: &'a [u8],
    elements: Elements<'a>,
    /// Where the current element starts, from the start of `bytes`.
    current: usize,
    /// Up to where elements have been copied or left out.
    done: usize,
}

impl<'a> Source<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Source<'a>, Damaged> {
        Ok(Source { bytes, elements: raw::elements(bytes)?, current: 4, done: 4 })
    }

    /// Where the next element starts.
    fn position(&self) -> usize {
        self.bytes.len() - 1 - self.elements.remaining()
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, Damaged> {
        self.current = self.position();
        self.elements.next()
    }

    /// Leaves the current element out; copies what is before it.
    pub(crate) fn leave_out(&mut self, out: &mut Output<'_>) -> Result<(), Error> {
        out.bytes(self.bytes.get(self.done..self.current).unwrap_or_default())?;
        self.done = self.position();
        Ok(())
    }

    /// Copies what is left, when all elements have been seen.
    pub(crate) fn finish(self, out: &mut Output<'_>) -> Result<(), Error> {
        out.bytes(self.bytes.get(self.done..self.position()).unwrap_or_default())
    }
}
