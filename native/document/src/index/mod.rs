//! Secondary indexes: the keys that a document has in one, and the keys that an operand asks for.
//!
//! ```text
//! key        component, one a field
//! component  0x05                     null or a missing value
//!            0x06                     an empty array
//!            0x10 | integer           8 bytes big-endian, sign flipped; DATE_TIME too
//!            0x10 | double            8 bytes big-endian: negative inverted, else sign flipped;
//!                                     -0.0 as 0.0, NaN 0xff…
//!            0x10 | boolean           0 or 1
//!            0x10 | timestamp         8 bytes big-endian
//!            0x10 | ObjectId          12 bytes
//!            0x10 | text or binary    00 as 00 ff, then 00 00; a collated text is its sort key
//! ```
//!
//! INVARIANT: keys of one index compare bytewise as their values compare in a filter, and none is a
//! prefix of another.

mod component;
mod keys;
mod range;

use std::sync::Arc;

use crate::Error;
use crate::collation::Collator;
use crate::filter::path::{self, Segment};

pub use keys::Keys;
pub use range::KeyRange;

/// The declared type of an indexed field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// UTF-8 text.
    String,
    /// INT32.
    Int32,
    /// INT64, or INT32.
    Int64,
    /// DOUBLE, or INT32.
    Double,
    /// BOOLEAN.
    Boolean,
    /// DATE_TIME.
    DateTime,
    /// TIMESTAMP.
    Timestamp,
    /// BINARY of any subtype, which does not count.
    Binary,
    /// OBJECT_ID.
    ObjectId,
}

const KINDS: [(&str, FieldKind); 9] = [
    ("STRING", FieldKind::String),
    ("INT32", FieldKind::Int32),
    ("INT64", FieldKind::Int64),
    ("DOUBLE", FieldKind::Double),
    ("BOOLEAN", FieldKind::Boolean),
    ("DATE_TIME", FieldKind::DateTime),
    ("TIMESTAMP", FieldKind::Timestamp),
    ("BINARY", FieldKind::Binary),
    ("OBJECT_ID", FieldKind::ObjectId),
];

impl FieldKind {
    /// The kind of a printed name such as `DATE_TIME`.
    pub fn from_name(name: &str) -> Option<FieldKind> {
        KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// The printed name.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// One field of an index.
#[derive(Debug)]
pub struct Field {
    path: String,
    segments: Vec<Segment>,
    kind: FieldKind,
    multi_key: bool,
}

impl Field {
    /// A field at a dotted path. `multi_key` lets a field of a compound index hold arrays; the
    /// field of a single-field index always may.
    pub fn new(path: &str, kind: FieldKind, multi_key: bool) -> Field {
        Field { path: path.to_owned(), segments: path::split(path.as_bytes()), kind, multi_key }
    }
}

/// An index as its definition describes it.
#[derive(Debug)]
pub struct Index {
    name: String,
    fields: Vec<Field>,
    collator: Option<Arc<Collator>>,
    is_compound: bool,
    is_strict: bool,
}

impl Index {
    /// An index on one field. `collator` orders its strings; without one, their bytes do. In a
    /// strict index a value of another type is an error, else it has no key.
    pub fn single(
        name: &str,
        field: Field,
        collator: Option<Arc<Collator>>,
        is_strict: bool,
    ) -> Index {
        let fields = vec![field];
        Index { name: name.to_owned(), fields, collator, is_compound: false, is_strict }
    }

    /// An index on several fields, of which one at most is multi-key.
    pub fn compound(
        name: &str,
        fields: Vec<Field>,
        collator: Option<Arc<Collator>>,
        is_strict: bool,
    ) -> Index {
        Index { name: name.to_owned(), fields, collator, is_compound: true, is_strict }
    }

    /// The error for a unique index in which `key`, one of the keys of `doc`, is taken.
    ///
    /// # Errors
    /// [`Error::Bson`] if `doc` is damaged.
    pub fn duplicate(&self, doc: &[u8], key: &[u8]) -> Result<Error, Error> {
        let values = self.texts(doc, key)?;
        Ok(match self.fields.as_slice() {
            [field] if !self.is_compound => {
                Error::DuplicateKey { name: field.path.clone(), value: values.concat() }
            }
            _ => Error::DuplicateKey {
                name: self.name.clone(),
                value: format!("[{}]", values.join(", ")),
            },
        })
    }
}
