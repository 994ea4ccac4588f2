//! What the recorder wrote, with what is durable from when on.

use std::collections::HashMap;
use std::io;
use std::path::Path;

/// The kind of a record that says what is there when a trace begins.
const PRESENT: u32 = 2;

/// A file or directory of a trace; the root is 0.
pub(crate) type FileId = usize;

/// One recorded effect.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) effect: Effect,
    /// The op at whose end this one is durable.
    pub(crate) durable: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Effect {
    Note(String),
    Write {
        file: FileId,
        offset: usize,
        bytes: Vec<u8>,
    },
    Length {
        file: FileId,
        length: usize,
    },
    /// Zeros in a range, without a new length.
    Punch {
        file: FileId,
        offset: usize,
        length: usize,
    },
    /// New meanings of names, all or none; `None` is no meaning.
    Names(Vec<(String, Option<FileId>)>),
    /// A flush begins or ends, or a file got blocks.
    Nothing,
}

/// What a process did to the files below a directory, in order.
#[derive(Debug, Default)]
pub struct Trace {
    pub(crate) ops: Vec<Op>,
    /// What was there at the start: path, file, and whether it is a directory.
    pub(crate) present: Vec<(String, FileId)>,
    /// Whether a file is a directory.
    pub(crate) directories: Vec<bool>,
}

impl Trace {
    /// Reads the trace in a file.
    ///
    /// # Errors
    /// When it cannot be read, is cut short, or holds a call whose effect is not known.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut reader = Reader::default();
        reader.read_file(path, usize::MAX)?;
        Ok(reader.trace)
    }

    /// Reads the trace in the file `first` up to a moment, and goes on with the one in `then`,
    /// which began with what was in memory at that moment: the process was killed and started
    /// again, and what it had not flushed is still not durable.
    ///
    /// # Errors
    /// As for [`Trace::read`].
    pub fn read_restarted(first: &Path, moment: usize, then: &Path) -> io::Result<Self> {
        let mut reader = Reader::default();
        reader.read_file(first, moment)?;
        // Flushes under way came to nothing, and the new process counts them anew.
        reader.flushes.clear();
        reader.read_file(then, usize::MAX)?;
        Ok(reader.trace)
    }

    /// The number of recorded effects: a power loss has so many moments, and one more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// True when nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The notes before a moment, in order.
    pub fn notes(&self, moment: usize) -> impl Iterator<Item = &str> {
        self.ops[..moment].iter().filter_map(|op| match &op.effect {
            Effect::Note(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The moments right behind a change of names.
    #[must_use]
    pub fn name_changes(&self) -> Vec<usize> {
        self.moments_behind(|op, _| matches!(op.effect, Effect::Names(_)))
    }

    /// The moments between a write with `O_DSYNC` and its end.
    #[must_use]
    pub fn writes_through(&self) -> Vec<usize> {
        let is_write = |op: &Op| matches!(op.effect, Effect::Write { .. });
        self.moments_behind(|op, next| is_write(op) && op.durable == Some(next))
    }

    fn moments_behind(&self, is_wanted: impl Fn(&Op, usize) -> bool) -> Vec<usize> {
        let numbered = self.ops.iter().zip(1..);
        numbered.filter(|(op, next)| is_wanted(op, *next)).map(|(_, next)| next).collect()
    }
}

#[derive(Debug, Default)]
struct Reader {
    trace: Trace,
    files: HashMap<u64, FileId>,
    names: HashMap<String, FileId>,
    /// Ops of a file or directory that no flush covers yet.
    unflushed: HashMap<FileId, Vec<usize>>,
    /// What a flush that has begun covers.
    flushes: HashMap<u64, Vec<usize>>,
}

impl Reader {
    /// Reads up to so many ops.
    fn read_file(&mut self, path: &Path, ops: usize) -> io::Result<()> {
        let bytes = std::fs::read(path)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let mut record = Fields(rest);
            let (kind, length) = (record.u32()?, record.u32()? as usize);
            if kind != PRESENT && self.trace.ops.len() == ops {
                break;
            }
            self.read_record(kind, Fields(record.take(length)?))?;
            rest = record.0;
        }
        Ok(())
    }

    fn read_record(&mut self, kind: u32, mut fields: Fields<'_>) -> io::Result<()> {
        match kind {
            1 => self.push(Effect::Note(fields.text()?), &[]),
            PRESENT => {
                let (inode, is_directory, path) =
                    (fields.u64()?, fields.u64()? == 1, fields.text()?);
                if let Some(known) = self.names.get(&path) {
                    self.files.insert(inode, *known);
                } else {
                    let file = self.new_file(inode, is_directory);
                    self.names.insert(path.clone(), file);
                    self.trace.present.push((path, file));
                }
            }
            3 | 4 => {
                let file = self.new_file(fields.u64()?, kind == 4);
                self.name_op(vec![(fields.text()?, Some(file))])?;
            }
            5 => {
                let both = fields.text()?;
                let (from, to) = both.split_once('\0').ok_or_else(malformed)?;
                let file = self.names.get(from).copied().ok_or_else(malformed)?;
                self.name_op(vec![(from.to_owned(), None), (to.to_owned(), Some(file))])?;
            }
            12 => self.name_op(vec![(fields.text()?, None)])?,
            6 => {
                let (file, offset, token) =
                    (self.file(fields.u64()?)?, fields.u64()?, fields.u64()?);
                let (offset, bytes) = (offset as usize, fields.0.to_vec());
                self.push(Effect::Write { file, offset, bytes }, &[file]);
                if token != 0 {
                    self.flushes.insert(token, vec![self.trace.ops.len() - 1]);
                }
            }
            7 => {
                let (file, length) = (self.file(fields.u64()?)?, fields.u64()? as usize);
                self.push(Effect::Length { file, length }, &[file]);
            }
            8 => self.allocate(fields)?,
            9 => {
                let (file, token) = (self.file(fields.u64()?)?, fields.u64()?);
                // Two flushes of a file may overlap: the one that ends first makes durable.
                self.flushes.insert(token, self.unflushed.get(&file).cloned().unwrap_or_default());
                self.push(Effect::Nothing, &[]);
            }
            10 => self.end_flush(fields.u64()?),
            _ => return Err(io::Error::other(format!("call {}", fields.text()?))),
        }
        Ok(())
    }

    fn allocate(&mut self, mut fields: Fields<'_>) -> io::Result<()> {
        const KEEP_SIZE: u64 = 1;
        const PUNCH_HOLE: u64 = 2;
        let (file, mode) = (self.file(fields.u64()?)?, fields.u64()?);
        let (offset, length) = (fields.u64()? as usize, fields.u64()? as usize);
        match mode {
            KEEP_SIZE => self.push(Effect::Nothing, &[]),
            mode if mode == KEEP_SIZE | PUNCH_HOLE => {
                self.push(Effect::Punch { file, offset, length }, &[file]);
            }
            other => return Err(io::Error::other(format!("fallocate with mode {other}"))),
        }
        Ok(())
    }

    /// What it covers and no other flush has covered is durable from here on.
    fn end_flush(&mut self, token: u64) {
        let at = self.trace.ops.len();
        for op in self.flushes.remove(&token).unwrap_or_default() {
            self.trace.ops[op].durable.get_or_insert(at);
        }
        for waiting in self.unflushed.values_mut() {
            waiting.retain(|op| self.trace.ops[*op].durable.is_none());
        }
        self.push(Effect::Nothing, &[]);
    }

    fn name_op(&mut self, changes: Vec<(String, Option<FileId>)>) -> io::Result<()> {
        let mut directories = Vec::new();
        for (path, file) in &changes {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            directories.push(self.names.get(parent).copied().ok_or_else(malformed)?);
            match file {
                Some(file) => self.names.insert(path.clone(), *file),
                None => self.names.remove(path),
            };
        }
        directories.dedup();
        if directories.len() > 1 {
            return Err(io::Error::other("a rename from one directory to another"));
        }
        self.push(Effect::Names(changes), &directories);
        Ok(())
    }

    fn push(&mut self, effect: Effect, covered_by: &[FileId]) {
        let at = self.trace.ops.len();
        for file in covered_by {
            self.unflushed.entry(*file).or_default().push(at);
        }
        self.trace.ops.push(Op { effect, durable: None });
    }

    fn new_file(&mut self, inode: u64, is_directory: bool) -> FileId {
        let file = self.trace.directories.len();
        self.trace.directories.push(is_directory);
        self.files.insert(inode, file);
        file
    }

    fn file(&self, inode: u64) -> io::Result<FileId> {
        self.files.get(&inode).copied().ok_or_else(malformed)
    }
}

fn malformed() -> io::Error {
    io::Error::other("the trace does not make sense")
}

/// Little-endian fields, taken from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn u32(&mut self) -> io::Result<u32> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*head))
    }

    fn u64(&mut self) -> io::Result<u64> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*head))
    }

    fn text(&self) -> io::Result<String> {
        String::from_utf8(self.0.to_vec()).map_err(|_| malformed())
    }
}
