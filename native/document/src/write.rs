//! Writing BSON: documents are opened, filled and closed; the length is patched in at the end.

use crate::Error;

/// A document under construction.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Writer {
        Writer { out: Vec::with_capacity(bytes) }
    }

    /// Opens a document or array and returns where it starts.
    pub(crate) fn begin(&mut self) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        start
    }

    /// Closes the document that starts at `start`.
    pub(crate) fn end(&mut self, start: usize) -> Result<(), Error> {
        self.out.push(0);
        self.patch_length(start, self.out.len() - start)
    }

    /// Writes one whole element.
    pub(crate) fn element(&mut self, kind: u8, name: &[u8], value: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(name);
        self.out.push(0);
        self.out.extend_from_slice(value);
    }

    /// Writes text with its length and end.
    pub(crate) fn text(&mut self, text: &[u8]) -> Result<(), Error> {
        let start = self.begin();
        self.out.extend_from_slice(text);
        self.out.push(0);
        self.patch_length(start, text.len() + 1)
    }

    /// Writes the number `length` over the four bytes at `start`.
    pub(crate) fn patch_length(&mut self, start: usize, length: usize) -> Result<(), Error> {
        let length = i32::try_from(length).map_err(|_| Error::TooLarge)?;
        let slot = self.out.get_mut(start..start + 4).ok_or(Error::TooLarge)?;
        slot.copy_from_slice(&length.to_le_bytes());
        Ok(())
    }

    /// Sets the kind of the element that starts at `at`.
    pub(crate) fn patch_kind(&mut self, at: usize, kind: u8) {
        if let Some(slot) = self.out.get_mut(at) {
            *slot = kind;
        }
    }
}
